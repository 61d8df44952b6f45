"""Checks whose file stands where a camera's results are to go: lines are added only to mien's."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mien.contract.errors import UsageError
from workers.continued import is_camera_line
from workers.found_lines import FoundLines
from workers.results_table import columns

_FIRST_FIELDS = {".jsonl": '{"v":1,"frame":', ".csv": "frame,time_s,"}
"""What a first line of ours begins with, should its writer have died in the middle of it."""


def check_found(path: Path) -> None:
    """Refuse a file that is there and holds no camera's results; touches nothing.

    One that cannot be opened passes: writing to it will tell why.

    Raises:
        UsageError: it is another program's.
    """
    with suppress(OSError):
        number = os.open(path, os.O_RDONLY)
        try:
            every = [columns(live=True, abstains=abstains) for abstains in (False, True)]
            check_ours(FoundLines(number), path, every)
        finally:
            os.close(number)


def check_ours(found: FoundLines, path: Path, tables: Sequence[Sequence[str]]) -> None:
    """Refuse a file unless it is empty or a camera's results are in it.

    tables: the names of columns that a CSV may have.

    Raises:
        UsageError: it is another program's, or has other columns.
    """
    if found.is_empty:
        return
    if path.suffix.lower() == ".csv":
        if not _has_columns(found, [",".join(names) for names in tables]):
            raise UsageError(
                f"{path} is there already, with other columns; give --overwrite or a name"
            )
    elif not _has_camera_lines(found):
        raise UsageError(
            f"{path} is there already, and holds no camera's results; give --overwrite or a name"
        )


def _has_columns(found: FoundLines, headers: Sequence[str]) -> bool:
    first = found.first()
    if first is not None:
        return first in headers
    half = found.half()
    return half.startswith(_FIRST_FIELDS[".csv"]) and any(
        header.startswith(half) for header in headers
    )


def _has_camera_lines(found: FoundLines) -> bool:
    """By the last whole line, since a file's own results differ in what a line holds alone."""
    last = next(found.backwards(), None)
    if last is not None:
        return is_camera_line(last)
    half = found.half()
    return half.startswith(_FIRST_FIELDS[".jsonl"]) and not _is_whole(half)


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
