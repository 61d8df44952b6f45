"""What takes the annotated pictures of a stream, whatever it makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from mien.contract.pictures import Picture


@dataclass(frozen=True, slots=True)
class OutputSummary:
    """What was written, as the report tells it."""

    path: Path | str
    """The file or playlist; the address without its password where it was published."""
    frames: int
    """Pictures in it; those that arrived, where it was published."""
    duration_ns: int
    """From the first picture's start to the last one's end."""
    fps: Fraction | None
    """Constant rate; None where every picture has its own time."""
    audio: list[str]
    """One entry an audio stream: 'aac copied', 'pcm_s16le transcoded to aac'."""
    encoder: str
    """FFmpeg's name of the video encoder, or the photo's format."""
    notes: list[str] = field(default_factory=list)
    """What a user might not expect, a sentence each."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """Pictures that did not arrive where it was published, by reason."""


@dataclass(frozen=True, slots=True)
class OutputHealth:
    """How an output of a running camera does."""

    name: str
    """Path, or address without its password."""
    fine: bool
    """False where pictures are lost right now, or were a moment ago."""
    lost: Mapping[str, int]
    """Pictures that did not arrive, by reason."""
    reconnects: int
    """How often a connection was lost that had carried pictures."""
    reason: str | None
    """Why pictures are lost, or why the last connection ended or could not be had."""


class Sink(Protocol):
    """Where the pictures of one stream go, in order."""

    def write(self, picture: Picture, pts_ns: int, duration_ns: int) -> None:
        """Take the next picture. It may be read later, so nobody may change it afterwards.

        Args:
            picture: In the size and layout that the source announced.
            pts_ns: From the source's first frame; greater than that of the picture before.
            duration_ns: How long it is shown; used for the last one.

        Raises:
            OutputError: It cannot be written; nothing is left behind, but for a camera's pictures
                that were written before.
        """

    def finish(self, *, goes_on: bool = False) -> list[OutputSummary]:
        """Flush, close and read back, all but the final name; one summary an output.

        What a camera gives has its names from the beginning.

        Args:
            goes_on: Another attempt at a camera follows; its viewers are not told of an end.

        Raises:
            OutputError: As `write`, or it does not read back.
        """

    def commit(self) -> None:
        """Give the final name, once everything else that a run leaves is finished as well.

        Raises:
            OutputError: Another file took the name meanwhile; nothing is left behind.
        """

    def health(self) -> list[OutputHealth]:
        """How each output of a camera does; none of other sources. May be asked by any thread."""

    def abort(self) -> None:
        """Remove everything half-written; what a camera gave is closed and stays.

        Does nothing after `commit` or the second time.
        """
