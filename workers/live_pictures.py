"""A camera's pictures once they are encoded, on their way into any number of outputs."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from workers.sink import OutputHealth, OutputSummary

TICKS_A_SECOND = 90_000
TIME_BASE = Fraction(1, TICKS_A_SECOND)
KEY_EVERY_S = 2
"""Interval of key pictures (keyframes): a new viewer waits up to this, segments begin with one."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One picture as its encoder gave it; a key picture carries all that its decoder needs."""

    data: bytes
    pts: int
    """In ticks of TIME_BASE from the source's first frame. Pictures come in the order they are
    shown in, so it is the decoding time, too."""
    duration: int
    """In ticks."""
    is_key: bool
    """Whether decoding can begin here."""


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What a muxer has to know of the pictures before the first one comes."""

    codec: str
    """FFmpeg's canonical name."""
    encoder: str
    width: int
    height: int
    fps: Fraction | None
    """Nominal rate, for muxers that want one; None: not known. Each picture has its own time."""


class LiveOutput(Protocol):
    """One place that the encoded pictures of a camera go to."""

    def put(self, picture: EncodedPicture) -> None:
        """Take the next picture; the first one is a key picture.

        Raises:
            OutputError: It cannot be written; it must be closed then.
        """

    def drain(self) -> None:
        """Say that no picture follows, without waiting; `finish` comes next and waits."""

    def finish(self, *, goes_on: bool) -> OutputSummary:
        """Close it, and tell viewers that the stream has ended unless it `goes_on`.

        Raises:
            OutputError: It cannot be written.
        """

    def close(self) -> None:
        """Let go of it, playable as far as it goes; another attempt may go on from here."""

    def health(self) -> OutputHealth:
        """How it does; may be asked from any thread."""


def add_video(container: OutputContainer, video: VideoFormat) -> VideoStream:
    """The one stream of an output container, for `packet_of`."""
    stream = container.add_mux_stream(
        video.codec, rate=video.fps, width=video.width, height=video.height
    )
    assert isinstance(stream, VideoStream)  # noqa: S101 - the codec is a video codec
    stream.time_base = TIME_BASE
    return stream


def packet_of(picture: EncodedPicture, stream: VideoStream, begin: int) -> Packet[VideoStream]:
    """The picture as a packet of that stream, its time counted from `begin` in ticks."""
    packet = cast("Packet[VideoStream]", av.Packet(picture.data))
    packet.pts = packet.dts = picture.pts - begin
    packet.duration = picture.duration
    packet.time_base = TIME_BASE
    packet.is_keyframe = picture.is_key
    packet.stream = stream
    return packet
