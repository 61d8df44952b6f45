"""From full-range samples to the limited range that old codecs know alone, and back."""

from __future__ import annotations

import cv2
import numpy as np

from mien.contract.pictures import Picture, Pixels

_LEVELS = np.arange(256)
_LUMA = np.rint(16 + _LEVELS * (219 / 255)).astype(np.uint8)
_CHROMA = np.rint(128 + (_LEVELS - 128) * (224 / 255)).astype(np.uint8)
_FULL_LUMA = np.rint((_LEVELS - 16) * (255 / 219)).clip(0, 255).astype(np.uint8)
_FULL_CHROMA = np.rint(128 + (_LEVELS - 128) * (255 / 224)).clip(0, 255).astype(np.uint8)


def limited(picture: Picture) -> Pixels:
    """The I420 samples of a full-range picture, newly made, in limited range.

    Source: ITU-T H.273, VideoFullRangeFlag equal to 0.
    """
    return _looked_up(picture, _LUMA, _CHROMA)


def full(picture: Picture) -> Pixels:
    """The I420 samples of a limited-range picture, newly made, in full range; as `limited`."""
    return _looked_up(picture, _FULL_LUMA, _FULL_CHROMA)


def _looked_up(picture: Picture, luma: Pixels, chroma: Pixels) -> Pixels:
    result = np.empty_like(picture.data)
    rows = picture.data.shape[0] * 2 // 3
    cv2.LUT(picture.data[:rows], luma, result[:rows])
    cv2.LUT(picture.data[rows:], chroma, result[rows:])
    return result
