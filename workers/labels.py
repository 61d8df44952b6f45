"""Label chips: text on a rounded patch of the expression's colour."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mien.contract.analyses import Floats
from workers.palette import Look, Rgb, ink_on
from workers.sprites import Sprite, make_sprite

_SHADOW_ALPHA = 0.45
_PATCH_ALPHA = 0.94


@lru_cache(maxsize=1024)
def chip(text: str, size_px: int, colour: Rgb, look: Look, odd: tuple[bool, bool]) -> Sprite:
    """A chip, with its shadow, for `Canvas.stamp`.

    Args:
        text: One line.
        size_px: Height of the letters' square, as fonts count it.
        colour: Of the patch; the ink is black or white by contrast.
        look: Of the pictures that it is meant for.
        odd: Whether x and y of the chip's place are odd; sprites lie on even pixels.
    """
    width, height = chip_size(text, size_px)
    border = shadow_px(size_px)
    left, top = border + odd[0], border + odd[1]
    columns = 2 * math.ceil((left + width + border) / 2)
    rows = 2 * math.ceil((top + height + border) / 2)
    ink = _ink(text, size_px, (columns, rows), (left, top))
    patch, shadow = _patches((columns, rows), (left, top, width, height), border)
    patch *= _PATCH_ALPHA
    alpha = patch + _SHADOW_ALPHA * shadow * (1 - patch)
    paper, letters = (np.array(rgb, np.float32) for rgb in (colour, ink_on(colour)))
    rgb = patch[..., None] * (paper + (letters - paper) * ink[..., None])
    return make_sprite(rgb, alpha, look)


@lru_cache(maxsize=1024)
def chip_size(text: str, size_px: int) -> tuple[int, int]:
    """Width and height of the patch alone, in pixels."""
    pad_x, pad_y = _padding(size_px)
    ascent, descent = _line(size_px)
    return math.ceil(_font(size_px).getlength(text)) + 2 * pad_x, ascent + descent + 2 * pad_y


def shadow_px(size_px: int) -> int:
    """How far the shadow goes beyond the patch."""
    return max(1, round(size_px / 12))


def _padding(size_px: int) -> tuple[int, int]:
    return max(3, round(size_px * 0.42)), max(1, round(size_px * 0.2))


@lru_cache(maxsize=128)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


@lru_cache(maxsize=128)
def _line(size_px: int) -> tuple[int, int]:
    """How far letters go above and below the base line: the same for all words."""
    font = _font(size_px)
    _, top, _, bottom = font.getbbox("dhpy%", anchor="ls")
    return math.ceil(-top), math.ceil(bottom)


def _ink(text: str, size_px: int, size: tuple[int, int], place: tuple[int, int]) -> Floats:
    image = Image.new("L", size)
    pad_x, pad_y = _padding(size_px)
    base = (place[0] + pad_x, place[1] + pad_y + _line(size_px)[0])
    ImageDraw.Draw(image).text(base, text, fill=255, font=_font(size_px), anchor="ls")
    return np.asarray(image, np.float32) / np.float32(255)


def _patches(
    size: tuple[int, int], box: tuple[int, int, int, int], border: int
) -> tuple[Floats, Floats]:
    """Cover of the patch and of its soft shadow, in 0..1."""
    left, top, width, height = box
    x = np.abs(np.arange(size[0], dtype=np.float32)[None, :] + 0.5 - left - width / 2)
    y = np.abs(np.arange(size[1], dtype=np.float32)[:, None] + 0.5 - top - height / 2)
    radius = height * 0.28
    out_x, out_y = x - width / 2 + radius, y - height / 2 + radius
    distance = np.hypot(np.maximum(out_x, 0), np.maximum(out_y, 0)) - radius
    distance += np.minimum(np.maximum(out_x, out_y), 0)
    patch = np.clip(0.5 - distance, 0, 1).astype(np.float32)
    shadow = np.clip(1 - distance / (border + 0.5), 0, 1).astype(np.float32)
    return patch, shadow
