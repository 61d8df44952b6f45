"""Where labels go: inside of the picture, off the faces and off each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.contract.outputs import Box

_Boxes = NDArray[np.float64]

_LABEL_COST = 12.0
_FACE_COST = 1.0
_OWN_FACE_COST = 0.6
_ORDER_COST = 0.12
"""For each step down the order of preference, in shares of the label's area."""
_STAY_COST = 0.25
"""How much better another place must be before a label leaves its own: it must not jump."""


class Spot(NamedTuple):
    """Where a label lies."""

    x: int
    y: int
    choice: int
    """Which of the places round the face it is; 0 is the usual one."""


def place(
    size: tuple[int, int],
    own: int,
    faces: Sequence[Box],
    taken: Sequence[Box],
    frame: tuple[int, int, int],
    before: int | None = None,
) -> Spot:
    """The best place for one label.

    Args:
        size: Width and height of the label.
        own: Which of the faces it belongs to.
        faces: All faces of the picture.
        taken: Labels that have their place already.
        frame: Width and height of the picture, and the gap that is left between face and label.
        before: Its choice in the frame before; None where it is new.
    """
    width, height = size
    usual = (round(faces[own][0]), round(faces[own][1] - frame[2] - height))
    if not before and _is_free((*usual, usual[0] + width, usual[1] + height), faces, taken, frame):
        return Spot(*usual, 0)
    spots = _spots(size, faces[own], frame)
    costs = np.arange(len(spots)) * (_ORDER_COST * width * height)
    face_cost = np.full(len(faces), _FACE_COST)
    face_cost[own] = _OWN_FACE_COST
    costs = costs + _overlaps(spots, np.array(faces, np.float64)) @ face_cost
    if taken:
        costs = costs + _LABEL_COST * _overlaps(spots, np.array(taken, np.float64)).sum(axis=1)
    if before is not None:
        costs[before] -= _STAY_COST * width * height
    choice = int(costs.argmin())
    x1, y1 = spots[choice, :2]
    return Spot(int(x1), int(y1), choice)


def _is_free(
    spot: Box, faces: Sequence[Box], taken: Sequence[Box], frame: tuple[int, int, int]
) -> bool:
    x1, y1, x2, y2 = spot
    if x1 < 0 or y1 < 0 or x2 > frame[0] or y2 > frame[1]:
        return False
    return not any(
        x1 < other[2] and other[0] < x2 and y1 < other[3] and other[1] < y2
        for others in (faces, taken)
        for other in others
    )


def _spots(size: tuple[int, int], face: Box, frame: tuple[int, int, int]) -> _Boxes:
    """Places in order of preference, moved into the picture."""
    width, height = size
    x1, y1, x2, y2 = face
    columns, rows, gap = frame
    middle = (x1 + x2 - width) / 2
    above, below = y1 - gap - height, y2 + gap
    corners = np.array(
        [
            (x1, above),
            (x1, below),
            (x2 - width, above),
            (x2 - width, below),
            (middle, above),
            (middle, below),
            (x1, y2 - gap - height),
            (x1, y1 + gap),
            (x2 + gap, y1),
            (x1 - gap - width, y1),
            (x1, above - height),
            (x1, below + height),
        ]
    )
    limits = np.array([max(0, columns - width), max(0, rows - height)])
    corners = np.rint(np.clip(corners, 0, limits))
    return np.hstack([corners, corners + np.array([width, height])])


def _overlaps(spots: _Boxes, others: _Boxes) -> _Boxes:
    """Area that each spot shares with each of the others, (spots, others)."""
    low = np.maximum(spots[:, None, :2], others[None, :, :2])
    high = np.minimum(spots[:, None, 2:], others[None, :, 2:])
    shared = np.maximum(high - low, 0)
    return np.asarray(shared[..., 0] * shared[..., 1], np.float64)
