"""Rounded frames round faces: a coloured line with a dark edge, smooth at half pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mien.contract.analyses import Floats
from mien.contract.outputs import Box
from workers.palette import Look, Rgb
from workers.sprites import Canvas, Sprite, make_sprite

_EDGE_ALPHA = 0.45
_LENGTH_STEP_PX = 128
"""Straight pieces are kept in these steps of length, so that few are made."""


@dataclass(frozen=True, slots=True)
class Pen:
    """How a frame is drawn; equal pens share their pieces."""

    colour: Rgb
    line_px: float
    edge_px: float
    """Width of the dark edge on either side."""
    radius_px: int

    @property
    def reach_px(self) -> int:
        """How far the pen goes beyond the middle of its line."""
        return math.ceil(self.line_px / 2 + self.edge_px + 0.5)


def pen_for(colour: Rgb, face_px: float, canvas: Canvas) -> Pen:
    """A pen that suits the resolution and the size of the face (its shorter side)."""
    short = min(canvas.width, canvas.height)
    line = min(1 + short / 340, max(1.25, face_px / 14))
    line = round(line * 4) / 4
    radius = int(min(face_px * 0.12, line * 6))
    return Pen(colour, line, max(0.75, round(line) / 4), radius)


def draw_box(canvas: Canvas, box: Box, pen: Pen) -> None:
    """Draw the frame; the middle of its line runs along the box."""
    left, right = _Side.at(box[0], pen), _Side.at(-box[2], pen)
    top, bottom = _Side.at(box[1], pen), _Side.at(-box[3], pen)
    x1, x2 = left.origin, -right.origin
    y1, y2 = top.origin, -bottom.origin
    inner_x, inner_y = x1 + left.size, y1 + top.size
    width, height = x2 - right.size - inner_x, y2 - bottom.size - inner_y
    if width < 0 or height < 0:
        return  # smaller than its own line
    look = canvas.look
    for flip_y, row, vertical in ((False, y1, top), (True, y2 - bottom.size, bottom)):
        for flip_x, column, side in ((False, x1, left), (True, x2 - right.size, right)):
            piece = _corner(look, pen, (side.offset, vertical.offset), (flip_x, flip_y))
            canvas.stamp(piece, column, row)
    if width:
        for row, side, flipped in ((y1, top, False), (y2 - bottom.size, bottom, True)):
            piece = _edge(look, pen, side.offset, flipped, _length(width), upright=False)
            canvas.stamp(piece, inner_x, row, columns=width)
    if height:
        for column, side, flipped in ((x1, left, False), (x2 - right.size, right, True)):
            piece = _edge(look, pen, side.offset, flipped, _length(height), upright=True)
            canvas.stamp(piece, column, inner_y, rows=height)


@dataclass(frozen=True, slots=True)
class _Side:
    """Where the pieces along one side of the box begin; right and bottom count backwards."""

    origin: int
    """Even, outside of the line."""
    size: int
    """Pixels, even, that a corner takes."""
    offset: float
    """From the origin to the middle of the line, in half pixels."""

    @classmethod
    def at(cls, edge: float, pen: Pen) -> _Side:
        edge = round(edge * 2) / 2
        origin = 2 * math.floor((edge - pen.reach_px) / 2)
        offset = edge - origin
        return cls(origin, _size(offset, pen), offset)


def _size(offset: float, pen: Pen) -> int:
    return 2 * math.ceil((offset + max(pen.radius_px, pen.reach_px)) / 2)


def _length(wanted: int) -> int:
    return math.ceil(wanted / _LENGTH_STEP_PX) * _LENGTH_STEP_PX


@lru_cache(maxsize=2048)
def _corner(look: Look, pen: Pen, offsets: tuple[float, float], flips: tuple[bool, bool]) -> Sprite:
    columns, rows = _size(offsets[0], pen), _size(offsets[1], pen)
    x = np.arange(columns, dtype=np.float32)[None, :] + 0.5 - offsets[0]
    y = np.arange(rows, dtype=np.float32)[:, None] + 0.5 - offsets[1]
    return _inked(look, pen, _distance(x, y, pen.radius_px), flips)


@lru_cache(maxsize=512)
def _edge(
    look: Look, pen: Pen, offset: float, flipped: bool, length: int, *, upright: bool
) -> Sprite:
    across = np.abs(np.arange(_size(offset, pen), dtype=np.float32) + 0.5 - offset)
    if upright:
        return _inked(look, pen, np.repeat(across[None, :], length, axis=0), (flipped, False))
    return _inked(look, pen, np.repeat(across[:, None], length, axis=1), (False, flipped))


def _distance(x: Floats, y: Floats, radius: float) -> Floats:
    """How far points lie from the upper left part of a rounded rectangle's outline."""
    inward_x, inward_y = radius - x, radius - y
    outside = np.hypot(np.maximum(inward_x, 0), np.maximum(inward_y, 0))
    inside = np.minimum(np.maximum(inward_x, inward_y), 0)
    return np.asarray(np.abs(outside + inside - radius), np.float32)


def _inked(look: Look, pen: Pen, distance: Floats, flips: tuple[bool, bool]) -> Sprite:
    line = np.clip(pen.line_px / 2 + 0.5 - distance, 0, 1)
    edge = np.clip(pen.line_px / 2 + pen.edge_px + 0.5 - distance, 0, 1)
    alpha = line + _EDGE_ALPHA * edge * (1 - line)
    flip_x, flip_y = flips
    columns, rows = slice(None, None, -1 if flip_x else 1), slice(None, None, -1 if flip_y else 1)
    rgb = line[..., None] * np.array(pen.colour, np.float32)
    return make_sprite(rgb[rows, columns], alpha[rows, columns], look)
