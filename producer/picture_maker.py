"""Makes upright pictures with square pixels, all of one size, of a stream's decoded frames."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.stream import VideoStream

from mien.contract.pictures import Colour, Picture, Pixels, even
from producer.colour import colour_of
from producer.planes import NEUTRAL, PlaneMaker, Planes
from producer.upright import Orientation, stored_orientation

Size = tuple[int, int]
"""Width and height."""

ODDEST_ASPECT = 16
"""A pixel that is said to be longer than this is taken for square."""


SQUARE = Fraction(1)
"""The aspect of a pixel that is not stated."""


class PixelAspect:
    """Width of a stored pixel over its height, which a broadcast changes between programmes.

    What the container states is obeyed until the codec's own word is no more what it was.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._context = stream.codec_context
        self._stated = self._now = stream.sample_aspect_ratio or SQUARE
        self._coded: Fraction | None = None

    def of(self, frame: av.VideoFrame) -> Fraction:
        """The aspect of the frame that the stream's decoder gave last."""
        coded = self._context.sample_aspect_ratio or SQUARE
        self._coded = self._coded or coded
        if frame.key_frame:  # the decoder is some frames ahead, and only there can it change
            self._now = self._stated if coded == self._coded else coded
        return self._now


class PictureMaker:
    """The first frame sets the size; later ones of another shape are fitted into it."""

    def __init__(self, sar: Fraction | None, size: Size | None = None) -> None:
        """sar: width of a stored pixel over its height; None is square.
        size: of all pictures; None is that of the first frame."""
        self.sar = sar or SQUARE
        """The same for the frames to come."""
        self._planes = PlaneMaker()
        self._size = size
        self._rotation = 0
        self.turn: Orientation | None = None
        """How the last frame was made upright; None before the first."""

    def make(self, frame: av.VideoFrame) -> Picture:
        """The picture of a decoded frame; its pixels are its own, nothing of the frame is kept."""
        colour = colour_of(frame)
        turn = self._turn_of(frame)
        stored = square_pixels((frame.width, frame.height), self.sar)
        wanted = self._size = self._size or turn.size(*stored)
        upright = turn.size(*stored)
        if upright != wanted:
            upright = _fitted(upright, wanted)
            stored = turn.size(*upright)
        planes = self._planes.make(frame, colour, stored)
        return Picture(_compose(planes, turn, upright, wanted, colour), *wanted, colour)

    def _turn_of(self, frame: av.VideoFrame) -> Orientation:
        """The orientation as it was, unless the frame's rotation says that it is another."""
        if self.turn is None or frame.rotation != self._rotation:
            self.turn, self._rotation = stored_orientation(frame), frame.rotation
        return self.turn


def square_pixels(size: Size, sar: Fraction) -> Size:
    """The size that shows stored pixels as squares: one side grows, none shrinks."""
    width, height = size
    if not Fraction(1, ODDEST_ASPECT) <= sar <= ODDEST_ASPECT:
        return size
    if sar > 1:
        return max(width, 2 * round(width * sar / 2)), height
    if sar < 1:
        return width, max(height, 2 * round(height / sar / 2))
    return size


def _fitted(size: Size, room: Size) -> Size:
    """The largest even size of the same shape that has room there."""
    scale = min(Fraction(room[0], size[0]), Fraction(room[1], size[1]))
    width, height = (max(2, int(side * scale / 2) * 2) for side in size)
    return width, height


def _compose(planes: Planes, turn: Orientation, size: Size, room: Size, colour: Colour) -> Pixels:
    """uint8 I420 of the size `room`: the planes turned upright, in the middle, on black."""
    width, height = even(room[0]), even(room[1])
    data = np.empty((height * 3 // 2, width), np.uint8)
    canvas = Picture(data, *room, colour).planes()
    left, top = (max(0, room[axis] - size[axis]) // 4 * 2 for axis in (0, 1))
    filling = (0 if colour.full_range else 16, NEUTRAL, NEUTRAL)
    for plane, whole, value, step in zip(planes, canvas, filling, (1, 2, 2), strict=True):
        rows, columns = turn.size(*plane.shape)
        y, x = top // step, left // step
        if size != room:
            whole[:] = value
        turn.apply(plane, whole[y : y + rows, x : x + columns])
    if size == room:
        _repeat_edges(canvas[0], size)
    return data


def _repeat_edges(luma: Pixels, size: Size) -> None:
    """Fill the column and row that an odd size lacks with the one beside it."""
    width, height = size
    if width % 2:
        luma[:, width] = luma[:, width - 1]
    if height % 2:
        luma[height] = luma[height - 1]
