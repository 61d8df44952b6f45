"""What FFmpeg says about a failed write, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from mien.contract import atomic
from mien.contract.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """As `mien.contract.atomic.writing`, for blocks in which FFmpeg writes.

    Raises:
        OutputError: The block could not write.
    """
    try:
        with atomic.writing(path):
            yield
    except av.error.FFmpegError as error:
        why = atomic.reason(error.errno, error.strerror or type(error).__name__)
        raise OutputError(f"cannot write {path}: {why}") from error
