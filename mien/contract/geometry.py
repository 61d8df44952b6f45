"""How the analysis image relates to the source picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.contract.analyses import Floats
from mien.contract.pictures import even

SMALLEST_FACE_PX = 24.0
"""A face that is to be found never gets smaller than this in the analysis image."""

DEFAULT_FACE_SHARE = 0.04
"""Smallest face by default, as a share of the picture's shorter side."""


@dataclass(frozen=True, slots=True)
class AnalysisGeometry:
    """Sizes of the source picture and of its analysis image, in pixels."""

    source_width: int
    source_height: int
    width: int
    height: int
    min_face_px: float
    """Smallest face looked for, in pixels of the analysis image."""

    def to_source(self, boxes: Floats) -> Floats:
        """Boxes (n, 4) of the analysis image in pixels of the source picture, clipped to it."""
        scale = np.array(
            [self.source_width / self.width, self.source_height / self.height] * 2, np.float32
        )
        limit = np.array([self.source_width, self.source_height] * 2, np.float32)
        clipped: Floats = np.clip(boxes * scale, np.float32(0), limit).astype(np.float32)
        return clipped


def plan_analysis(
    width: int, height: int, *, analyze_size_px: int, min_face_px: float | None
) -> AnalysisGeometry:
    """Choose the size of the analysis image for a source picture of `width` x `height`.

    The longer side becomes `analyze_size_px` where it is larger, but the picture is never shrunk
    so far that the smallest face asked for (in source pixels; None: 4 % of the shorter side, at
    least 24) would have less than 24 px.
    """
    smallest = min_face_px or max(SMALLEST_FACE_PX, DEFAULT_FACE_SHARE * min(width, height))
    scale = max(analyze_size_px / max(width, height), SMALLEST_FACE_PX / smallest)
    if scale >= 1:
        return AnalysisGeometry(width, height, width, height, smallest)
    scaled = even(round(width * scale)), even(round(height * scale))
    return AnalysisGeometry(width, height, *scaled, smallest * scale)
