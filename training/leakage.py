"""Rows of a test split that have a copy in Training: a network may know them by heart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.fer2013 import Split
from training.similarity import NEAR, ROWS_AT_ONCE, signatures

_BLOCK_PX = 3

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Copies:
    """Which rows (n,) of a split have a copy in Training."""

    exact: Flags
    """Pixel by pixel the same."""
    near: Flags
    """The same photo, perhaps mirrored, with other pixels; never an exact copy as well."""

    @property
    def any(self) -> Flags:
        """Either of them."""
        return self.exact | self.near


def find_copies(split: Split, training: Split) -> Copies:
    """Looks every row up among Training's; the labels have no say.

    A near copy is one whose correlation is NEAR or more on 16x16 means of 3x3 pixels, as it is or
    mirrored. It takes seconds: one matrix product for some hundred rows.
    """
    known = {image.tobytes() for image in training.images}
    exact = np.array([image.tobytes() in known for image in split.images], dtype=np.bool_)
    reference = signatures(training.images, _BLOCK_PX).T
    near = np.zeros(len(exact), dtype=np.bool_)
    for start in range(0, len(exact), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        for images in (split.images[rows], split.images[rows, :, ::-1]):
            alike = signatures(images, _BLOCK_PX) @ reference
            near[rows] |= (alike.amax(1) >= NEAR).numpy()
    return Copies(exact, near & ~exact)
