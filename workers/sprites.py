"""Small images with transparency, ready to be blended into the planes of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mien.contract.analyses import Floats
from mien.contract.pictures import Picture, Pixels
from workers.palette import Look


@dataclass(frozen=True, slots=True)
class Layer:
    """What one plane of the picture becomes: sample * keep / 255 + add."""

    keep: Pixels
    """uint8 (h, w) or (h, w, 3): 255 where the picture shows through."""
    add: Pixels
    """uint8, the same shape: the sprite's own share."""
    step: int
    """Pixels of the picture a sample of the plane: 1, or 2 for chroma."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """Layers for Y, U, V, or one for interleaved RGB."""

    layers: tuple[Layer, ...]
    width: int
    """Pixels, even."""
    height: int


def make_sprite(rgb: Floats, alpha: Floats, look: Look) -> Sprite:
    """Turn an image into what `stamp` blends.

    Args:
        rgb: float32 (h, w, 3) in 0..255, already multiplied by alpha; h and w even.
        alpha: float32 (h, w) in 0..1.
        look: Of the pictures that it is meant for.
    """
    layers = []
    for number, samples in enumerate(look.samples(rgb, alpha)):
        step = 2 if number else 1
        layers.append(_layer(samples, alpha, step))
    height, width = alpha.shape
    return Sprite(tuple(layers), width, height)


class Canvas:
    """The planes of a picture, as sprites need them. It changes the picture in place."""

    def __init__(self, picture: Picture) -> None:
        self.look = Look.of(picture)
        self.width = picture.width
        self.height = picture.height
        if picture.layout == "rgb":
            self._planes: tuple[Pixels, ...] = (picture.data,)
        else:
            self._planes = picture.planes()

    def stamp(
        self, sprite: Sprite, x: int, y: int, columns: int | None = None, rows: int | None = None
    ) -> None:
        """Blend a sprite in; what lies outside of the picture is cut off.

        Args:
            sprite: Made for this canvas's look.
            x: Even, as y: the upper left corner, in pixels.
            y: See x.
            columns: Even: use this many only; None uses all.
            rows: See columns.
        """
        last_row, last_column = self._planes[0].shape[:2]
        columns = sprite.width if columns is None else columns
        rows = sprite.height if rows is None else rows
        left, top = max(0, -x), max(0, -y)
        right, bottom = min(columns, last_column - x), min(rows, last_row - y)
        if left >= right or top >= bottom:
            return
        for plane, layer in zip(self._planes, sprite.layers, strict=True):
            step = layer.step
            there = plane[
                (y + top) // step : (y + bottom) // step, (x + left) // step : (x + right) // step
            ]
            here = np.s_[top // step : bottom // step, left // step : right // step]
            cv2.multiply(there, layer.keep[here], there, 1 / 255)
            cv2.add(there, layer.add[here], there)


def _layer(samples: Floats, alpha: Floats, step: int) -> Layer:
    if step == 2:
        alpha = _halved(alpha)
        samples = _halved(samples)
    keep = 1 - alpha
    if samples.ndim == 3:
        keep = np.repeat(keep[..., None], 3, axis=2)
    return Layer(
        np.ascontiguousarray(np.rint(keep * 255), dtype=np.uint8),
        np.ascontiguousarray(np.rint(samples), dtype=np.uint8),
        step,
    )


def _halved(image: Floats) -> Floats:
    height, width = image.shape
    blocks = image.reshape(height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)
