"""Clips made for a measurement out of others: longer, larger or faster ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count, repeat
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What a figure of a clip has to be read with."""

    name: str
    width: int
    height: int
    fps: float
    """Average rate of the pictures."""


def clip_facts(clip: Path) -> ClipFacts:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        return ClipFacts(clip.name, stream.width, stream.height, round(float(rate), 3))


def looped(clip: Path, target: Path, length_s: float) -> float:
    """Repeat the clip's pictures, not encoded anew, until they last `length_s` or a little more.

    Sound is left out. Gives the seconds that it lasts.
    """
    with av.open(str(clip)) as container, av.open(str(target), "w") as output:
        source = container.streams.video[0]
        time_base = source.time_base or Fraction(1)
        stream = output.add_stream_from_template(source)
        start = 0
        while start * time_base < length_s:
            start = _append(clip, output, stream, start)
    return float(start * time_base)


def _append(clip: Path, output: OutputContainer, stream: VideoStream, start: int) -> int:
    """All packets of the clip, the first shown at tick `start`; the tick at which the last ends."""
    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
        # a packet without a time of its own is shown when it is decoded
        shown = [packet.dts if packet.pts is None else packet.pts for packet in packets]
        shift = start - min(tick for tick in shown if tick is not None)
        end = start
        for packet, tick in zip(packets, shown, strict=True):
            assert tick is not None  # noqa: S101 - tells mypy
            assert packet.dts is not None  # noqa: S101
            packet.pts, packet.dts = tick + shift, packet.dts + shift
            end = max(end, packet.pts + (packet.duration or 0))
            packet.stream = stream
            output.mux(packet)
    return end


def scaled(
    clip: Path,
    target: Path,
    size: tuple[int, int],
    *,
    fps: Fraction | None = None,
    length_s: float | None = None,
) -> None:
    """Encode the clip as H.264 of this width and height, pictures repeated or left out for `fps`.

    With `length_s` the clip starts over as often as it takes; without, it is shown once.
    """
    source_fps = Fraction(clip_facts(clip).fps).limit_denominator(1001)
    rate = fps or source_fps
    most = None if length_s is None else round(length_s * rate)
    with av.open(str(target), "w") as output:
        stream = output.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for index, picture in enumerate(_at_rate(clip, source_fps, rate, once=most is None)):
            if index == most:
                break
            frame = picture.reformat(width=size[0], height=size[1], format="yuv420p")
            frame.pts, frame.time_base = index, 1 / rate
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _at_rate(
    clip: Path, source_fps: Fraction, rate: Fraction, *, once: bool
) -> Iterator[av.VideoFrame]:
    given = 0
    for read, picture in zip(count(1), _pictures(clip, once=once), strict=False):
        until = int(read * rate / source_fps)
        yield from repeat(picture, until - given)
        given = until


def _pictures(clip: Path, *, once: bool) -> Iterator[av.VideoFrame]:
    def shown() -> Iterator[av.VideoFrame]:
        with av.open(str(clip)) as container:
            yield from container.decode(video=0)

    return shown() if once else chain.from_iterable(shown() for _ in count())
