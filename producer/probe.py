"""Reads from an opened container what is known before a frame is decoded."""

from __future__ import annotations

from fractions import Fraction

from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from producer.timestamps import Timeline, to_ns

MAX_PIXELS = 8192 * 8192
"""A larger picture of a video is refused: decoder and encoder hold dozens, which would fill the
memory. 8K is half of it."""

_AV_TIME_BASE = Fraction(1, 1_000_000)
"""FFmpeg's own tick, for a stream that states none."""

FASTEST_FPS = 1000
"""A rate above this is a time base that was mistaken for one."""

WRAP_BITS = {"mpegts": 33, "mpeg": 33, "hls": 33, "flv": 32}
"""Bits of a time stamp, by FFmpeg's name of the demuxer."""

COVER = Disposition.attached_pic | Disposition.timed_thumbnails


def shown_stream(container: InputContainer) -> VideoStream | None:
    """The video that a player would show; cover art is none."""
    videos = [video for video in container.streams.video if not video.disposition & COVER]
    best = container.streams.best("video")
    for video in videos:
        if best is not None and video.index == best.index:
            return video
    return videos[0] if videos else None


def container_start(container: InputContainer) -> Fraction:
    """Seconds at which the container's earliest stream starts; audio and video count from it.

    FFmpeg gives it in whole microseconds; the stream's own start is exact.
    """
    stated: int | None = container.start_time
    if stated is None:
        return Fraction(0)
    start = Fraction(stated, 1_000_000)
    exact = [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.start_time is not None and stream.time_base
    ]
    nearest = min(exact, key=lambda seconds: abs(seconds - start), default=start)
    return nearest if abs(nearest - start) < Fraction(1, 500_000) else start


def time_base_of(stream: Stream) -> Fraction:
    """Seconds a tick of the stream's time stamps."""
    return stream.time_base or _AV_TIME_BASE


def timeline_of(stream: VideoStream, form: str) -> Timeline:
    """What gives the frames of a stream their times. form: FFmpeg's name of the container."""
    rate = source_fps(stream)
    return Timeline(time_base_of(stream), None if rate is None else 1 / rate, wrap_ticks(form))


def source_fps(stream: VideoStream) -> Fraction | None:
    """Average frames a second as stated or implied; None where there is no sense in it."""
    rates = [stream.average_rate, stream.guessed_rate]
    if stream.start_time is None:
        rates.reverse()  # without stamps the average is FFmpeg's default, and the codec knows more
    for rate in rates:
        if rate and 0 < rate <= FASTEST_FPS:
            return Fraction(rate)
    return None


def coded_fps(stream: VideoStream) -> Fraction | None:
    """Frames a second as the codec itself states them; None where it does not."""
    rate = stream.codec_context.framerate
    return Fraction(rate) if rate and 0 < rate <= FASTEST_FPS else None


def duration_ns(container: InputContainer, stream: VideoStream) -> int | None:
    """Length as stated."""
    if stream.duration is not None and stream.time_base and stream.duration > 0:
        return to_ns(stream.duration * stream.time_base)
    if container.duration is None or container.duration <= 0:
        return None
    length = Fraction(container.duration, 1_000_000)
    start = container_start(container)
    if is_matroska(container) and start < length:
        length -= start  # FFmpeg writes the time of the end there, whatever that of the start
    return to_ns(length)


def is_matroska(container: InputContainer) -> bool:
    """WebM is Matroska too."""
    return "matroska" in container.format.name


def wrap_ticks(form: str) -> int | None:
    """Where the time stamps of a container start over, by FFmpeg's name of its format."""
    bits = WRAP_BITS.get(form)
    return None if bits is None else 1 << bits
