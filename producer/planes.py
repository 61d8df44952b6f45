"""Turns decoded frames of any pixel format into the three planes of 8-bit 4:2:0.

The values stay what the source said: neither range nor matrix is changed (RGB excepted, which has
none). One conversion does size and format together, by FFmpeg's swscale.
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from mien.contract.pictures import UNSPECIFIED, Colour, Pixels
from producer.colour import has_alpha, is_grey, is_rgb

Planes = tuple[Pixels, Pixels, Pixels]
"""uint8: Y (height, width), U and V (height/2, width/2), halves rounded up; views of a frame."""

READY = ("yuv420p", "yuvj420p")

NEUTRAL = 128


class PlaneMaker:
    """Makes planes of one size; keeps swscale's tables between frames."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def make(self, frame: av.VideoFrame, colour: Colour, size: tuple[int, int]) -> Planes:
        """The planes of a frame, scaled to (width, height), opaque over black."""
        same = size == (frame.width, frame.height)
        form = frame.format
        if form.name in READY and same:
            return _views(frame) or self._from_yuv(frame, colour, size, "nv12")
        if is_rgb(form):
            return self._from_rgb(frame, colour, size)
        if has_alpha(form):
            return self._over_black(frame, colour, size)
        if is_grey(form):
            return self._from_grey(frame, colour, size)
        return self._from_yuv(frame, colour, size)

    def _scale(
        self, frame: av.VideoFrame, colour: Colour, size: tuple[int, int], form: str
    ) -> av.VideoFrame:
        """The frame in another format and size, its values meaning what they did."""
        tag = ColorRange.JPEG if colour.full_range else ColorRange.MPEG
        frame.colorspace = UNSPECIFIED  # swscale refuses some, and the matrix does not change
        return self._scaler.reformat(
            frame,
            *size,
            format=form,
            interpolation=_interpolation(frame, size),
            src_color_range=tag,
            dst_color_range=tag,
            threads=1,
        )

    def _from_yuv(
        self, frame: av.VideoFrame, colour: Colour, size: tuple[int, int], via: str | None = None
    ) -> Planes:
        """`via` another format where a frame lies upside down in memory."""
        if via is not None:
            frame = self._scale(frame, colour, (frame.width, frame.height), via)
        return _expect(_views(self._scale(frame, colour, size, "yuv420p")))

    def _from_grey(self, frame: av.VideoFrame, colour: Colour, size: tuple[int, int]) -> Planes:
        luma = _plane(self._scale(frame, colour, size, "gray"), 0)
        return luma, *_neutral(size)

    def _over_black(self, frame: av.VideoFrame, colour: Colour, size: tuple[int, int]) -> Planes:
        """Opacity makes a picture darker and less coloured."""
        scaled = self._scale(frame, colour, size, "yuva420p")
        alpha = _plane(scaled, 3)
        quarter = alpha[::2, ::2]
        black = 0 if colour.full_range else 16
        luma, blue, red = _expect(_views(scaled))
        return (
            _mix(luma, alpha, black),
            _mix(blue, quarter, NEUTRAL),
            _mix(red, quarter, NEUTRAL),
        )

    def _from_rgb(self, frame: av.VideoFrame, colour: Colour, size: tuple[int, int]) -> Planes:
        """Limited-range YUV by the matrix that the colour names."""
        how = _interpolation(frame, size)
        if has_alpha(frame.format) or frame.format.has_palette:
            frame = _opaque(self._scaler.reformat(frame, format="rgba", threads=1))
        matrix = Colorspace.ITU709 if colour.matrix == 1 else Colorspace.ITU601
        return _expect(
            _views(
                self._scaler.reformat(
                    frame,
                    *size,
                    format="yuv420p",
                    interpolation=how,
                    src_color_range=ColorRange.JPEG,
                    dst_colorspace=matrix,
                    dst_color_range=ColorRange.MPEG,
                    threads=1,
                )
            )
        )


def _interpolation(frame: av.VideoFrame, size: tuple[int, int]) -> Interpolation:
    """Sharp where the size changes, plain where only the format does."""
    same = size == (frame.width, frame.height)
    kind = Interpolation.BILINEAR if same else Interpolation.BICUBIC
    return kind | Interpolation.ACCURATE_RND


def _plane(frame: av.VideoFrame, index: int) -> Pixels:
    """A view of one plane without the filling at the end of its rows."""
    part = frame.planes[index]
    rows: Pixels = np.frombuffer(memoryview(part), np.uint8)
    return rows.reshape(part.height, part.line_size)[:, : part.width]


def _views(frame: av.VideoFrame) -> Planes | None:
    """Views of a 4:2:0 frame's planes; None where it lies upside down in memory."""
    if any(part.line_size < 0 for part in frame.planes):
        return None
    return _plane(frame, 0), _plane(frame, 1), _plane(frame, 2)


def _expect(planes: Planes | None) -> Planes:
    """What swscale made always lies the right way up."""
    assert planes is not None  # noqa: S101
    return planes


def _opaque(frame: av.VideoFrame) -> av.VideoFrame:
    """An RGBA frame as RGB over black."""
    rgba: Pixels = frame.to_ndarray().astype(np.uint8, copy=False)
    rgb, alpha = rgba[..., :3], rgba[..., 3:]
    if not (alpha == 255).all():
        rgb = _mix(rgb, alpha, 0)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")


def _neutral(size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Colour planes without colour."""
    part = np.full(((size[1] + 1) // 2, (size[0] + 1) // 2), NEUTRAL, np.uint8)
    return part, part


def _mix(values: Pixels, alpha: Pixels, ground: int) -> Pixels:
    """Values over a ground, as opaque as alpha (0..255) says; rounded."""
    wide = values.astype(np.int32) - ground
    return ((wide * alpha + 127) // 255 + ground).astype(np.uint8)
