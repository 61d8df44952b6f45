"""Writes the one picture of a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from mien.contract.atomic import AtomicFile
from mien.contract.errors import OutputError, UsageError
from mien.contract.frames import SourceInfo
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Picture
from workers.sink import OutputHealth, OutputSummary
from workers.write_errors import writing

_JPEG: dict[str, Any] = {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"}
PHOTO_FORMATS: dict[str, dict[str, Any]] = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "quality": 95},
    ".bmp": {"format": "BMP"},
    ".tif": {"format": "TIFF", "compression": "tiff_lzw"},
    ".tiff": {"format": "TIFF", "compression": "tiff_lzw"},
}
"""How Pillow writes each extension."""
_LONGEST_PX = {"WEBP": 16_383, "JPEG": 65_500}
"""The longest side that a format can hold, or its library writes."""


def check_photo(path: Path) -> None:
    """Refuse an extension that is no photo's.

    Raises:
        UsageError: It is not.
    """
    if path.suffix.lower() not in PHOTO_FORMATS:
        known = " ".join(PHOTO_FORMATS)
        raise UsageError(
            f"a photo gives a photo; {path.name} does not say which kind: its ending is none of "
            f"{known}"
        )


class PhotoSink:
    """A `Sink` for one RGB picture.

    Raises:
        UsageError: The extension is no photo's, or its format does not hold so large a picture.
    """

    def __init__(self, settings: OutputSettings, info: SourceInfo) -> None:
        check_photo(settings.path)
        self._path = settings.path
        self._options = PHOTO_FORMATS[settings.path.suffix.lower()]
        longest_px = _LONGEST_PX.get(self._options["format"])
        if longest_px is not None and max(info.width, info.height) > longest_px:
            raise UsageError(
                f"{settings.path.suffix} photos have sides of at most {longest_px} pixels; "
                f"this one is {info.width}x{info.height}"
            )
        self._file = AtomicFile(settings.path, settings.overwrite)
        self._written = False

    def write(self, picture: Picture, pts_ns: int, duration_ns: int) -> None:
        """Write the picture; times mean nothing here."""
        if self._written or picture.layout != "rgb":
            self.abort()
            raise OutputError(f"{self._path} takes one RGB picture")
        try:
            with writing(self._path):
                Image.fromarray(picture.data).save(self._file.partial, **self._options)
        except BaseException:
            self.abort()
            raise
        self._written = True

    def finish(self, *, goes_on: bool = False) -> list[OutputSummary]:
        try:
            if not self._written:
                raise OutputError(f"{self._path} would hold no picture")
            self._read_back()
            self._file.settle()
        except BaseException:
            self.abort()
            raise
        summary = OutputSummary(
            path=self._path,
            frames=1,
            duration_ns=0,
            fps=None,
            audio=[],
            encoder=str(self._options["format"]).lower(),
        )
        return [summary]

    def commit(self) -> None:
        self._file.commit()

    def health(self) -> list[OutputHealth]:
        return []

    def abort(self) -> None:
        self._file.abort()

    def _read_back(self) -> None:
        try:
            with Image.open(self._file.partial) as image:
                image.load()
        except (OSError, SyntaxError) as error:
            raise OutputError(f"{self._path} was written but cannot be read back") from error
