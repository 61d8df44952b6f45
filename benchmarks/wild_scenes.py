"""Larger pictures with FER2013's faces in known places, as analysis pictures are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.analyses import Floats
from mien.contract.pictures import Pixels

WIDTH_PX, HEIGHT_PX = 1280, 720
FACES_AT_MOST = 32
"""Faces in one picture."""

Surround = Literal["plain", "photo"]
SURROUNDS: tuple[Surround, ...] = ("plain", "photo")
"""`plain`: one grey, the face a tile on it. `photo`: soft noise, light and dark as photos
are, into which the face's blurred edges fade."""

_CELL, _SMALLEST_CELL_PX = 2.0, 80
"""Room for one face, as a multiple of its side, and at least."""
_FADE = 0.25
"""Width of the rim in which a face fades into a photo, as a share of its side."""
_FALL = 1.5
"""Power of the frequency with which the noise's amplitudes fall."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture and what is in it."""

    image: Pixels
    """RGB (720, 1280, 3), all three alike."""
    rows: NDArray[np.int64]
    """(n,): which of the faces given."""
    squares: Floats
    """float32 (n, 4): where their crops were set, as x1, y1, x2, y2."""
    surround: Surround


def scenes(faces: Pixels, face_px: int, seed: int) -> Iterator[Scene]:
    """Every face (n, 48, 48) once, `face_px` large; every other scene is plain."""
    rng = np.random.default_rng([seed, face_px])
    cell = max(_SMALLEST_CELL_PX, round(_CELL * face_px))
    columns, lines = WIDTH_PX // cell, HEIGHT_PX // cell
    at_once = min(FACES_AT_MOST, columns * lines)
    for number, start in enumerate(range(0, len(faces), at_once)):
        rows = np.arange(start, min(start + at_once, len(faces)))
        cells = rng.permutation(columns * lines)[: len(rows)]
        free = cell - face_px
        # a rim's width from its cell's border
        margin = min(round(_FADE * face_px), free // 2)
        shifts = rng.integers(margin, free - margin + 1, (len(rows), 2))
        corners = np.column_stack([cells % columns, cells // columns]) * cell + shifts
        surround = SURROUNDS[number % len(SURROUNDS)]
        grey = _background(surround, rng)
        for row, (left, top) in zip(rows.tolist(), corners.tolist(), strict=True):
            _set_in(grey, faces[row], (left, top), face_px, surround)
        squares = np.hstack([corners, corners + face_px]).astype(np.float32)
        pixels = np.clip(np.round(grey), 0, 255).astype(np.uint8)
        yield Scene(np.repeat(pixels[..., None], 3, axis=2), rows, squares, surround)


def _background(surround: Surround, rng: np.random.Generator) -> Floats:
    if surround == "plain":
        return np.full((HEIGHT_PX, WIDTH_PX), rng.uniform(60, 200), np.float32)
    # photos' amplitudes fall with one over the frequency (Field, JOSA A 4, 1987), but their phases
    # make edges and flat parts; noise that falls that slowly is rougher than any photo
    down, across = np.fft.fftfreq(HEIGHT_PX)[:, None], np.fft.rfftfreq(WIDTH_PX)
    frequency = np.hypot(down, across)
    frequency[0, 0] = np.inf  # no say in the mean
    phases = np.exp(2j * np.pi * rng.random(frequency.shape))
    waves = np.fft.irfft2(phases / frequency**_FALL, s=(HEIGHT_PX, WIDTH_PX))
    return np.asarray(120 + 40 * waves / waves.std(), np.float32)


def _set_in(
    grey: Floats, face: Pixels, corner: tuple[int, int], face_px: int, surround: Surround
) -> None:
    shrinks = face_px < len(face)
    filter_ = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    tile = cv2.resize(face, (face_px, face_px), interpolation=filter_).astype(np.float32)
    left, top = corner
    if surround == "photo":
        rim = round(_FADE * face_px)
        wide = np.pad(tile, rim, mode="edge")
        soft = cv2.GaussianBlur(wide, (0, 0), face_px / 16)
        weight = _fading(face_px, rim)
        rows = slice(top - rim, top + face_px + rim)
        columns = slice(left - rim, left + face_px + rim)
        grey[rows, columns] = weight * soft + (1 - weight) * grey[rows, columns]
    grey[top : top + face_px, left : left + face_px] = tile


def _fading(face_px: int, rim: int) -> Floats:
    """1 over the face, falling to 0 over the rim."""
    ramp = (np.arange(rim) + 0.5) / rim
    line = np.concatenate([ramp, np.ones(face_px), ramp[::-1]])
    return np.asarray(np.minimum(line[:, None], line), dtype=np.float32)
