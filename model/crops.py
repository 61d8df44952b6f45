"""Face crops: what FER2013 would have cut out around a detected face.

One code path for both detectors; what differs is where their boxes lie on a face.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mien.contract.analyses import DetectorName, Floats
from mien.contract.pictures import Pixels
from model.preprocessing import CROP_PX

_CUBIC = -0.5
"""Sharpness of the cubic filter: Catmull and Rom's, which keeps straight ramps straight."""
_REACH = 2.0
"""Pixels to each side that the filter reaches, at the coarser of both resolutions."""


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """Where the square crop lies, told from a detector's box of width w and height h."""

    side: float
    """Side of the crop as a multiple of max(w, h)."""
    right: float
    """How far its centre lies right of the box's, as a share of max(w, h)."""
    down: float
    """How far its centre lies below the box's, as a share of max(w, h)."""

    def squares(self, boxes: Floats) -> NDArray[np.float64]:
        """Boxes (n, 4) -> squares (n, 3): left, top, side in pixels; may leave the image."""
        exact = boxes.astype(np.float64)
        sizes = exact[:, 2:] - exact[:, :2]
        size = sizes.max(axis=1)
        centre = (exact[:, :2] + exact[:, 2:]) / 2
        centre += size[:, None] * np.array([self.right, self.down])
        side = self.side * size
        return np.column_stack([centre - side[:, None] / 2, side])


GEOMETRY: dict[DetectorName, CropGeometry] = {
    "mtcnn": CropGeometry(side=0.96, right=0.0, down=-0.015),
    "haar": CropGeometry(side=1.0, right=0.0, down=0.0),
}
"""Measured by `benchmarks/crop_geometry.py`: 400 faces of PublicTest, two sizes, three surrounds.

MTCNN found 343 to 356 of them: median side .953 to .967 (quartiles .86, 1.04), right .001 to .003
(-.03, .04), down -.015 to -.010 (-.04, .02). The cascade found 238 to 306: side 1.000 to 1.043
(.97, 1.10), right -.005 to .000 (-.02, .01), down .000 (-.02, .02): FER2013 was cut along the
cascade's boxes. On 114 faces of other clips and photos that both found, the cascade's boxes are
.963 of MTCNN's in side (quartiles .11 apart), .011 to the right and .013 higher: the same again.
"""


def face_crops(images: Sequence[Pixels], boxes: Sequence[Floats], geometry: CropGeometry) -> Pixels:
    """Crops of all faces of all images: uint8 (m, 48, 48), grey, image by image.

    Images are RGB (H, W, 3). Outside of an image its edge is repeated.
    """
    crops = [
        _crop(image, *square)
        for image, of_image in zip(images, boxes, strict=True)
        for square in geometry.squares(of_image).tolist()
    ]
    return np.stack(crops) if crops else np.zeros((0, CROP_PX, CROP_PX), np.uint8)


def _crop(image: Pixels, left: float, top: float, side: float) -> Pixels:
    height, width = image.shape[:2]
    columns, across = _resampling(left, side, width)
    rows, down = _resampling(top, side, height)
    # grey by Rec. 601, as the networks' training pictures are
    grey = cv2.cvtColor(image[rows, columns], cv2.COLOR_RGB2GRAY).astype(np.float32)
    # torch multiplies on the threads that it was given; numpy's BLAS keeps every core spinning
    pixels = torch.from_numpy(down) @ torch.from_numpy(grey) @ torch.from_numpy(across).T
    return pixels.round().clamp(0, 255).to(torch.uint8).numpy()


def _resampling(start: float, length: float, size: int) -> tuple[slice, Floats]:
    """How one axis of `size` pixels is resampled from `start` over `length` to CROP_PX.

    Which pixels are read, at least one, and float32 (CROP_PX, pixels read): their weights. The
    cubic filter is widened to the source's resolution where pixels are lost, so nothing aliases.
    """
    scale = length / CROP_PX
    centres = start + (np.arange(CROP_PX) + 0.5) * scale
    spread = max(scale, 1.0)
    reach = _REACH * spread
    places = np.ceil(centres - 0.5 - reach)[:, None] + np.arange(math.floor(2 * reach) + 1)
    weights = _cubic((places + 0.5 - centres[:, None]) / spread)
    weights /= weights.sum(axis=1, keepdims=True)
    # what falls outside counts for the edge
    inside = np.clip(places, 0, size - 1).astype(np.intp)
    first, last = int(inside[0, 0]), int(inside[-1, -1])
    folded = np.zeros((CROP_PX, last - first + 1))
    np.add.at(folded, (np.arange(CROP_PX)[:, None], inside - first), weights)
    return slice(first, last + 1), folded.astype(np.float32)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Source: Keys, "Cubic convolution interpolation", IEEE TASSP 29 (1981)."""
    x, a = np.abs(distance), _CUBIC
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < _REACH, far, 0.0))
