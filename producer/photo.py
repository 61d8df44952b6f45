"""The source of one picture: a photo, upright and in sRGB, read by Pillow."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from mien.contract.errors import SourceError
from mien.contract.frames import EndReason, Frame, SourceInfo
from mien.contract.pictures import Colour, Picture, Pixels
from producer.addresses import Address
from producer.explanations import explain
from producer.restarts import Restarts
from producer.timestamps import LAST_RESORT_S, to_ns

PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises on damaged files."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

ORIENTATION_TAG = 0x0112

ROTATIONS = {3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}
"""Degrees clockwise by EXIF orientation, after mirroring left to right where it says so."""

SRGB = Colour(primaries=1, transfer=13, matrix=0, full_range=True)

Still = Literal["photo", "animation", "video"]

MAX_PIXELS = 200_000_000
"""A larger photo is refused: it would fill the memory. Telephones make such of this size."""

# Pillow's own limit is lower and only warns at first; ours is one and the same for all pictures.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class PhotoSource:
    """One frame of kind 'photo', RGB."""

    def __init__(self, address: Address) -> None:
        """Decodes the photo.

        Raises:
            SourceError: it is damaged or too large.
        """
        with opened(address) as image:
            form = (image.format or "").lower()
            turn = image.getexif().get(ORIENTATION_TAG, 1)
            pixels = _rgb_pixels(ImageOps.exif_transpose(image))
        height, width = pixels.shape[:2]
        self._frame: Frame | None = Frame(0, 0, Picture(pixels, width, height, SRGB))
        self.corrupt = self.missing_ns = 0
        self.end_ns = to_ns(LAST_RESORT_S)
        self.reason: EndReason = "end of file"
        self.restarts = Restarts()
        self.info = SourceInfo(
            name=address.name,
            kind="photo",
            width=width,
            height=height,
            colour=SRGB,
            source_fps=None,
            time_base=Fraction(1, 1000),
            duration_ns=None,
            frame_count=1,
            first_pts_ns=0,
            codec="jpeg" if form == "mpo" else form,
            pixel_format="rgb24",
            rotation=ROTATIONS.get(turn, 0),
        )

    def frames(self) -> Iterator[Frame]:
        """The one frame, once."""
        frame, self._frame = self._frame, None
        if frame is not None:
            yield frame

    def close(self) -> None:
        """Forget the picture."""
        self._frame = None


@contextmanager
def opened(address: Address) -> Iterator[Image.Image]:
    """A picture file, with Pillow's errors turned into ours.

    Raises:
        SourceError: it is damaged or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if _webp_canvas(address.path) > MAX_PIXELS:
                raise Image.DecompressionBombError  # Pillow takes room for it before it looks
            with Image.open(address.path, formats=FORMATS) as image:
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise SourceError(f"cannot read {address.name}: its picture is too large") from None
    except UnidentifiedImageError:
        raise
    except PILLOW_ERRORS as error:
        system = isinstance(error, OSError) and error.errno is not None
        reason = explain(error) if system else "the picture is damaged"
        raise SourceError(f"cannot read {address.name}: {reason}") from error


def _webp_canvas(path: Path) -> int:
    """Pixels of a moving WebP by its header; 0 for any other file.

    Source: RFC 9649, section 2.7.
    """
    with path.open("rb") as file:
        head = file.read(30)
    if head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X":
        return 0
    width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
    return width * height


def still_or_moving(address: Address) -> Still:
    """What a file holds, by its content: one picture, one that moves and that FFmpeg cannot
    read, or whatever FFmpeg makes of it.

    Raises:
        SourceError: it is a picture that is too large.
    """
    try:
        with opened(address) as image:
            moves = _is_animated(image)
            if image.format == "JPEG" and Path(address.name).suffix.lower() in (".mjpeg", ".mjpg"):
                return "video"
            if not moves:
                return "photo"
            return "animation" if image.format == "WEBP" else "video"
    except UnidentifiedImageError:
        return "video"


def _is_animated(image: Image.Image) -> bool:
    """Whether there is a second picture to follow the first; what is damaged there may move."""
    if image.format in ("MPO", "TIFF"):
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except PILLOW_ERRORS:
        return True


def _rgb_pixels(image: Image.Image) -> Pixels:
    """uint8 (height, width, 3) in sRGB, what is transparent over white."""
    if image.mode.startswith(("I", "F")):
        return _grey_pixels(image)
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        over = image.convert("RGBA")
        ground = Image.new("RGB", over.size, "white")
        ground.paste(_in_srgb(over), mask=over.getchannel("A"))
        return np.array(ground, np.uint8)
    return np.array(_in_srgb(image), np.uint8)


def _grey_pixels(image: Image.Image) -> Pixels:
    """Grey of more than 8 bits: its upper 8, or all of it where it uses no more."""
    values = np.asarray(image).astype(np.float64)
    scale = 257.0 if image.mode.startswith("I;16") or values.max(initial=0) > 255 else 1.0
    grey = np.clip(values / scale + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _in_srgb(image: Image.Image) -> Image.Image:
    """The picture in RGB, opaque, by its colour profile, where it has a usable one."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode != "CMYK":
        image = image.convert("RGB")
    if not profile:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        turned = None
    return turned or image.convert("RGB")
