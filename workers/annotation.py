"""What viewers see on a picture: frames and labels, or hidden faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mien.contract.outputs import Box, DrawnFace
from mien.contract.pictures import Picture
from workers.blur import blur_faces, blur_picture
from workers.boxes import draw_box, pen_for
from workers.labels import chip, chip_size, shadow_px
from workers.palette import UNCERTAIN, Rgb, colour_of
from workers.placement import place
from workers.sprites import Canvas

_SMALLEST_TEXT_PX = 11
_SMALLEST_BOX_PX = 2
_RESIZE = 1.1
"""How much a face must grow or shrink before its line and letters do."""


@dataclass(slots=True)
class _Style:
    """How a face is drawn, kept from frame to frame."""

    face_px: float
    """The size that line and letters were chosen for."""
    choice: int | None = None
    """Where its label lies."""


class Annotator:
    """Draws the faces of one stream's pictures, in order, or hides them.

    It remembers how each face was drawn, so that letters and lines do not change their size, nor
    labels their place, with every pixel that a box moves.
    """

    def __init__(self, *, blur: bool) -> None:
        """blur: hide the faces instead of labelling them."""
        self._blur = blur
        self._styles: dict[int, _Style] = {}

    def draw(self, picture: Picture, faces: Sequence[DrawnFace] | None) -> None:
        """Draw the faces in place, on the picture's own planes.

        Where it is not known which faces there are, nothing is drawn, or everything hidden.

        Args:
            picture: Its samples are written to; the rest of them stay as they are, bit by bit.
            faces: Later ones are drawn over earlier ones; None: nothing is known of them.
        """
        if self._blur:
            _hide(picture, faces)
            return
        if faces is None:
            return
        faces = [face for face in faces if _is_visible(face.box)]
        self._styles = {face.track: self._style(face) for face in faces}
        if not faces:
            return
        canvas = Canvas(picture)
        for face in faces:
            pen = pen_for(_colour(face), self._styles[face.track].face_px, canvas)
            draw_box(canvas, face.box, pen)
        self._draw_labels(canvas, faces)

    def _style(self, face: DrawnFace) -> _Style:
        x1, y1, x2, y2 = face.box
        face_px = min(x2 - x1, y2 - y1)
        style = self._styles.get(face.track)
        if style is None:
            return _Style(face_px)
        if not 1 / _RESIZE < face_px / style.face_px < _RESIZE:
            style.face_px = face_px
        return style

    def _draw_labels(self, canvas: Canvas, faces: Sequence[DrawnFace]) -> None:
        boxes = [face.box for face in faces]
        taken: list[Box] = []
        for number, face in enumerate(faces):
            style = self._styles[face.track]
            text = _text(face)
            size_px = _text_size(style.face_px, canvas)
            width, height = chip_size(text, size_px)
            border = shadow_px(size_px)
            frame = (canvas.width, canvas.height, border + 1 + size_px // 8)
            x, y, style.choice = place((width, height), number, boxes, taken, frame, style.choice)
            taken.append((x, y, x + width, y + height))
            odd = (x - border) % 2 == 1, (y - border) % 2 == 1
            sprite = chip(text, size_px, _colour(face), canvas.look, odd)
            canvas.stamp(sprite, x - border - odd[0], y - border - odd[1])


def _hide(picture: Picture, faces: Sequence[DrawnFace] | None) -> None:
    if faces is None:
        blur_picture(picture)
    else:
        blur_faces(picture, (face.box for face in faces))


def _text(face: DrawnFace) -> str:
    mark = "?" if face.uncertain else ""
    return f"{face.label}{mark} {round(face.probability * 100)} %"


def _colour(face: DrawnFace) -> Rgb:
    return UNCERTAIN if face.uncertain else colour_of(face.expression)


def _text_size(face_px: float, canvas: Canvas) -> int:
    """Legible at 240 lines, not clumsy at 2160; a little smaller on small faces."""
    usual = max(_SMALLEST_TEXT_PX, min(canvas.width, canvas.height) * 0.028)
    return max(_SMALLEST_TEXT_PX, round(min(max(face_px * 0.2, usual * 0.75), usual * 1.3)))


def _is_visible(box: Box) -> bool:
    return box[2] - box[0] >= _SMALLEST_BOX_PX and box[3] - box[1] >= _SMALLEST_BOX_PX
