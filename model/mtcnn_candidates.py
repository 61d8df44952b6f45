"""Boxes on their way through MTCNN: where they come from, how they are moved, which are dropped.

The odd conventions (floors, truncation, widths with one more in some places only) are those that
the networks' weights were made for; see facenet-pytorch's `detect_face`.
Source: Zhang et al., arXiv:1604.02878.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mien.contract.analyses import Floats

_STRIDE_PX = 2
_CELL_PX = 12
"""P-Net looks at 12 px every 2 px."""


def pyramid_scales(height: int, width: int, min_face_px: float, factor: float) -> list[float]:
    """Scales at which a face of at least `min_face_px` fills P-Net's cell; none if none fits."""
    scale = _CELL_PX / min_face_px
    side = min(height, width) * scale
    scales = []
    while side >= _CELL_PX:
        scales.append(scale)
        scale *= factor
        side *= factor
    return scales


def cell_boxes(cells: torch.Tensor, scale: float) -> torch.Tensor:
    """Rows and columns (n, 2) of P-Net's result at `scale` -> boxes (n, 4) of the image."""
    corner = cells.to(torch.float32).flip(1) * _STRIDE_PX
    return torch.cat([((corner + 1) / scale).floor(), ((corner + _CELL_PX) / scale).floor()], 1)


def regressed(boxes: torch.Tensor, shifts: torch.Tensor, extra_px: int) -> torch.Tensor:
    """Each edge moved by its share of the width or height, to which `extra_px` is added."""
    sizes = boxes[:, 2:] - boxes[:, :2] + extra_px
    return boxes + shifts * sizes.repeat(1, 2)


def squared(boxes: torch.Tensor) -> torch.Tensor:
    """Grown about their centres to squares of the longer side."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    side = sizes.max(dim=1, keepdim=True).values
    corner = boxes[:, :2] + sizes * 0.5 - side * 0.5
    return torch.cat([corner, corner + side], dim=1)


def pixel_windows(boxes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Boxes -> int64 (n, 4) x1, y1, x2, y2 with excluded ends, cut to the image; may be empty."""
    windows = boxes.trunc().to(torch.int64)
    windows[:, :2] = windows[:, :2].clamp(min=1) - 1
    windows[:, 2].clamp_(max=width)
    windows[:, 3].clamp_(max=height)
    return windows


def not_empty(windows: torch.Tensor) -> torch.Tensor:
    """Which windows (n, 4) hold a pixel."""
    whole: torch.Tensor = torch.all(windows[:, 2:] > windows[:, :2], dim=1)
    return whole


def placed_landmarks(boxes: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """O-Net's points (n, 10: 5 x, 5 y), shares of the box -> (n, 5, 2) in pixels."""
    sizes = boxes[:, None, 2:] - boxes[:, None, :2] + 1
    shares: torch.Tensor = points.unflatten(1, (2, 5)).transpose(1, 2)
    return shares * sizes + boxes[:, None, :2] - 1


def kept_by_smaller(boxes: Floats, scores: Floats, limit: float) -> NDArray[np.intp]:
    """Non-maximum suppression of one image by overlap over the smaller of two areas.

    So a box inside another goes too. Indices come back, highest score first.
    """
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    areas = sizes.prod(axis=1)
    corner = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlaps = np.maximum(end - corner + 1, 0.0).prod(axis=2)
    clash = overlaps / np.minimum(areas[:, None], areas[None, :]) > limit
    order = np.argsort(scores)[::-1]
    alive = np.ones(len(boxes), dtype=bool)
    kept = []
    for index in order:
        if alive[index]:
            kept.append(index)
            alive &= ~clash[index]
    return np.array(kept, dtype=np.intp)
