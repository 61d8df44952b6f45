"""Clips with flashes and beeps at the same moments, written anew and measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from numpy.typing import NDArray

from mien.contract.frames import SECOND_NS
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Colour, Picture
from tests.integration.test_encoder import SIZE, info_of, picture_of
from workers.outputs import open_sink
from workers.sink import OutputSummary

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
            time_ns = int(packet.pts * packet.time_base * SECOND_NS) - self.start_ns
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


def without_beginning(source: Path, target: Path, hidden_s: Fraction) -> Path:
    """An .mp4 with the same packets, of which an edit list hides the beginning."""
    with av.open(str(source)) as file, av.open(str(target), "w") as out:
        streams = [out.add_stream_from_template(stream) for stream in file.streams]
        for packet in file.demux():
            if packet.dts is not None and packet.pts is not None and packet.size:
                packet.pts -= round(hidden_s / packet.time_base)
                packet.dts -= round(hidden_s / packet.time_base)
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    return target


def changing_source(path: Path, parts: Iterable[tuple[str, float, float]]) -> Path:
    """The same where the sound changes its channels: layout, begin and end in seconds of each."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height = SIZE
        sound = out.add_stream("wavpack", rate=48_000, layout="mono")
        for number in range(FRAMES):
            out.mux(video.encode(av.VideoFrame.from_ndarray(flash(number).data, "yuv420p")))
        out.mux(video.encode(None))
        for layout, first_s, end_s in parts:
            encoder = av.CodecContext.create("wavpack", "w")
            encoder.sample_rate, encoder.format, encoder.layout = 48_000, "s16p", layout
            encoder.time_base = Fraction(1, 48_000)
            frames = list(beeps(48_000, 0, first_s, end_s))
            if "channels" in layout:  # which PyAV cannot mix for the encoder
                frames = [in_planes(frame, layout) for frame in frames]
            for frame in (*frames, None):
                for packet in encoder.encode(frame):
                    packet.stream = sound
                    out.mux(packet)
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
    source: Path, target: Path, packets: Packets | None = None, last_ns: int = SECOND_NS // FPS
) -> OutputSummary:
    """Decode the pictures of a clip and write them anew, as the house does."""
    packets = packets or Packets(source)
    with av.open(str(source)) as file:
        stream = file.streams.video[0]
        start = Fraction(file.start_time or 0, 1_000_000)
        frames = [(f.pts * f.time_base, f.to_ndarray()) for f in file.decode(stream)]
        time_base = stream.time_base
    first = frames[0][0]
    info = info_of(
        time_base=time_base, first_pts_ns=round((first - start) * SECOND_NS), name=str(source)
    )
    fps = Fraction(FPS) if target.suffix[1:] in CONSTANT else None
    sink = open_sink([OutputSettings(target, fps)], info, packets)
    for time, data in frames:
        picture = Picture(np.ascontiguousarray(data), *SIZE, Colour())
        sink.write(picture, round((time - first) * SECOND_NS), last_ns)
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
