"""The ways to cut a face out that are compared: margins, shifts, alignment by the eyes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.wild_finds import Finds
from benchmarks.wild_scenes import Scene
from mien.contract.analyses import DetectorName, Floats
from mien.contract.pictures import Pixels
from model.crops import GEOMETRY, CropGeometry, face_crops

Alignment = Literal["none", "turned", "centred", "both"]
"""`turned`: about the crop's middle, until the eyes are level. `centred`: moved sideways, until the
middle is between the eyes."""

_SIDES: dict[DetectorName, tuple[float, ...]] = {
    "mtcnn": (0.90, 0.93, 0.96, 1.00, 1.05, 1.10),
    "haar": (0.90, 0.95, 1.00, 1.05, 1.10),
}
_DOWNS: dict[DetectorName, tuple[float, ...]] = {
    "mtcnn": (-0.045, -0.015, 0.015, 0.045),
    "haar": (-0.03, 0.0, 0.03),
}
_TURNED: tuple[Alignment, ...] = ("turned", "centred", "both")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to cut out what one detector found."""

    detector: DetectorName
    geometry: CropGeometry
    alignment: Alignment = "none"

    @property
    def is_shipped(self) -> bool:
        """Whether it is what `mien run` does."""
        return self == Variant(self.detector, GEOMETRY[self.detector])


def variants(detector: DetectorName) -> list[Variant]:
    """What `mien run` does, first, and what differs from it in one thing."""
    shipped = GEOMETRY[detector]
    ways = [Variant(detector, shipped)]
    ways += [Variant(detector, replace(shipped, side=side)) for side in _SIDES[detector]]
    ways += [Variant(detector, replace(shipped, down=down)) for down in _DOWNS[detector]]
    if detector == "mtcnn":
        ways += [Variant(detector, shipped, alignment) for alignment in _TURNED]
    return list(dict.fromkeys(ways))


def crops_of(scene: Scene, finds: Finds, variant: Variant) -> Pixels:
    """Crops (n, 48, 48) of `finds.of(scene)`, in that order."""
    own = finds.of(scene)
    boxes = finds.boxes[own]
    if variant.alignment == "none":
        return face_crops([scene.image], [boxes], variant.geometry)
    parts = [
        face_crops([image], [moved[None]], replace(variant.geometry, right=0.0))
        for image, moved in _aligned(scene.image, boxes, finds.landmarks[own], variant)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, 48, 48), np.uint8)


def _aligned(
    image: Pixels, boxes: Floats, landmarks: Floats, variant: Variant
) -> Iterator[tuple[Pixels, Floats]]:
    """Per box: the image to cut it from, and the box moved."""
    for box, points in zip(boxes, landmarks, strict=True):
        moved = box.copy()
        eyes = points[:2]
        if variant.alignment in ("centred", "both"):
            moved[[0, 2]] += eyes[:, 0].mean() - (box[0] + box[2]) / 2
        if variant.alignment == "centred":
            yield image, moved
            continue
        across, down = (eyes[1] - eyes[0]).tolist()
        left, top, side = variant.geometry.squares(moved[None])[0].tolist()
        middle = (left + side / 2, top + side / 2)
        turn = cv2.getRotationMatrix2D(middle, float(np.degrees(np.arctan2(down, across))), 1.0)
        yield _turned(image, turn, middle, side), moved


def _turned(image: Pixels, turn: NDArray[Any], middle: tuple[float, float], side: float) -> Pixels:
    """The image with what lies around the crop turned; the rest is left, to save time."""
    height, width = image.shape[:2]
    low = np.maximum(np.floor(np.array(middle) - side), 0).astype(int)
    high = np.minimum(np.ceil(np.array(middle) + side), [width, height]).astype(int)
    local = turn.copy()
    # warpAffine's target is the part alone: its corner becomes the origin
    local[:, 2] -= low
    part = cv2.warpAffine(
        image,
        local,
        (int(high[0] - low[0]), int(high[1] - low[1])),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    copy = image.copy()
    copy[low[1] : high[1], low[0] : high[0]] = part
    return copy
