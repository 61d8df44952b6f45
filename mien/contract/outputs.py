"""What a stream's output is asked to be, and what is drawn on it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from mien.contract.expressions import EXPRESSIONS


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """How the annotated output is encoded."""

    path: Path
    fps: Fraction | None
    """Constant rate of the output; None keeps every frame at its own time."""
    encoder: str | None = None
    """FFmpeg's name of the video encoder; None takes the container's usual one."""
    preset: str = "veryfast"
    crf: int = 20
    blur: bool = False
    """Hide the faces instead of labelling them."""
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A face as the viewer sees it on one frame."""

    track: int
    """Id of the face's track, from 1."""
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 in pixels of the upright source picture, clipped to it."""
    expression: int
    """Index into EXPRESSIONS of the label shown."""
    probability: float
    """Of the label shown, in [0, 1]."""

    @property
    def label(self) -> str:
        return EXPRESSIONS[self.expression]
