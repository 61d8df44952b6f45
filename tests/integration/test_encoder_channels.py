"""Sound of many channels, of others on its way, and in an order of the file's own."""

import struct
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.sound_clips import (
    FRAMES,
    Packets,
    changing_source,
    flashes_and_beeps,
    make_source,
    remake,
)

RIGHT_LEFT = b"".join(struct.pack(">II3f", label, 0, 0, 0, 0) for label in (2, 1))
"""Of QuickTime's channel descriptions: right, then left."""
AROUND = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
"""The boxes in which that of the sound lies, from without."""


def exchanged(path: Path) -> Path:
    """The same file, its two channels said to be right and left."""
    content = bytearray(path.read_bytes())
    begin = content.index(b"chan") - 4
    (size,) = struct.unpack_from(">I", content, begin)
    box = b"chan" + struct.pack(">IIII", 0, 0, 0, 2) + RIGHT_LEFT
    content[begin : begin + size] = struct.pack(">I", len(box) + 4) + box
    places = [content.rindex(name, 0, begin) - 4 for name in AROUND]
    entry = places[-1] + 16  # the sound's own description, behind the head of stsd
    for place in (*places, entry):
        (old,) = struct.unpack_from(">I", content, place)
        struct.pack_into(">I", content, place, old + len(box) + 4 - size)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("extension", "audio"),
    [("webm", []), ("mp4", []), ("mov", ["pcm_s16le copied"]), ("mkv", ["pcm_s16le copied"])],
)
def test_an_order_of_the_files_own_ends_no_process(
    tmp_path: Path, extension: str, audio: list[str]
) -> None:
    source = exchanged(make_source(tmp_path / "in.mov", "pcm_s16le", layout="stereo"))
    target = tmp_path / f"out.{extension}"
    script = (
        "import sys; from pathlib import Path; "
        "from tests.sound_clips import remake; "
        "print(remake(*map(Path, sys.argv[1:])).audio)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{audio}\n"), done.stderr
    with av.open(str(target)) as file:
        assert len(file.streams.audio) == len(audio)


def test_sound_that_changes_its_channels_goes_on(tmp_path: Path) -> None:
    parts = (("mono", 0.0, 0.8), ("stereo", 0.8, 1.6))
    source = changing_source(tmp_path / "in.mkv", parts)
    remake(source, tmp_path / "out.webm")
    flashes, sounds = flashes_and_beeps(tmp_path / "out.webm")
    assert sounds == pytest.approx(flashes, abs=0.06)


@pytest.mark.parametrize(
    ("extension", "audio"),
    [("webm", "ac3 transcoded to opus"), ("flv", "ac3 transcoded to aac")],
)
def test_sound_with_speakers_at_the_sides_is_mixed(
    tmp_path: Path, extension: str, audio: str
) -> None:
    source = make_source(tmp_path / "in.mkv", "ac3", layout="5.1(side)")
    summary = remake(source, tmp_path / f"out.{extension}")
    assert (summary.audio, summary.notes) == ([audio], [])
    flashes, sounds = flashes_and_beeps(tmp_path / f"out.{extension}")
    assert sounds == pytest.approx(flashes, abs=0.02)


def test_a_pause_of_eight_channels_is_silent(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mkv", "aac", layout="7.1")
    remake(source, tmp_path / "out.avi", Packets(source, pause_s=(0.6, 1.15)))
    flashes, sounds = flashes_and_beeps(tmp_path / "out.avi")
    assert sounds == pytest.approx(flashes, abs=0.05)


@pytest.mark.parametrize("channels", [9, 15])
@pytest.mark.parametrize("extension", ["mp4", "webm", "mpg"])
def test_sound_that_cannot_be_mixed_is_left_out_with_a_note(
    tmp_path: Path, extension: str, channels: int
) -> None:
    layout = f"{channels} channels"
    source = make_source(tmp_path / "in.mkv", "pcm_s16le", tracks=2, layout=layout)
    target = tmp_path / f"out.{extension}"
    summary = remake(source, target)
    assert len(summary.audio) == 1
    note = f"sound of {layout} is left out: FFmpeg cannot mix it to stereo"
    assert note in summary.notes
    with av.open(str(target)) as file:
        assert len(file.streams.audio) == 1
    flashes, sounds = flashes_and_beeps(target)
    assert sounds == pytest.approx(flashes, abs=0.02)


@pytest.mark.parametrize("extension", ["mkv", "mov", "avi"])
def test_sound_that_cannot_be_mixed_is_copied_where_it_may_be(
    tmp_path: Path, extension: str
) -> None:
    source = make_source(tmp_path / "in.mkv", "pcm_s16le", layout="9 channels")
    summary = remake(source, tmp_path / f"out.{extension}")
    assert summary.audio == ["pcm_s16le copied"]
    with av.open(str(tmp_path / f"out.{extension}")) as file:
        assert file.streams.audio[0].codec_context.layout.nb_channels == 9


def test_a_video_of_which_no_sound_can_be_mixed_has_none(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mkv", "pcm_s16le", layout="9 channels")
    summary = remake(source, tmp_path / "out.webm")
    assert summary.audio == []
    with av.open(str(tmp_path / "out.webm")) as file:
        assert sum(1 for _ in file.decode(video=0)) == FRAMES
        assert not file.streams.audio


@pytest.mark.parametrize("extension", ["webm", "avi"])
def test_sound_that_changes_to_channels_that_cannot_be_mixed_is_left_out_there(
    tmp_path: Path, extension: str
) -> None:
    parts = (("mono", 0.0, 0.6), ("9 channels", 0.6, 0.8), ("mono", 0.8, 1.6))
    source = changing_source(tmp_path / "in.mkv", parts)
    summary = remake(source, tmp_path / f"out.{extension}")
    assert "sound of 9 channels is left out in part: FFmpeg cannot mix it to mono" in summary.notes
    flashes, sounds = flashes_and_beeps(tmp_path / f"out.{extension}")
    assert sounds == pytest.approx(flashes, abs=0.06)
