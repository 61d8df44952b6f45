"""A colour for each expression, and how colours become a picture's own samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mien.contract.analyses import Floats
from mien.contract.expressions import EXPRESSIONS
from mien.contract.pictures import Picture
from workers.colour_matrix import LUMA_WEIGHTS

Rgb = tuple[int, int, int]

_COLOURS: dict[str, Rgb] = {
    "angry": (213, 94, 0),  # vermillion
    "disgust": (0, 158, 115),  # bluish green
    "fear": (204, 121, 167),  # reddish purple
    "happy": (240, 228, 66),  # yellow
    "sad": (0, 114, 178),  # blue
    "surprise": (86, 180, 233),  # sky blue
    "neutral": (232, 232, 232),
}
"""Distinguishable with any kind of colour vision.

Source: Okabe and Ito, Color Universal Design, 2008.
"""

UNCERTAIN: Rgb = (104, 104, 104)
"""For an uncertain expression: a grey much darker than that of neutral."""

BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)

_BT601, _BT2020, _BT2020_CONSTANT = 6, 9, 10


def colour_of(expression: int) -> Rgb:
    """The colour of EXPRESSIONS[expression]."""
    return _COLOURS[EXPRESSIONS[expression]]


def ink_on(colour: Rgb) -> Rgb:
    """Black or white, whichever reads better on `colour`.

    Source: WCAG 2.2, relative luminance and contrast ratio.
    """
    luminance = _luminance(colour)
    return BLACK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else WHITE


class Look(NamedTuple):
    """What decides the samples that a colour becomes; equal looks share their sprites."""

    layout: str
    matrix: int
    full_range: bool

    @classmethod
    def of(cls, picture: Picture) -> Look:
        """The look of a picture."""
        colour = picture.colour
        return cls(picture.layout, colour.matrix_for(picture.height), colour.full_range)

    def samples(self, rgb: Floats, alpha: Floats) -> tuple[Floats, ...]:
        """Colours multiplied by their alpha, as the samples of each plane at full resolution.

        Args:
            rgb: float32 (h, w, 3) in 0..255, multiplied by alpha.
            alpha: float32 (h, w) in 0..1.

        Source: ITU-T H.273, equations for Y'CbCr with 8 bits.
        """
        if self.layout == "rgb":
            return (rgb,)
        # with constant luminance the weights are BT.2020's, too, and the rest nearly so
        matrix = _BT2020 if self.matrix == _BT2020_CONSTANT else self.matrix
        red, blue = LUMA_WEIGHTS.get(matrix, LUMA_WEIGHTS[_BT601])
        luma = rgb @ np.array([red, 1 - red - blue, blue], np.float32)
        cb = (rgb[..., 2] - luma) / (2 * (1 - blue))
        cr = (rgb[..., 0] - luma) / (2 * (1 - red))
        if self.full_range:
            return luma, cb + 128 * alpha, cr + 128 * alpha
        chroma = np.float32(224 / 255)
        return (
            luma * np.float32(219 / 255) + 16 * alpha,
            cb * chroma + 128 * alpha,
            cr * chroma + 128 * alpha,
        )


def _luminance(colour: Rgb) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
