"""What a user asks for when a source is to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

from mien.contract.analyses import DetectorName, Views
from mien.contract.errors import UsageError, check_range, unknown_choice
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
    if not re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]{0,2}))?", str(name)):
        raise unknown_choice("device", name, ("auto", "cpu", "cuda", "cuda:N"))


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
            raise UsageError(f"analyze_fps is more than 0, not {self.analyze_fps}")
        check_range("analyze_size", self.analyze_size_px, 64, 16384)
        if self.detector not in get_args(DetectorName):
            raise unknown_choice("detector", self.detector, get_args(DetectorName))
        if self.min_face_px is not None:
            check_range("min_face", self.min_face_px, 12, 16384)
        check_range("min_confidence", self.min_confidence, 0, 1)
        if self.views not in get_args(Views):
            raise unknown_choice("views", self.views, get_args(Views))
        check_range("smoothing", self.smoothing_s, 0, 60)
        if self.abstain is not None:
            check_range("abstain", self.abstain, 0, 1)


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

    @property
    def files(self) -> list[Path]:
        """Everything that it writes to a disk: outputs that are files, results and report."""
        outputs = [output.path for output in self.outputs if output.is_file]
        return [*outputs, *filter(None, (self.results, self.report))]

    def __post_init__(self) -> None:
        """Raises `UsageError` for a value that makes no sense."""
        check_device_name(self.device)
        check_range("max_latency_s", self.max_latency_s, 0, 60)
        if self.give_up_after_s is not None:
            check_range("give_up_after", self.give_up_after_s, 0, LONGEST_WAIT_S)
