"""Analysis images as the detectors want them."""

from __future__ import annotations

import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from mien.contract.pictures import Picture, Pixels
from workers.video_frames import video_frame

_COLORSPACES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
}
"""By matrix code; BT.2020 has no name in PyAV and is near enough to 709 for finding faces."""


def to_rgb(picture: Picture) -> Pixels:
    """The picture as uint8 RGB (height, width, 3), by its own matrix and range."""
    if picture.layout == "rgb":
        return picture.data
    colour = picture.colour
    frame = video_frame(picture.data)
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=_COLORSPACES.get(colour.matrix_for(picture.height), Colorspace.ITU709),
        src_color_range=ColorRange.JPEG if colour.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        threads=1,  # by default threads are started for every picture, which takes ten times longer
    )
    pixels = rgb.to_ndarray()[: picture.height, : picture.width]
    return np.ascontiguousarray(pixels)
