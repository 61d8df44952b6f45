"""Hides faces irreversibly: what is left of one is a handful of averages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np

from mien.contract.outputs import Box
from mien.contract.pictures import Picture, Pixels

_ENLARGED = 1.25
"""Detectors' boxes stop at the hair line and chin; heads do not."""
_CELLS = 6
"""Averages across a face: too few to tell people apart."""
_SMALLEST_CELL_PX = 6
_PATCH_PX = 160


def blur_faces(picture: Picture, boxes: Iterable[Box]) -> None:
    """Replace each face, in place, by a smooth blend of a few averages of its pixels."""
    planes = _planes(picture)
    for box in boxes:
        x1, y1, x2, y2 = _enlarged(box)
        for plane, step in planes:
            _hide(plane, (x1 // step, y1 // step, x2 // step, y2 // step), step)


def blur_picture(picture: Picture) -> None:
    """Replace the whole picture, in place, by as few averages as a face that fills it would be."""
    for plane, step in _planes(picture):
        plane[:] = _averaged(plane, step, min(plane.shape[:2]) * step)


def _planes(picture: Picture) -> tuple[tuple[Pixels, int], ...]:
    """The planes to write to, each with how many pixels apart its samples are."""
    if picture.layout == "rgb":
        return ((picture.data, 1),)
    luma, cb, cr = picture.planes()
    return ((luma, 1), (cb, 2), (cr, 2))


def _enlarged(box: Box) -> tuple[int, int, int, int]:
    """The box with a margin, on even pixels; it may lie partly outside of the picture."""
    x1, y1, x2, y2 = box
    grow_x, grow_y = (x2 - x1) * (_ENLARGED - 1) / 2, (y2 - y1) * (_ENLARGED - 1) / 2
    return (
        2 * math.floor((x1 - grow_x) / 2),
        2 * math.floor((y1 - grow_y) / 2),
        2 * math.ceil((x2 + grow_x) / 2),
        2 * math.ceil((y2 + grow_y) / 2),
    )


def _hide(plane: Pixels, patch: tuple[int, int, int, int], step: int) -> None:
    """patch: x1, y1, x2, y2 in the plane's samples; what lies outside of the plane is left out."""
    x1, y1, x2, y2 = patch
    left, top = max(0, x1), max(0, y1)
    region = plane[top : max(0, y2), left : max(0, x2)]
    if not region.size:
        return
    rows, columns = region.shape[:2]
    # a strip of a face at the picture's edge is as long as the face, but may be very narrow
    hidden = _averaged(region, step, max(rows, columns) * step)
    mask = _mask(x2 - x1, y2 - y1)[top - y1 :, left - x1 :][:rows, :columns]
    if region.ndim == 3:
        mask = np.repeat(mask[..., None], 3, axis=2)
    kept = cv2.multiply(region, 255 - mask, scale=1 / 255)
    region[:] = cv2.add(kept, cv2.multiply(hidden, mask, scale=1 / 255))


def _averaged(region: Pixels, step: int, side: int) -> Pixels:
    """A smooth blend of the region's averages, of which some `_CELLS` fit into `side` pixels.

    step: pixels from one of its samples to the next.
    """
    width, height = region.shape[1] * step, region.shape[0] * step
    cell = max(_SMALLEST_CELL_PX, side / _CELLS)
    cells = max(1, round(width / cell)), max(1, round(height / cell))
    small = cv2.resize(np.ascontiguousarray(region), cells, interpolation=cv2.INTER_AREA)
    hidden = cv2.resize(small, region.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(hidden, np.uint8)


def _mask(width: int, height: int) -> Pixels:
    """A rounded patch that covers the face's own box wholly and fades at its rim."""
    mask = cv2.resize(_patch(), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(mask, np.uint8)


@cache
def _patch() -> Pixels:
    across = np.abs((np.arange(_PATCH_PX, dtype=np.float32) + 0.5) * (2 / _PATCH_PX) - 1)
    # a superellipse of order 4 of the enlarged box holds the box itself
    reach = (across[None, :] ** 4 + across[:, None] ** 4) ** 0.25
    return np.asarray(np.clip((1 - reach) / 0.04, 0, 1) * 255, np.uint8)
