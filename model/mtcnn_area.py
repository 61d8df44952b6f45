"""Area resampling from summed-area tables: every pyramid level and every crop in constant time.

A pixel of the result is the mean of the rectangle of source pixels that it touches, which is what
torch calls `area` (adaptive average pooling) and what MTCNN's detections depend on. Four corners of
a summed-area table give the sum of a rectangle of any size, exactly, since sums are integers (32
bits may wrap around, but differences are right as long as a rectangle holds less than 8 Mpx).

Source: Crow, "Summed-area tables for texture mapping", SIGGRAPH 1984.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mien.contract.pictures import Pixels
from model.mtcnn_nets import CHANNELS
from model.transfer import to_device

_SCALE = 0.0078125
_OFFSET = 127.5 * _SCALE
"""Networks take (pixel - 127.5) / 128."""
_PASS_PX = {"cpu": 250_000, "cuda": 64_000_000}
"""Pixels of a level that go through P-Net at once, whose layers take 64 bytes for each."""


class AreaTables(Protocol):
    """The summed-area tables of images of one size, and what is resampled from them."""

    def level(self, height: int, width: int) -> Iterator[tuple[int, torch.Tensor]]:
        """All images at this size, in order, some at a time.

        Index of the first image, and float32 (b, 4, height, width), channels last, normalised.
        """
        ...

    def crops(self, frames: torch.Tensor, windows: torch.Tensor, size_px: int) -> torch.Tensor:
        """Windows of the images, squeezed into squares.

        `frames` int64 (n,): index of the image. `windows` int64 (n, 4): x1, y1, x2, y2, the ends
        excluded, inside the image and not empty. float32 (n, 4, size_px, size_px) comes back.
        """
        ...


def area_tables(images: Sequence[Pixels], device: torch.device) -> AreaTables:
    """Tables of equally large RGB images, made where the networks run."""
    return CpuAreaTables(images) if device.type == "cpu" else TorchAreaTables(images, device)


class CpuAreaTables:
    """With OpenCV and numpy, which sum and gather several times faster than torch on a CPU."""

    def __init__(self, images: Sequence[Pixels]) -> None:
        self._height, self._width = images[0].shape[:2]
        shape = (len(images), self._height + 1, self._width + 1, CHANNELS)
        self._tables = np.empty(shape, dtype=np.int32)
        for image, table in zip(images, self._tables, strict=True):
            # 16 bytes a pixel are what numpy gathers fastest
            cv2.integral(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), table)

    def level(self, height: int, width: int) -> Iterator[tuple[int, torch.Tensor]]:
        top, bottom = _bounds(np.int64(self._height), height)
        left, right = _bounds(np.int64(self._width), width)
        counts = (bottom - top)[:, None] * (right - left)
        factors = np.repeat((_SCALE / counts).astype(np.float32)[..., None], CHANNELS, axis=2)
        for images in _passes(len(self._tables), height * width, "cpu"):
            pixels = np.empty((len(images), height, width, CHANNELS), dtype=np.float32)
            for table, image in zip(self._tables[images.start : images.stop], pixels, strict=True):
                rows = table.take(bottom, axis=0)
                rows -= table.take(top, axis=0)
                sums = rows.take(right, axis=1)
                sums -= rows.take(left, axis=1)
                # image by image, while the cache still holds it
                image[...] = sums
                image *= factors
                image -= np.float32(_OFFSET)
            yield images.start, torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def crops(self, frames: torch.Tensor, windows: torch.Tensor, size_px: int) -> torch.Tensor:
        x1, y1, x2, y2 = windows.numpy().T[..., None]
        top, bottom = (y1 + bound for bound in _bounds(y2 - y1, size_px))
        left, right = (x1 + bound for bound in _bounds(x2 - x1, size_px))
        stride = self._width + 1
        start = frames.numpy()[:, None] * (stride * (self._height + 1))
        upper, lower = ((start + rows * stride)[..., None] for rows in (top, bottom))
        # one 16-byte number stands for the four sums of a pixel
        table = self._tables.reshape(-1).view(np.complex128)
        first, last = left[:, None], right[:, None]
        sums = table.take(lower + last).view(np.int32)
        sums -= table.take(lower + first).view(np.int32)
        sums -= table.take(upper + last).view(np.int32)
        sums += table.take(upper + first).view(np.int32)
        counts = (bottom - top)[..., None] * (right - left)[:, None]
        shape = (len(windows), size_px, size_px, CHANNELS)
        return _normalised(torch.from_numpy(sums.reshape(shape)), torch.from_numpy(counts))


class TorchAreaTables:
    """The same on any device that torch knows; made for CUDA."""

    def __init__(self, images: Sequence[Pixels], device: torch.device) -> None:
        pixels = to_device(np.stack(images), device)
        self._height, self._width = pixels.shape[1:3]
        shape = (len(images), self._height + 1, self._width + 1, CHANNELS)
        self._tables = torch.zeros(shape, dtype=torch.int32, device=device)
        across = torch.cumsum(pixels, dim=2, dtype=torch.int32)
        self._tables[:, 1:, 1:, :3] = torch.cumsum(across, dim=1, dtype=torch.int32)

    def level(self, height: int, width: int) -> Iterator[tuple[int, torch.Tensor]]:
        device = self._tables.device
        top, bottom = (
            torch.from_numpy(bound).to(device) for bound in _bounds(np.int64(self._height), height)
        )
        left, right = (
            torch.from_numpy(bound).to(device) for bound in _bounds(np.int64(self._width), width)
        )
        counts = (bottom - top)[:, None] * (right - left)
        for images in _passes(len(self._tables), height * width, device.type):
            tables = self._tables[images.start : images.stop]
            rows = tables[:, bottom] - tables[:, top]
            yield images.start, _normalised(rows[:, :, right] - rows[:, :, left], counts)

    def crops(self, frames: torch.Tensor, windows: torch.Tensor, size_px: int) -> torch.Tensor:
        x1, y1, x2, y2 = windows.T[..., None]
        step = torch.arange(size_px, device=windows.device)
        top = (y1 + step * (y2 - y1) // size_px)[..., None]
        bottom = (y1 - (-(step + 1) * (y2 - y1)) // size_px)[..., None]
        left = (x1 + step * (x2 - x1) // size_px)[:, None]
        right = (x1 - (-(step + 1) * (x2 - x1)) // size_px)[:, None]
        frame, table = frames[:, None, None], self._tables
        sums = table[frame, bottom, right] - table[frame, bottom, left]
        sums += table[frame, top, left] - table[frame, top, right]
        return _normalised(sums, (bottom - top) * (right - left))


def _passes(count: int, image_px: int, device: str) -> Iterator[range]:
    """`count` images of a level, as many at a time as one pass takes."""
    size = max(1, _PASS_PX[device] // image_px)
    return (range(start, min(start + size, count)) for start in range(0, count, size))


def _bounds(
    length: np.int64 | NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First source pixel and one past the last of each of `size` results."""
    step = np.arange(size)
    first: NDArray[np.int64] = step * length // size
    end: NDArray[np.int64] = -(-(step + 1) * length // size)
    return first, end


def _normalised(sums: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Sums (b, h, w, 4), counts (h, w) or (b, h, w) -> float32 (b, 4, h, w), channels last."""
    factors = (_SCALE / counts.to(torch.float64)).to(torch.float32).unsqueeze(-1)
    return (sums * factors).sub_(_OFFSET).permute(0, 3, 1, 2)
