"""Hides faces for good: what is left of one is a handful of averages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np

from mien.contract.pictures import Picture, Pixels

_ENLARGED = 1.25
"""Detectors' boxes stop at the hair line and chin; heads do not."""
_CELLS = 6
"""Averages across a face: too few to tell people apart."""
_SMALLEST_CELL_PX = 6
_PATCH_PX = 160

Box = tuple[float, float, float, float]


def blur_faces(picture: Picture, boxes: Iterable[Box]) -> None:
    """Replace each face, in place, by a smooth blend of a few averages of its pixels."""
    planes = _planes(picture)
    for box in boxes:
        x1, y1, x2, y2 = _enlarged(box, picture)
        if x1 >= x2 or y1 >= y2:
            continue
        for plane, step in planes:
            _hide(plane[y1 // step : y2 // step, x1 // step : x2 // step], (x2 - x1, y2 - y1))


def blur_picture(picture: Picture) -> None:
    """Replace the whole picture, in place, by as few averages as a face that fills it would be."""
    for plane, _ in _planes(picture):
        plane[:] = _averaged(plane, (picture.width, picture.height))


def _planes(picture: Picture) -> tuple[tuple[Pixels, int], ...]:
    """The planes to write to, each with how many pixels apart its samples are."""
    if picture.layout == "rgb":
        return ((picture.data, 1),)
    luma, cb, cr = picture.planes()
    return ((luma, 1), (cb, 2), (cr, 2))


def _enlarged(box: Box, picture: Picture) -> tuple[int, int, int, int]:
    """The box with a margin, on even pixels, inside of the picture's samples."""
    x1, y1, x2, y2 = box
    grow_x, grow_y = (x2 - x1) * (_ENLARGED - 1) / 2, (y2 - y1) * (_ENLARGED - 1) / 2
    columns, rows = picture.width + picture.width % 2, picture.height + picture.height % 2
    return (
        max(0, 2 * math.floor((x1 - grow_x) / 2)),
        max(0, 2 * math.floor((y1 - grow_y) / 2)),
        min(columns, 2 * math.ceil((x2 + grow_x) / 2)),
        min(rows, 2 * math.ceil((y2 + grow_y) / 2)),
    )


def _hide(region: Pixels, size: tuple[int, int]) -> None:
    if not region.size:
        return
    hidden = _averaged(region, size)
    mask = _mask(region.shape[1], region.shape[0])
    if region.ndim == 3:
        mask = np.repeat(mask[..., None], 3, axis=2)
    kept = cv2.multiply(region, 255 - mask, scale=1 / 255)
    region[:] = cv2.add(kept, cv2.multiply(hidden, mask, scale=1 / 255))


def _averaged(region: Pixels, size: tuple[int, int]) -> Pixels:
    """A smooth blend of the region's averages; size: its width and height in pixels of luma."""
    cell = max(_SMALLEST_CELL_PX, min(size) / _CELLS)
    cells = max(1, round(size[0] / cell)), max(1, round(size[1] / cell))
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
