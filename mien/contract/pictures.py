"""Pictures: pixels with what is needed to show them right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

UNSPECIFIED = 2
"""The code for 'not said' in ISO/IEC 23091-2."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How sample values are meant, in the codes of ISO/IEC 23091-2 (which FFmpeg uses too)."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    full_range: bool = False
    """True where luma uses 0..255, False where it uses 16..235."""

    def matrix_for(self, height: int) -> int:
        """The matrix code, or what players assume where none is said: 709 from 720 lines up."""
        if self.matrix != UNSPECIFIED:
            return self.matrix
        return 1 if height >= 720 else 6


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright picture with square pixels.

    Video stays in the decoder's 4:2:0 samples, so that nothing is lost on a way through RGB;
    photos are RGB.
    """

    data: Pixels
    """uint8, C-contiguous. I420: (H * 3 // 2, W) with H, W even: Y, then U, then V, as OpenCV and
    FFmpeg lay it out. RGB: (height, width, 3)."""
    width: int
    """Pixels that are shown; an odd one is stored in I420 with its last column repeated."""
    height: int
    """Rows that are shown; an odd one is stored in I420 with its last row repeated."""
    colour: Colour

    @property
    def layout(self) -> Literal["i420", "rgb"]:
        return "rgb" if self.data.ndim == 3 else "i420"

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    def planes(self) -> tuple[Pixels, Pixels, Pixels]:
        """Views of Y (H, W), U and V (H/2, W/2), or of R, G, B (height, width)."""
        if self.data.ndim == 3:
            return self.data[..., 0], self.data[..., 1], self.data[..., 2]
        rows, width = self.data.shape
        height = rows * 2 // 3
        flat = self.data.reshape(-1)
        luma, quarter = height * width, height * width // 4
        half = (height // 2, width // 2)
        return (
            flat[:luma].reshape(height, width),
            flat[luma : luma + quarter].reshape(half),
            flat[luma + quarter :].reshape(half),
        )


def even(value: int) -> int:
    """The next even number, which 4:2:0 needs."""
    return value + (value & 1)
