"""Sound beside the annotated pictures: kept, in sync, whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.packet import Packet
from numpy.typing import NDArray

from mien.contract.errors import OutputError
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Colour, Picture
from tests.builders import Sound, make_clip
from tests.integration.test_encoder import SIZE, info_of, picture_of
from workers.audio_transcode import AudioTranscoder
from workers.encoder import open_sink
from workers.sink import OutputSummary

NS = 1_000_000_000
FPS = 25
FRAMES = 40
EVENTS = (10, 30)
"""Frames that are bright; a beep begins with each."""
CONSTANT = {"avi", "mpg"}


class Packets:
    """The sound of a file, as the sink wants it; what is lost on the way can be chosen."""

    def __init__(
        self,
        path: Path,
        damaged: frozenset[int] = frozenset(),
        pause_s: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self._file = av.open(str(path))
        self.templates: list[AudioStream] = list(self._file.streams.audio)
        self.start_ns = (self._file.start_time or 0) * 1000
        self.closed = False
        self._damaged = damaged
        self._pause_s = pause_s
        self._packets = self._read()
        self._next = next(self._packets, None)

    def take(self, until_ns: int | None) -> Iterator[tuple[int, Packet[AudioStream]]]:
        while self._next is not None:
            packet = self._next
            time_ns = int(packet.pts * packet.time_base * NS) - self.start_ns
            if until_ns is not None and time_ns >= until_ns:
                return
            self._next = next(self._packets, None)
            yield self.templates.index(packet.stream), packet

    def close(self) -> None:
        self.closed = True

    def _read(self) -> Iterator[Packet[AudioStream]]:
        for number, packet in enumerate(self._file.demux(*self.templates)):
            if packet.dts is None or not packet.size:
                continue
            if self._pause_s[0] <= packet.pts * packet.time_base < self._pause_s[1]:
                continue
            if number in self._damaged:
                broken = Packet(b"\x00" * 4)
                broken.pts, broken.dts = packet.pts, packet.dts
                broken.time_base, broken.stream = packet.time_base, packet.stream
                packet = broken
            yield packet


def make_source(
    path: Path,
    codec: str,
    rate: int = 48_000,
    video_s: float = 0,
    sound_s: float = 0,
    tail_s: float = 0.4,
    tracks: int = 1,
    layout: str = "mono",
) -> Path:
    """A clip with flashes and beeps at the same moments; layout: of the last track."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height = SIZE
        video.time_base = video.codec_context.time_base = Fraction(1, 90_000)
        sounds = []
        for track in range(tracks):
            form = layout if track == tracks - 1 else "mono"
            sound = out.add_stream(codec, rate=rate, layout=form)
            sound.metadata["language"] = ("eng", "deu")[track]
            sounds.append(sound)
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(flash(number).data, "yuv420p")
            frame.pts = round((video_s + number / FPS) * 90_000)
            frame.time_base = Fraction(1, 90_000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for sound in sounds:
            unnamed = sound.layout.name if "channels" in sound.layout.name else "mono"
            end_s = FRAMES / FPS + video_s + tail_s
            for frame in beeps(rate, video_s, sound_s, end_s, unnamed):
                out.mux(sound.encode(frame))
            out.mux(sound.encode(None))
    return path


def flash(number: int) -> Picture:
    return picture_of(220 if number in EVENTS else 30)


def beeps(
    rate: int, video_s: float, start_s: float, end_s: float, layout: str = "mono"
) -> Iterator[av.AudioFrame]:
    """The same in all channels."""
    time = start_s + np.arange(round((end_s - start_s) * rate)) / rate
    wave = np.zeros(len(time))
    for event in EVENTS:
        begin = video_s + event / FPS
        on = (time >= begin) & (time < begin + 0.1)
        wave[on] = np.sin(2 * np.pi * 1000 * (time[on] - begin)) * 0.8
    samples = (wave * 32767).astype(np.int16)
    for first in range(0, len(samples), 1024):
        part = samples[first : first + 1024].repeat(av.AudioLayout(layout).nb_channels)
        frame = av.AudioFrame.from_ndarray(part[None], "s16", layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start_s * rate) + first
        yield frame


def in_planes(mono: av.AudioFrame, layout: str) -> av.AudioFrame:
    """The same in every channel, each in a plane of its own."""
    frame = av.AudioFrame("s16p", layout, mono.samples)
    for plane in frame.planes[: frame.layout.nb_channels]:
        plane.update(bytes(mono.planes[0])[: plane.buffer_size])
    frame.sample_rate, frame.time_base, frame.pts = mono.sample_rate, mono.time_base, mono.pts
    return frame


def remake(
    source: Path, target: Path, packets: Packets | None = None, last_ns: int = NS // FPS
) -> OutputSummary:
    """Decode the pictures of a clip and write them anew, as the house does."""
    packets = packets or Packets(source)
    with av.open(str(source)) as file:
        stream = file.streams.video[0]
        start = Fraction(file.start_time or 0, 1_000_000)
        frames = [(f.pts * f.time_base, f.to_ndarray()) for f in file.decode(stream)]
        time_base = stream.time_base
    first = frames[0][0]
    info = info_of(time_base=time_base, first_pts_ns=round((first - start) * NS), name=str(source))
    fps = Fraction(FPS) if target.suffix[1:] in CONSTANT else None
    sink = open_sink([OutputSettings(target, fps)], info, packets)
    for time, data in frames:
        picture = Picture(np.ascontiguousarray(data), *SIZE, Colour())
        sink.write(picture, round((time - first) * NS), last_ns)
    (summary,) = sink.finish()
    assert packets.closed
    sink.commit()
    return summary


def sound_of(path: Path, track: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Time and amplitude of every sample."""
    times, samples = [], []
    resampler = av.AudioResampler("flt", "mono")
    with av.open(str(path)) as file:
        for frame in file.decode(file.streams.audio[track]):
            for part in resampler.resample(frame):
                values = part.to_ndarray().ravel().astype(float)
                times.append(frame.time + np.arange(len(values)) / part.sample_rate)
                samples.append(values)
    return np.concatenate(times), np.concatenate(samples)


def flashes_and_beeps(path: Path) -> tuple[list[float], list[float]]:
    with av.open(str(path)) as file:
        frames = [(f.time, f.to_ndarray()[: f.height].mean()) for f in file.decode(video=0)]
    flashes = [time for time, level in frames if level > 120]
    times, samples = sound_of(path)
    loud = times[np.abs(samples) > 0.2]
    starts = [loud[0], *loud[1:][np.diff(loud) > 0.2]]
    return flashes, [float(start) for start in starts]


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
    remake(source, tmp_path / f"out.{extension}", last_ns=NS)
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


def test_sound_that_changes_its_channels_goes_on(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height = SIZE
        sound = out.add_stream("libmp3lame", rate=48_000, layout="mono")
        for number in range(FRAMES):
            out.mux(video.encode(av.VideoFrame.from_ndarray(flash(number).data, "yuv420p")))
        out.mux(video.encode(None))
        for layout, first_s in (("mono", 0.0), ("stereo", 0.8)):
            encoder = av.CodecContext.create("libmp3lame", "w")
            encoder.sample_rate, encoder.format, encoder.layout = 48_000, "s16p", layout
            encoder.time_base = Fraction(1, 48_000)
            for frame in beeps(48_000, 0, first_s, first_s + 0.8):
                for packet in encoder.encode(frame):
                    packet.stream = sound
                    out.mux(packet)
    remake(source, tmp_path / "out.webm")
    flashes, sounds = flashes_and_beeps(tmp_path / "out.webm")
    assert sounds == pytest.approx(flashes, abs=0.06)  # mp3 starts late at each change


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
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height = SIZE
        sound = out.add_stream("wavpack", rate=48_000, layout="mono")
        for number in range(FRAMES):
            out.mux(video.encode(av.VideoFrame.from_ndarray(flash(number).data, "yuv420p")))
        out.mux(video.encode(None))
        for layout, first_s, end_s in (
            ("mono", 0.0, 0.6), ("9 channels", 0.6, 0.8), ("mono", 0.8, 1.6)
        ):  # fmt: skip
            encoder = av.CodecContext.create("wavpack", "w")
            encoder.sample_rate, encoder.format, encoder.layout = 48_000, "s16p", layout
            encoder.time_base = Fraction(1, 48_000)
            frames = [in_planes(frame, layout) for frame in beeps(48_000, 0, first_s, end_s)]
            for frame in (*frames, None):
                for packet in encoder.encode(frame):
                    packet.stream = sound
                    out.mux(packet)
    summary = remake(source, tmp_path / f"out.{extension}")
    assert "sound of 9 channels is left out in part: FFmpeg cannot mix it to mono" in summary.notes
    flashes, sounds = flashes_and_beeps(tmp_path / f"out.{extension}")
    assert sounds == pytest.approx(flashes, abs=0.06)


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
