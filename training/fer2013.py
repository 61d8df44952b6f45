"""Reads FER2013's original CSV (emotion,pixels,Usage), once slowly, then from a cache beside it.

The cache alone will do, too: it is a third of the size.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import tarfile
import tokenize
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mien.contract.atomic import write_whole
from mien.contract.errors import OutputError, SourceError
from mien.contract.expressions import EXPRESSIONS

SPLITS = ("Training", "PublicTest", "PrivateTest")
"""The three official splits, by their names in the CSV."""

OFFICIAL_COUNTS = {"Training": 28_709, "PublicTest": 3_589, "PrivateTest": 3_589}
"""Rows of each split in the data set as published."""

_UNREADABLE = (
    OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile, lzma.LZMAError,
    tarfile.TarError, ImportError, pd.errors.ParserError,
)  # fmt: skip
"""What comes of files that are no CSV; pandas unpacks by their extension."""

_NO_CACHE = (*_UNREADABLE, KeyError, TypeError, SyntaxError, tokenize.TokenError)
"""The same of an archive of arrays: a lone array is of another type, and numpy reads what stands
before the numbers as Python."""

_SIDE_PX = 48
_COLUMNS = ("emotion", "pixels", "Usage")


@dataclass(frozen=True, slots=True)
class Split:
    """The faces of one split, in the CSV's row order."""

    images: npt.NDArray[np.uint8]
    """(n, 48, 48) grey."""
    labels: npt.NDArray[np.int64]
    """(n,) indices into EXPRESSIONS."""


def load_split(data: Path, split: str, *, official: bool = True) -> Split:
    """Reads one split from the CSV, the folder that holds `fer2013.csv`, or a cache (`.npz`).

    Unless `official` is off, the split must have as many rows as FER2013 was published with.

    Raises:
        SourceError: the data are missing or damaged, or the split is absent or has a wrong count.
    """
    path = data / "fer2013.csv" if data.is_dir() else data
    splits = _load_all(path)
    if split not in splits:
        raise SourceError(f"{path} has no {split} rows")
    found = splits[split]
    count = len(found.labels)
    if official and count != OFFICIAL_COUNTS[split]:
        raise SourceError(
            f"{path} has {count} {split} rows where FER2013 has {OFFICIAL_COUNTS[split]}"
        )
    return found


def _load_all(path: Path) -> dict[str, Split]:
    try:
        stat = path.stat()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    return _load_stamped(path.absolute(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1)
def _load_stamped(path: Path, size_bytes: int, changed_ns: int) -> dict[str, Split]:
    """Once a process, so that a read-only folder costs no second parsing; not to be changed."""
    if path.suffix == ".npz":
        stored = _read_cache(path, None)
        if stored is None:
            raise SourceError(f"{path} is damaged, or no cache of FER2013 that mien has made")
        return stored
    stamp = np.array([size_bytes, changed_ns], dtype=np.int64)
    cache = path.with_name(path.name + ".cache.npz")
    cached = _read_cache(cache, stamp)
    if cached is not None:
        return cached
    splits = read_csv(path)
    # A folder that cannot be written costs the next process a minute, nothing else.
    with contextlib.suppress(OutputError):
        _write_cache(cache, stamp, splits)
    return splits


def read_csv(path: Path) -> dict[str, Split]:
    """Every split that the CSV holds; the counts are not checked here.

    Raises:
        SourceError: the CSV is missing or damaged.
    """
    try:
        table = pd.read_csv(path, usecols=list(_COLUMNS), dtype=str, keep_default_na=False)
    except _UNREADABLE as error:
        raise SourceError(f"{path} is not a FER2013 CSV with {','.join(_COLUMNS)}") from error
    known = {str(index) for index in range(len(EXPRESSIONS))}
    for column, allowed in (("emotion", known), ("Usage", set(SPLITS))):
        wrong = ~table[column].isin(allowed).to_numpy()
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise SourceError(f"{path} has an unknown {column} in data row {row}")
    images = np.empty((len(table), _SIDE_PX, _SIDE_PX), dtype=np.uint8)
    for row, text in enumerate(table["pixels"]):
        images[row] = _parse_pixels(text, path, row)
    labels = table["emotion"].to_numpy(dtype=np.int64)
    usage = table["Usage"].to_numpy()
    return {
        split: Split(images[usage == split], labels[usage == split])
        for split in SPLITS
        if (usage == split).any()
    }


def _parse_pixels(text: str, path: Path, row: int) -> npt.NDArray[np.int64]:
    with warnings.catch_warnings():
        # numpy only warns where the text is not all numbers
        warnings.simplefilter("error", DeprecationWarning)
        try:
            values = np.fromstring(text, dtype=np.int64, sep=" ")
        except (DeprecationWarning, ValueError) as error:
            raise SourceError(f"{path} has pixels that are no numbers in data row {row}") from error
    if values.size != _SIDE_PX**2:
        raise SourceError(f"{path} has {values.size} pixels instead of 2304 in data row {row}")
    if values.min() < 0 or values.max() > 255:
        raise SourceError(f"{path} has a pixel outside 0-255 in data row {row}")
    return values.reshape(_SIDE_PX, _SIDE_PX)


def _read_cache(cache: Path, stamp: npt.NDArray[np.int64] | None) -> dict[str, Split] | None:
    """Its splits, or None where it is damaged or belongs to a CSV of another stamp."""
    try:
        with cache.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if stamp is not None and not np.array_equal(stored["stamp"], stamp):
                return None
            splits = {
                split: Split(stored[f"{split}_images"], stored[f"{split}_labels"])
                for split in SPLITS
                if f"{split}_labels" in stored
            }
    except _NO_CACHE:
        return None
    return splits if splits and all(map(_is_sound, splits.values())) else None


def _is_sound(split: Split) -> bool:
    count = split.labels.size
    return (
        split.images.shape == (count, _SIDE_PX, _SIDE_PX)
        and split.images.dtype == np.uint8
        and split.labels.shape == (count,)
        and split.labels.dtype == np.int64
        and bool(((split.labels >= 0) & (split.labels < len(EXPRESSIONS))).all())
    )


def _write_cache(cache: Path, stamp: npt.NDArray[np.int64], splits: dict[str, Split]) -> None:
    arrays: dict[str, npt.NDArray[np.int64] | npt.NDArray[np.uint8]] = {"stamp": stamp}
    for name, split in splits.items():
        arrays[f"{name}_images"] = split.images
        arrays[f"{name}_labels"] = split.labels
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(cache, buffer.getvalue(), overwrite=True)
