"""Frames: pictures with identity and time, and what is known of the source they come from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from mien.contract.pictures import Colour, Picture

SECOND_NS = 1_000_000_000
"""Times are whole nanoseconds wherever they must not drift."""

SourceKind = Literal["video", "photo", "live"]

EndReason = Literal["", "end of file", "damaged", "connection lost", "stopped"]
"""Why a source gives no more frames; empty as long as it gives some."""


@dataclass(frozen=True, slots=True)
class Capture:
    """When and how a live picture came in; frames of files have none."""

    utc_ns: int
    """Wall-clock time since 1970 at which its packet arrived."""
    arrived_ns: int
    """The same moment by `time.monotonic_ns`: latencies count from it."""
    epoch: int
    """Counts the connections to the source from 0: stamps of different ones are not comparable."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture of a source."""

    index: int
    """Counts decoded frames from 0."""
    pts_ns: int
    """Presentation time from the source's first frame; never less than the frame's before."""
    picture: Picture
    capture: Capture | None = None
    """None where the source is a file."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A moment at which a live source gives no picture.

    While it lasts there are several a second, so that the output goes on; the last one is `over`.
    """

    pts_ns: int
    """Greater than that of the frame or gap before; the end of the gap, where it is over."""
    since_ns: int
    """Presentation time of the last frame."""
    utc_ns: int
    """Wall-clock time since 1970 of `since_ns`."""
    epoch: int
    """The connection that was lost."""
    over: bool = False


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source once its first frame is decoded."""

    name: str
    """The path or URL as given, without a password."""
    kind: SourceKind
    width: int
    """Pixels of the upright picture, pixel aspect ratio applied."""
    height: int
    colour: Colour
    source_fps: Fraction | None
    """Average frame rate as the container states or implies it; None where it does neither."""
    time_base: Fraction
    """Seconds a tick of the source's own time stamps."""
    duration_ns: int | None
    """Length as the container states it: a guess for progress, never relied on."""
    frame_count: int | None
    """Number of frames as the container states it: a guess for progress, never relied on."""
    first_pts_ns: int
    """Where the first frame lies after the container's start; audio keeps its place by it."""
    codec: str
    """FFmpeg's name of the video codec, or the photo's format."""
    pixel_format: str
    """FFmpeg's name of the format that the decoder gave."""
    rotation: int
    """Degrees clockwise by which the stored picture was turned to stand upright."""


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """The counted end of a stream; nobody guesses it by a time-out."""

    frame_count: int
    """Frames that were read: decoded, or skipped by a live source that had fallen behind."""
    corrupt: int
    """Packets that gave no picture."""
    end_ns: int
    """When the last frame stops being shown, from the first frame."""
    reason: EndReason
    """Never empty."""
