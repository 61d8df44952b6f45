"""What viewers see on a picture: frames and labels, or hidden faces."""

from __future__ import annotations

from collections.abc import Sequence

from mien.contract.outputs import DrawnFace
from mien.contract.pictures import Picture
from workers.blur import blur_faces
from workers.boxes import draw_box, pen_for
from workers.labels import chip, chip_size, shadow_px
from workers.palette import colour_of
from workers.placement import Rect, place
from workers.sprites import Canvas

_SMALLEST_TEXT_PX = 11
_SMALLEST_BOX_PX = 2


def annotate(picture: Picture, faces: Sequence[DrawnFace], *, blur: bool) -> None:
    """Draw the faces in place, on the picture's own planes.

    Args:
        picture: Its samples are written to; the rest of them stay as they are, bit by bit.
        faces: Later ones are drawn over earlier ones.
        blur: Hide the faces instead of labelling them.
    """
    if blur:
        blur_faces(picture, (face.box for face in faces))
        return
    faces = [face for face in faces if _is_visible(face.box)]
    if not faces:
        return
    canvas = Canvas(picture)
    for face in faces:
        draw_box(canvas, face.box, pen_for(colour_of(face.expression), face.box, canvas))
    _draw_labels(canvas, faces)


def _draw_labels(canvas: Canvas, faces: Sequence[DrawnFace]) -> None:
    boxes = [face.box for face in faces]
    taken: list[Rect] = []
    for number, face in enumerate(faces):
        text = f"{face.label} {round(face.probability * 100)} %"
        size_px = _text_size(face.box, canvas)
        width, height = chip_size(text, size_px)
        border = shadow_px(size_px)
        frame = (canvas.width, canvas.height, border + 1 + size_px // 8)
        x, y = place((width, height), number, boxes, taken, frame)
        taken.append((x, y, x + width, y + height))
        odd = (x - border) % 2 == 1, (y - border) % 2 == 1
        sprite = chip(text, size_px, colour_of(face.expression), canvas.look, odd)
        canvas.stamp(sprite, x - border - odd[0], y - border - odd[1])


def _text_size(box: Rect, canvas: Canvas) -> int:
    """Legible at 240 lines, not clumsy at 2160; a little smaller on small faces."""
    usual = max(_SMALLEST_TEXT_PX, min(canvas.width, canvas.height) * 0.028)
    face = (box[2] - box[0]) * 0.2
    return max(_SMALLEST_TEXT_PX, round(min(max(face, usual * 0.75), usual * 1.3)))


def _is_visible(box: Rect) -> bool:
    return box[2] - box[0] >= _SMALLEST_BOX_PX and box[3] - box[1] >= _SMALLEST_BOX_PX
