"""Sources that hold no picture or may not be read: one clear sentence, and nothing is touched."""

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from tests.builders import Sound, make_clip
from tests.e2e.conftest import Mien, command
from tests.rights import needs_prctl, without_root_rights

ANNOTATED = ("-o", "out.mp4", "--results", "r.jsonl", "--report", "r.json", "--overwrite")


def text(path: Path) -> None:
    path.write_text("this is not a video\n" * 200)


def noise(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(100_000))


def folder(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("gone.mp4")


def ring(path: Path) -> None:
    path.symlink_to(path.name)


def below_a_file(path: Path) -> None:
    path.symlink_to(Path(__file__) / "clip.mp4")


def cut_before_its_index(path: Path) -> None:
    make_clip(path, frames=50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def sound_alone(path: Path) -> None:
    whole = make_clip(path.with_name("whole.mkv"), frames=25, audio=Sound())
    with av.open(whole) as source, av.open(path, "w", format="mp4") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    whole.unlink()


def song_with_a_cover(path: Path) -> None:
    """Its only picture is an attached one, and no video."""
    sound_alone(path)
    with av.open(path) as source, av.open(path.with_name("song"), "w", format="mp4") as out:
        sound = out.add_stream_from_template(source.streams.audio[0])
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame(64, 48, "yuvj420p")))
        out.mux(cover.encode(None))
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = sound
                out.mux(packet)
    path.with_name("song").rename(path)


def header_alone(path: Path) -> None:
    """All of a Matroska file up to its first cluster."""
    make_clip(path, frames=30, format="matroska")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])


def video_of_no_frames(path: Path) -> None:
    """A video stream that is announced, and sound alone that follows."""
    whole = make_clip(path.with_name("whole.mkv"), frames=25, audio=Sound())
    with av.open(whole) as source, av.open(path, "w", format="matroska") as out:
        out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                out.mux(packet)
    whole.unlink()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.touch, "empty"),
        (text, "no video or picture"),
        (noise, "no video or picture"),
        (folder, "folder"),
        (dangling, "link"),
        (ring, "symbolic links"),
        (below_a_file, "not a directory"),
        (os.mkfifo, "pipe"),
        (cut_before_its_index, "no video or picture"),
        (sound_alone, "no picture"),
        (song_with_a_cover, "no picture"),
        (header_alone, "ends at once"),
        (video_of_no_frames, "no picture"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_holds_no_picture_is_refused(
    mien: Mien, tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    make(tmp_path / "clip.mp4")
    check_refused(mien("run", "clip.mp4", *ANNOTATED, check=False, timeout_s=60), tmp_path, words)


def check_refused(done: subprocess.CompletedProcess[str], folder: Path, words: str) -> None:
    (line,) = done.stderr.splitlines()
    assert done.returncode == 3, line
    assert line.startswith("mien: cannot read clip.mp4: ")
    assert words in line
    assert done.stdout == ""
    assert [path.name for path in folder.iterdir()] == ["clip.mp4"]


def test_what_was_there_outlives_a_source_that_is_none(mien: Mien, tmp_path: Path) -> None:
    """Also where there is no source at all: it must not be compared with the outputs."""
    for name in ("out.mp4", "r.jsonl", "r.json"):
        (tmp_path / name).write_text("mine")
    noise(tmp_path / "noise.mp4")
    for source in ("gone.mp4", "gone/gone.mp4", "noise.mp4"):
        done = mien("run", source, *ANNOTATED, check=False)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, line[:17]) == (3, "mien: cannot read"), line
    names = ["noise.mp4", "out.mp4", "r.json", "r.jsonl"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert {(tmp_path / name).read_text() for name in names[1:]} == {"mine"}


@needs_prctl
@pytest.mark.parametrize("forbidden", ["the file", "its folder"])
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, forbidden: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    clip = make_clip(inner / "clip.mp4", frames=5)
    (clip if forbidden == "the file" else inner).chmod(0)
    done = subprocess.run(
        command("run", "inner/clip.mp4", *ANNOTATED),
        cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=without_root_rights,
    )  # fmt: skip
    inner.chmod(0o700)
    assert done.returncode == 3, done.stderr
    assert done.stderr == "mien: cannot read inner/clip.mp4: permission denied\n"
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
