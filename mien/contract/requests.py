"""What a user asks for when a source is to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from mien.contract.analyses import DetectorName, Views
from mien.contract.errors import UsageError
from mien.contract.outputs import OutputSettings

MEGABYTE_BYTES = 1_000_000

LONGEST_WAIT_S = 366 * 86400

SEGMENT_S = 600.0
"""Length of the files that a camera's job is recorded into, unless it asks for another."""


def check_device_name(name: str) -> None:
    """Refuse, before anything is loaded, what is no name of a device.

    Raises:
        UsageError: no machine can have such a device.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name):
        raise UsageError(f"there is no device called '{name}'; try auto, cpu, cuda or cuda:1")


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """Which frames are analysed, and how."""

    analyze_fps: Fraction | None = Fraction(10)
    """Analyses a second of source time; None analyses every frame."""
    analyze_size_px: int = 1280
    """Longest side of the analysis image."""
    detector: DetectorName = "mtcnn"
    min_face_px: float | None = None
    """Smallest face in pixels of the source; None: 4 % of the shorter side, at least 24."""
    min_confidence: float = 0.9
    weights: str = "default"
    """Name of weights that come with mien, or a file."""
    views: Views = "single"
    smoothing_s: float = 0.5
    """Time constant of the smoothing along a track; 0 turns it off."""
    abstain: float | None = None
    """Faces whose likeliest expression is less probable are marked as uncertain; None: none is."""

    def __post_init__(self) -> None:
        """Raises `UsageError` for a value that makes no sense."""
        if self.analyze_fps is not None and self.analyze_fps <= 0:
            raise UsageError(f"analyses a second have to be more than 0, not {self.analyze_fps}")
        if not 64 <= self.analyze_size_px <= 16384:
            raise UsageError(
                f"{self.analyze_size_px} is no size for pictures to analyse, which is 64 to 16384"
            )
        if self.min_face_px is not None and not 12 <= self.min_face_px <= 16384:
            raise UsageError(
                f"faces of {self.min_face_px} pixels are not looked for, only of 12 to 16384"
            )
        if not 0 <= self.min_confidence <= 1:
            raise UsageError(f"a confidence is between 0 and 1, not {self.min_confidence}")
        if not 0 <= self.smoothing_s <= 60:
            raise UsageError(f"smoothing takes 0 to 60 seconds, not {self.smoothing_s}")
        if self.abstain is not None and not 0 <= self.abstain <= 1:
            raise UsageError(f"a probability is between 0 and 1, not {self.abstain}")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One source and everything that is to be made of it."""

    source: str
    """Path, URL or camera, with its password if it has one: never to be shown."""
    analysis: AnalysisRequest
    outputs: tuple[OutputSettings, ...] = ()
    """None of them writes no picture; several show the same pictures."""
    results: Path | None = None
    report: Path | None = None
    overwrite: bool = False
    window_bytes: int | None = None
    """Memory for frames that wait for their analysis; None is what the source's size asks for."""
    device: str = "auto"
    batch: int = 8
    """Most images that one detector batch takes."""
    max_latency_s: float = 0.5
    """How long a live picture waits for its analysis at most; files wait as long as it takes."""
    give_up_after_s: float | None = None
    """How long to try to reach a live source again; None: for ever."""
    attached: bool = False
    """Whether a job goes on until somebody ends it: its source need not be there at the beginning,
    and another worker takes over from one that died."""

    def __post_init__(self) -> None:
        """Raises `UsageError` for a value that makes no sense."""
        check_device_name(self.device)
        if not 0 <= self.max_latency_s <= 60:
            raise UsageError(f"pictures wait 0 to 60 seconds, not {self.max_latency_s}")
        if self.give_up_after_s is not None and not 0 <= self.give_up_after_s <= LONGEST_WAIT_S:
            raise UsageError(f"{self.give_up_after_s} is no number of seconds to wait")
