"""What FFmpeg says about a picture that cannot be encoded or written, in one sentence."""

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
        raise OutputError(f"cannot write {path}: {_why(error)}") from error


@contextmanager
def encoding(encoder: str) -> Iterator[None]:
    """For blocks in which an encoder, by FFmpeg's name, takes or gives something.

    Raises:
        OutputError: It has failed.
    """
    try:
        yield
    except av.error.FFmpegError as error:
        raise OutputError(f"the encoder {encoder} has failed: {_why(error)}") from error


def _why(error: av.error.FFmpegError) -> str:
    return atomic.reason(error.errno, error.strerror or type(error).__name__)
