"""Makes the one image of a frame that is sent to be analysed."""

from __future__ import annotations

from dataclasses import replace

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Interpolation

from mien.contract.geometry import AnalysisGeometry
from mien.contract.pictures import Picture, Pixels


def shrink(picture: Picture, geometry: AnalysisGeometry) -> Picture:
    """The picture at the analysis size, anti-aliased, in the layout that it has.

    What matrix players assume goes by the height, which changes: so it is written down.
    Where nothing has to be shrunk this is the picture itself: whoever draws on it must have its
    analysis first.
    """
    if (picture.width, picture.height) == (geometry.width, geometry.height):
        return picture
    size = (geometry.width, geometry.height)
    colour = replace(picture.colour, matrix=picture.colour.matrix_for(picture.height))
    if picture.layout == "rgb":
        rgb = np.empty((geometry.height, geometry.width, 3), np.uint8)
        cv2.resize(picture.data, size, dst=rgb, interpolation=cv2.INTER_AREA)
        return Picture(rgb, *size, colour)
    data = np.empty((geometry.height * 3 // 2, geometry.width), np.uint8)
    shrunk = Picture(data, *size, colour)
    for source, target in zip(picture.planes(), shrunk.planes(), strict=True):
        height, width = target.shape
        target[:] = _plane(source, width, height)
    return shrunk


def _plane(samples: Pixels, width: int, height: int) -> Pixels:
    """One plane at another size; by swscale, five times as fast here as OpenCV's INTER_AREA."""
    same = ColorRange.JPEG  # on both sides: values stay what they are
    small = av.VideoFrame.from_numpy_buffer(samples, "gray").reformat(
        width,
        height,
        interpolation=Interpolation.AREA,
        src_color_range=same,
        dst_color_range=same,
        threads=1,
    )
    pixels: Pixels = small.to_ndarray().astype(np.uint8, copy=False)
    return pixels
