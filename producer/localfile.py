"""Looks at a local file before FFmpeg does: FFmpeg would hang on a pipe and explain nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mien.contract.errors import SourceError
from producer.explanations import explain


def check_file(path: Path, name: str) -> None:
    """Make sure that this is a regular file with something in it that we may read.

    Raises:
        SourceError: it is not, in one sentence that says why.
    """
    reason = _complaint(path)
    if reason:
        raise SourceError(f"cannot read {name}: {reason}")


def _complaint(path: Path) -> str:
    """Why a file cannot be read, or nothing; never blocks, whatever stands there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return "it is a link to nothing" if path.is_symlink() else "no such file"
    except OSError as error:
        return explain(error)
    if not stat.S_ISREG(status.st_mode):
        return _irregular(status.st_mode)
    if status.st_size == 0:
        return "the file is empty"
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return explain(error)
    return ""


def _irregular(mode: int) -> str:
    """What stands there instead of a regular file."""
    if stat.S_ISDIR(mode):
        return "it is a folder"
    if stat.S_ISFIFO(mode):
        return "it is a pipe, which cannot be read; write it to a file first"
    return "it is a device or socket, not a file"
