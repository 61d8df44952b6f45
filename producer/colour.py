"""What a decoded frame's sample values mean."""

from __future__ import annotations

import av
from av.video.format import VideoFormat

from mien.contract.pictures import UNSPECIFIED, Colour

FULL = 2
"""FFmpeg's code of the range 0..255."""

RGB_MATRIX = 0


def colour_of(frame: av.VideoFrame) -> Colour:
    """The tags of the picture that is made of this frame.

    YUV keeps its own. RGB becomes limited-range YUV by the matrix that players assume for its
    height. Grey is full range unless tagged.
    """
    primaries, transfer = _tag(frame.color_primaries), _tag(frame.color_trc)
    if is_rgb(frame.format):
        return Colour(primaries, transfer, 1 if frame.height >= 720 else 6, full_range=False)
    full = frame.color_range == FULL or frame.format.name.startswith("yuvj")
    if is_grey(frame.format) and frame.color_range == 0:
        full = True
    matrix = UNSPECIFIED if frame.colorspace == RGB_MATRIX else _tag(frame.colorspace)
    return Colour(primaries, transfer, matrix, full)


def _tag(code: int) -> int:
    """A code as it is, but the reserved ones as 'not said'."""
    return UNSPECIFIED if code in (0, 3) else int(code)


def is_rgb(form: VideoFormat) -> bool:
    """Red, green and blue in any order, also by a palette."""
    return form.is_rgb or form.has_palette


def is_grey(form: VideoFormat) -> bool:
    """Brightness alone, with or without opacity."""
    colours = [part for part in form.components if not part.is_alpha]
    return len(colours) == 1 and not is_rgb(form)


def has_alpha(form: VideoFormat) -> bool:
    return any(part.is_alpha for part in form.components)
