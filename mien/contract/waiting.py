"""Frames on their way from the producer to the muxer of the same process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mien.contract.frames import Capture, EndOfStream, Gap
from mien.contract.pictures import Picture


class Showing(NamedTuple):
    """One appearance of a frame in the output."""

    pts_ns: int
    duration_ns: int


@dataclass(frozen=True, slots=True)
class WaitingFrame:
    """A frame that waits for its analysis, or for the one after it."""

    index: int
    pts_ns: int
    picture: Picture | None
    """None where the frame is analysed but not shown."""
    showings: tuple[Showing, ...]
    """When the output shows it."""
    analysed: bool
    """Whether an analysis of this frame will come."""
    nbytes: int
    """What it holds in memory while it waits: its picture and its analysis image."""
    capture: Capture | None = None
    """None where the source is a file."""
    unsent: bool = False
    """Whether it was to be analysed, and was not sent since its analysis would have come late."""
    ready_ns: int = 0
    """Since when a live frame waits for nothing but its analysis, by `time.monotonic_ns`: its own
    arrival, or that of the next frame where only that told how often it is shown."""

    @property
    def stripped(self) -> bool:
        """Whether it was to be shown, and had to give up its picture to make room."""
        return self.picture is None and bool(self.showings)


@dataclass(frozen=True, slots=True)
class WaitingGap:
    """A moment without a picture, in its place among the frames."""

    gap: Gap
    showings: tuple[Showing, ...]
    """When the output shows the last picture once more."""


class FrameFeed(Protocol):
    """The muxer's side of the frame window: frames in order, then the counted end."""

    def first(self) -> WaitingFrame | WaitingGap | EndOfStream:
        """The oldest frame or gap, which stays in the window; waits for it.

        Raises:
            Closed: the run was stopped.
        """

    def next_analysed(self, until_s: float | None = None) -> WaitingFrame | None:
        """The first analysed frame after the oldest one; waits until that is known.

        None where there will be none before the next gap or the end, where the window is full
        before it came, or where it did not come until `until_s` by `time.monotonic`.
        """

    @property
    def crowded(self) -> bool:
        """Whether frames of a live source should leave without waiting for their analysis."""

    def release(self) -> None:
        """Let go of the oldest frame, which makes room."""
