"""Which way is up: display matrices and EXIF orientations, and turning planes by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

from mien.contract.pictures import Pixels

TURNS = {(-1, 1): cv2.ROTATE_90_CLOCKWISE, (1, -1): cv2.ROTATE_90_COUNTERCLOCKWISE}
FLIPS = {(-1, 1): 1, (1, -1): 0, (-1, -1): -1}


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture is made upright: first transposed or not, then mirrored or not.

    Source: FFmpeg, libavfilter autorotate over libavutil/display.h.
    """

    transposed: bool = False
    horizontal: int = 1
    """-1 mirrors left and right, after the transposition."""
    vertical: int = 1
    """-1 mirrors top and bottom, after the transposition."""

    @property
    def rotation(self) -> int:
        """Degrees clockwise; a mirrored picture is mirrored left to right first."""
        if self.transposed:
            return 90 if self.horizontal == -1 else 270
        return 180 if self.vertical == -1 else 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Upright width and height of a stored picture, and the other way round."""
        return (height, width) if self.transposed else (width, height)

    def apply(self, plane: Pixels, out: Pixels) -> None:
        """Write one plane, uint8 (h, w), upright into `out`, uint8 (w, h) or (h, w)."""
        signs = (self.horizontal, self.vertical)
        if self == Orientation():
            np.copyto(out, plane)
        elif not self.transposed:
            _fill(out, cv2.flip(plane, FLIPS[signs], dst=out))
        elif signs in TURNS:
            _fill(out, cv2.rotate(plane, TURNS[signs], dst=out))
        else:
            turned = cv2.transpose(plane)
            _fill(out, turned if signs == (1, 1) else cv2.flip(turned, -1))


def _fill(out: Pixels, result: NDArray[Any]) -> None:
    """Copy what OpenCV did not write in place, as with rows that do not follow each other."""
    if result is not out:
        np.copyto(out, result)


def stored_orientation(frame: av.VideoFrame) -> Orientation:
    """How a decoded frame is made upright, from its display matrix; oblique ones are rounded.

    A frame whose side data was looked at is kept alive by it until Python collects its garbage,
    so a tiny copy is asked, and only where the rotation has changed (see `PictureMaker`).
    """
    tiny = frame.reformat(width=16, height=16, format="gray", threads=1)
    try:
        matrix = tiny.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    except ValueError:  # PyAV does not know some other side data of this frame
        return rotated(frame.rotation)
    if matrix is None:
        return Orientation()
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
    if abs(a) + abs(d) < abs(b) + abs(c):
        return Orientation(True, _sign(c), _sign(b))
    return Orientation(False, _sign(a), _sign(d))


def rotated(counter_clockwise: int) -> Orientation:
    """The orientation of a plain rotation in degrees."""
    quarters = {0: (False, 1, 1), 1: (True, 1, -1), 2: (False, -1, -1), 3: (True, -1, 1)}
    return Orientation(*quarters[round(counter_clockwise / 90) % 4])


def _sign(value: int) -> int:
    return -1 if value < 0 else 1
