"""From one luma-chroma matrix to another, for files that cannot say which one they use."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.pictures import Picture, Pixels

LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Red's and blue's share of luma by matrix code. Source: ITU-T H.273, table 4."""

_LUMA_LEVELS, _CHROMA_LEVELS = 219, 224
"""How many steps luma and chroma have in limited range."""
_NEUTRAL = 128


def differ(one: int, other: int) -> bool:
    """Whether samples of one matrix code can, and have to, be converted for the other."""
    return (
        one in LUMA_WEIGHTS and other in LUMA_WEIGHTS and LUMA_WEIGHTS[one] != LUMA_WEIGHTS[other]
    )


class MatrixConverter:
    """Converts limited-range I420 samples from one matrix to another that it differs from."""

    def __init__(self, source: int, target: int) -> None:
        """source, target: codes of ISO/IEC 23091-2."""
        both = np.linalg.inv(_to_rgb(target)) @ _to_rgb(source)
        # grey is grey in both: luma takes something of chroma, chroma nothing of luma
        self._luma: NDArray[np.float64] = both[0, 1:] * (_LUMA_LEVELS / _CHROMA_LEVELS)
        self._blue: NDArray[np.float64] = both[1, 1:]
        self._red: NDArray[np.float64] = both[2, 1:]

    def converted(self, picture: Picture) -> Pixels:
        """Its samples, newly made."""
        luma, blue, red = picture.planes()
        result = np.empty_like(picture.data)
        planes = Picture(result, picture.width, picture.height, picture.colour).planes()
        change = cv2.resize(_mixed(blue, red, self._luma), luma.shape[::-1])
        cv2.addWeighted(luma, 1, change, 1, -_NEUTRAL, planes[0])
        planes[1][:] = _mixed(blue, red, self._blue)
        planes[2][:] = _mixed(blue, red, self._red)
        return result


def _mixed(blue: Pixels, red: Pixels, shares: NDArray[np.float64]) -> Pixels:
    """The weighted sum of two chroma planes, around neutral."""
    neutral = _NEUTRAL * (1 - shares.sum())
    return cv2.addWeighted(blue, shares[0], red, shares[1], neutral).astype(np.uint8, copy=False)


def _to_rgb(matrix: int) -> NDArray[np.float64]:
    """(3, 3): makes red, green and blue of luma in [0, 1] and both chromas in [-.5, .5]."""
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    of_blue, of_red = 2 * (1 - blue), 2 * (1 - red)
    return np.array(
        [
            [1, 0, of_red],
            [1, -of_blue * blue / green, -of_red * red / green],
            [1, of_blue, 0],
        ]
    )
