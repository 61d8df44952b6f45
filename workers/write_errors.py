"""What the operating system and FFmpeg say about a failed write, in one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from mien.contract.errors import OutputError

_REASONS = {
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.EIO: "the device reports an input or output error",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate the errors of the block into an OutputError that names `path`.

    FileExistsError passes, since only the caller knows what it means.

    Raises:
        OutputError: Anything else that the block could not write.
    """
    try:
        yield
    except FileExistsError:
        raise
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}") from error


def _reason(error: OSError | av.error.FFmpegError) -> str:
    number = error.errno
    if number in _REASONS:
        return _REASONS[number]
    if number is not None and number in errno.errorcode:
        return os.strerror(number)
    return error.strerror or type(error).__name__
