"""The last picture of a source that gives none any more: darkened, and marked as old."""

from __future__ import annotations

from dataclasses import replace

import cv2

from mien.contract.pictures import Picture
from workers.labels import chip, chip_size, shadow_px
from workers.palette import Rgb
from workers.sprites import Canvas

WARNING: Rgb = (250, 200, 60)

BRIGHTNESS = 0.4
"""Factor by which the picture is darkened."""

SMALLEST_TEXT_PX = 12
TEXT_SHARE = 1 / 16
"""Height of the text, in shares of the picture's shorter side."""


class StalePicture:
    """Makes one picture a second of an outage, however often it is shown; changes none."""

    def __init__(self) -> None:
        self._source: Picture | None = None
        self._seconds = -1
        self._made: Picture | None = None

    def of(self, picture: Picture, seconds: int) -> Picture:
        """A dark copy of the picture that says for how long there has been no other."""
        if self._made is None or self._source is not picture or self._seconds != seconds:
            self._source, self._seconds = picture, seconds
            self._made = _marked(picture, f"no signal for {spell(seconds)}")
        return self._made


def spell(seconds: int) -> str:
    """'7 s', '12 min', '3 h': in one unit, rounded down."""
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _marked(picture: Picture, text: str) -> Picture:
    """A dark copy with a line of text in its middle."""
    copy = replace(picture, data=picture.data.copy())
    if copy.layout == "rgb":
        cv2.convertScaleAbs(copy.data, copy.data, BRIGHTNESS)
    else:
        black = 0 if copy.colour.full_range else 16
        for plane, floor in zip(copy.planes(), (black, 128, 128), strict=True):
            cv2.convertScaleAbs(plane, plane, BRIGHTNESS, floor * (1 - BRIGHTNESS))
    size_px = max(SMALLEST_TEXT_PX, round(min(picture.width, picture.height) * TEXT_SHARE))
    width, height = chip_size(text, size_px)
    border = shadow_px(size_px)
    canvas = Canvas(copy)
    x, y = (canvas.width - width) // 2 - border, (canvas.height - height) // 2 - border
    sprite = chip(text, size_px, WARNING, canvas.look, (False, False))
    canvas.stamp(sprite, x // 2 * 2, y // 2 * 2)
    return copy
