"""Rows of a test split that have a copy in Training: a network may know them by heart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.fer2013 import Split

NEAR = 0.96
"""Least correlation of a near copy. Seen by eye on PublicTest: from here up pairs are the same
photo, cut or compressed in another way; at .95 the first different people appear."""

_SIDE_PX = 16
_ROWS_AT_ONCE = 512

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
    reference = _directions(training.images).T
    near = np.zeros(len(exact), dtype=np.bool_)
    for start in range(0, len(exact), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        for images in (split.images[rows], split.images[rows, :, ::-1]):
            near[rows] |= (_directions(images) @ reference).max(1) >= NEAR
    return Copies(exact, near & ~exact)


def _directions(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Images (n, 48, 48) -> (n, 256) of zero mean and unit length; plain ones become zeros."""
    block = images.shape[-1] // _SIDE_PX
    blocks = images.reshape(-1, _SIDE_PX, block, _SIDE_PX, block)
    small = blocks.mean((2, 4), dtype=np.float32).reshape(len(images), -1)
    centred = small - small.mean(1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, 1e-3), dtype=np.float32)
