"""A real face for tests: Eileen Collins, by NASA, in the public domain; scikit-image ships it."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from skimage.data import astronaut

from mien.contract.pictures import Pixels
from tests.builders import Sound, add_sound, write_sound

FACE_BOX = (176, 60, 272, 176)
"""Where the face is in the photo, as a person would draw it: x1, y1, x2, y2."""


def face_photo() -> Pixels:
    """The photo, uint8 RGB (512, 512, 3)."""
    return np.ascontiguousarray(astronaut())


def make_face_clip(
    path: Path,
    *,
    frames: int = 30,
    fps: Fraction = Fraction(25),
    size: tuple[int, int] = (320, 240),
    sound: Sound | None = None,
    step_px: int = 2,
) -> Path:
    """A clip that pans over the photo, the face always whole in the picture."""
    photo, (width, height) = face_photo(), size
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        audio = add_sound(out, sound) if sound else None
        for number in range(frames):
            left, top = face_offset(number, size, step_px)
            pixels = np.ascontiguousarray(photo[top : top + height, left : left + width])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound and audio:
            write_sound(out, audio, sound, float(frames / fps))
    return path


def face_offset(number: int, size: tuple[int, int], step_px: int = 2) -> tuple[int, int]:
    """Left and top of the part of the photo that frame `number` shows; it goes to and fro."""
    room = FACE_BOX[0] - max(0, FACE_BOX[2] - size[0])
    way = number * step_px % (2 * room)
    left = min(way, 2 * room - way) + max(0, FACE_BOX[2] - size[0])
    return left, 20


def face_box(number: int, size: tuple[int, int], step_px: int = 2) -> tuple[int, int, int, int]:
    """Where the face is in frame `number`."""
    left, top = face_offset(number, size, step_px)
    x1, y1, x2, y2 = FACE_BOX
    return x1 - left, y1 - top, x2 - left, y2 - top
