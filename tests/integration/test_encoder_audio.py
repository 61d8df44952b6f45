"""Sound beside the annotated pictures: kept, in sync, whole."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import pytest

from mien.contract.errors import OutputError
from mien.contract.frames import SECOND_NS
from mien.contract.outputs import OutputSettings
from tests.builders import Sound, make_clip
from tests.integration.test_encoder import info_of
from tests.sound_clips import (
    EVENTS,
    FPS,
    FRAMES,
    Packets,
    flashes_and_beeps,
    make_source,
    remake,
    sound_of,
    without_beginning,
)
from workers.audio_transcode import AudioTranscoder
from workers.outputs import open_sink


@pytest.mark.parametrize("extension", ["mp4", "mkv", "mov", "webm", "ts", "flv", "mpg", "avi"])
@pytest.mark.parametrize(
    ("kind", "codec", "video_s", "sound_s"),
    [
        ("mp4", "aac", 0.0, 0.0),
        ("mp4", "aac", 0.834, 0.0),
        ("mkv", "libopus", 0.0, 0.35),
        ("mkv", "pcm_s16le", 0.0, 0.3),
        ("mkv", "pcm_u8", 0.0, 0.3),
        ("ts", "aac", 0.3, 0.0),
    ],
)
def test_a_beep_stays_with_its_flash(
    tmp_path: Path, extension: str, kind: str, codec: str, video_s: float, sound_s: float
) -> None:
    source = make_source(tmp_path / f"in.{kind}", codec, 48_000, video_s, sound_s)
    remake(source, tmp_path / f"out.{extension}")
    flashes, sounds = flashes_and_beeps(tmp_path / f"out.{extension}")
    assert len(flashes) == len(EVENTS)
    # an .avi can neither place pictures between its slots nor take back an encoder's delay
    limit_s = 0.05 if extension == "avi" else 0.02
    assert sounds == pytest.approx(flashes, abs=limit_s)


@pytest.mark.parametrize(
    ("extension", "codec", "rate", "how"),
    [
        ("mpg", "aac", 16_000, "aac transcoded to mp2"),
        ("mpg", "aac", 22_050, "aac transcoded to mp2"),
        ("mpg", "aac", 32_000, "aac transcoded to mp2"),
        ("flv", "libmp3lame", 16_000, "mp3 transcoded to aac"),
        ("flv", "libmp3lame", 32_000, "mp3 transcoded to aac"),
        ("flv", "libmp3lame", 44_100, "mp3 copied"),
        ("mp4", "libmp3lame", 11_025, "mp3 transcoded to aac"),
        ("mp4", "libmp3lame", 16_000, "mp3 copied"),
        ("mov", "libmp3lame", 11_025, "mp3 copied"),
    ],
)
def test_sound_of_unusual_rates_is_kept(
    tmp_path: Path, extension: str, codec: str, rate: int, how: str
) -> None:
    source = make_source(tmp_path / "in.mkv", codec, rate, layout="stereo")
    assert remake(source, tmp_path / f"out.{extension}").audio == [how]
    flashes, sounds = flashes_and_beeps(tmp_path / f"out.{extension}")
    assert sounds == pytest.approx(flashes, abs=0.05)


@pytest.mark.parametrize("rate", [8_000, 22_050, 32_000, 44_100, 48_000])
def test_sound_encoded_for_an_avi_is_not_late(tmp_path: Path, rate: int) -> None:
    source = make_source(tmp_path / "in.mkv", "flac", rate)
    assert remake(source, tmp_path / "out.avi").audio == ["flac transcoded to mp3"]
    flashes, sounds = flashes_and_beeps(tmp_path / "out.avi")
    assert sounds == pytest.approx(flashes, abs=0.006)


def test_copied_sound_is_copied_byte_by_byte(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mp4", "aac")
    summary = remake(source, tmp_path / "out.mp4")
    assert summary.audio == ["aac copied"]
    contents = []
    for path in (source, tmp_path / "out.mp4"):
        with av.open(str(path)) as file:
            contents.append([(p.pts, bytes(p)) for p in file.demux(audio=0) if p.size])
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("codec", "extension"),
    [
        *product(["aac", "libmp3lame"], ["mp4", "mov", "mkv", "webm", "ts", "flv", "mpg", "avi"]),
        *product(["alac", "flac", "ac3", "libopus"], ["mkv"]),
    ],
)
def test_sound_that_an_edit_list_hides_stays_hidden(
    tmp_path: Path, codec: str, extension: str
) -> None:
    whole, hidden_s = make_source(tmp_path / "in.mp4", codec), Fraction(3, 5)
    source = without_beginning(whole, tmp_path / "cut.mp4", hidden_s)
    remake(source, tmp_path / f"out.{extension}")
    flashes, sounds = flashes_and_beeps(tmp_path / f"out.{extension}")
    assert len(flashes) == 1
    assert sounds == pytest.approx(flashes, abs=0.05 if extension == "avi" else 0.013)
    times, _ = sound_of(tmp_path / f"out.{extension}")
    begin_s = flashes[0] - (EVENTS[1] / FPS - float(hidden_s))
    assert 0 <= begin_s - times[0] < 0.08
    assert times[-1] - begin_s == pytest.approx(FRAMES / FPS + 0.4 - float(hidden_s), abs=0.06)


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_the_hidden_packets_that_prime_a_decoder_are_copied(tmp_path: Path, extension: str) -> None:
    whole = make_source(tmp_path / "in.mp4", "aac")
    # 1024 samples are FFmpeg's own, Apple has 2112
    source = without_beginning(whole, tmp_path / "cut.mp4", Fraction(2112 - 1024, 48_000))
    remake(source, tmp_path / f"out.{extension}")
    contents = []
    for path in (source, tmp_path / f"out.{extension}"):
        with av.open(str(path)) as file:
            contents.append([bytes(p) for p in file.demux(audio=0) if p.size])
    assert contents[0] == contents[1]


def test_sound_that_outlasts_the_pictures_is_kept_to_its_end(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mp4", "aac", tail_s=2.0)
    for extension in ("mp4", "mkv", "webm"):
        remake(source, tmp_path / f"out.{extension}")
        times, _ = sound_of(tmp_path / f"out.{extension}")
        assert times[-1] == pytest.approx(FRAMES / FPS + 2.0, abs=0.06)


@pytest.mark.parametrize("extension", ["flv", "mp4", "mkv", "webm", "ts"])
def test_sound_is_written_beside_pictures_that_follow_slowly(
    tmp_path: Path, extension: str
) -> None:
    source = make_clip(tmp_path / "in.mkv", fps=Fraction(1), frames=40, audio=Sound("libopus"))
    remake(source, tmp_path / f"out.{extension}", last_ns=SECOND_NS)
    furthest_s = {"video": 0.0, "audio": 0.0}
    with av.open(str(tmp_path / f"out.{extension}")) as file:
        for packet in file.demux():
            if packet.dts is not None:
                furthest_s[packet.stream.type] = float(packet.dts * packet.time_base)
                assert furthest_s["audio"] - furthest_s["video"] < 5
    assert furthest_s == pytest.approx({"video": 39, "audio": 40}, abs=4)


def test_all_tracks_keep_language_and_default(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mkv", "aac", tracks=2)
    for extension, how in (("mp4", "copied"), ("webm", "transcoded to opus")):
        summary = remake(source, tmp_path / f"out.{extension}")
        assert summary.audio == [f"aac {how}"] * 2
        with av.open(str(tmp_path / f"out.{extension}")) as file:
            languages = [stream.language for stream in file.streams.audio]
        assert languages == ["eng", "deu"] or languages == ["eng", "ger"]


def test_damaged_sound_is_left_out_and_the_rest_stays_in_time(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mp4", "aac")
    packets = Packets(source, damaged=frozenset({8, 9, 40}))
    summary = remake(source, tmp_path / "out.webm", packets)
    assert summary.audio == ["aac transcoded to opus"]
    flashes, sounds = flashes_and_beeps(tmp_path / "out.webm")
    assert sounds[-1] == pytest.approx(flashes[-1], abs=0.03)


@pytest.mark.parametrize("which", [[0], [5], [0, 1, *range(20, 30)]])
@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "flv"])
def test_damaged_sound_that_is_copied_is_left_out_and_told(
    tmp_path: Path, extension: str, which: list[int]
) -> None:
    source = make_source(tmp_path / "in.ts", "aac")
    with av.open(str(source)) as file:
        header = bytes(next(p for p in file.demux(audio=0) if p.size))[:3]
    content = bytearray(source.read_bytes())
    headers = [found.start() for found in re.finditer(re.escape(header), content)]
    for number in which:
        content[headers[number]] = 0
    source.write_bytes(content)
    summary = remake(source, tmp_path / f"out.{extension}")
    assert summary.audio == ["aac copied"]
    (note,) = summary.notes
    assert re.fullmatch(r"sound: \d+ damaged packets were left out", note)
    with av.open(str(tmp_path / f"out.{extension}")) as file:
        assert len(file.streams.audio[0].codec_context.extradata or b"") >= 2
    flashes, sounds = flashes_and_beeps(tmp_path / f"out.{extension}")
    assert sounds[-1] == pytest.approx(flashes[-1], abs=0.03)


@pytest.mark.parametrize(
    ("extension", "codec"),
    [
        ("avi", "aac"),
        ("avi", "pcm_u8"),
        ("avi", "pcm_s16le"),
        ("mov", "pcm_s16le"),
        ("mov", "pcm_s24le"),
        ("mov", "aac"),
        ("mkv", "pcm_s16le"),
    ],
)
def test_sound_after_a_pause_stays_in_time(tmp_path: Path, extension: str, codec: str) -> None:
    source = make_source(tmp_path / "in.mkv", codec)
    packets = Packets(source, pause_s=(0.6, 1.15))
    remake(source, tmp_path / f"out.{extension}", packets)
    flashes, sounds = flashes_and_beeps(tmp_path / f"out.{extension}")
    assert sounds == pytest.approx(flashes, abs=0.05)


def test_a_sounds_encoder_that_fails_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_source(tmp_path / "in.mkv", "pcm_s16le")
    opened = AudioTranscoder._open

    def open_and_drain(self: AudioTranscoder) -> None:
        opened(self)
        self.stream.codec_context.encode(None)  # it takes nothing after that

    monkeypatch.setattr(AudioTranscoder, "_open", open_and_drain)
    with pytest.raises(OutputError, match="the encoder aac has failed: End of file"):
        remake(source, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_the_sound_is_let_go_when_the_output_fails(tmp_path: Path) -> None:
    source = make_source(tmp_path / "in.mp4", "aac")
    packets = Packets(source)
    sink = open_sink([OutputSettings(tmp_path / "out.mp4", None)], info_of(), packets)
    sink.abort()
    assert packets.closed
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
