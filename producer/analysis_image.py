"""Makes the one image of a frame that is sent to be analysed."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mien.contract.geometry import AnalysisGeometry
from mien.contract.pictures import Picture


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
        cv2.resize(source, target.shape[::-1], dst=target, interpolation=cv2.INTER_AREA)
    return shrunk
