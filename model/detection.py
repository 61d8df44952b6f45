"""What a face detector is asked and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mien.contract.analyses import Floats
from mien.contract.pictures import Pixels


@dataclass(frozen=True, slots=True)
class Detections:
    """The faces of one image, largest first; n may be 0."""

    boxes: Floats
    """float32 (n, 4): x1, y1, x2, y2 in pixels, clipped to the image."""
    confidences: Floats | None
    """float32 (n,) in [0, 1]; None from a detector that has none."""
    landmarks: Floats | None
    """float32 (n, 5, 2): x, y of the left eye, right eye, nose and mouth's corners (left and right
    as the viewer sees them); None from a detector that has none."""

    def __len__(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """Finds faces; any number of threads may share it."""

    def detect(self, images: Sequence[Pixels]) -> list[Detections]:
        """One answer an image, in order. Images are uint8 RGB (H, W, 3); sizes may differ."""
        ...


def largest_first(boxes: Floats) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Order of boxes (n, 4) by area, the largest first; equal ones stay in order."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order: np.ndarray[tuple[int], np.dtype[np.intp]] = np.argsort(-area, kind="stable")
    return order


def clipped(boxes: Floats, width: int, height: int) -> Floats:
    """Boxes (n, 4) cut to what lies inside an image of this size."""
    limits = np.array([width, height, width, height], dtype=np.float32)
    return np.clip(boxes, 0.0, limits).astype(np.float32, copy=False)
