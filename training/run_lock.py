"""One training at a time in a folder: two would replace each other's checkpoints."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.contract.atomic import writing
from mien.contract.errors import OutputError, UsageError

LOCK_FILE = ".training"
"""Name of the file that is locked, in the run's folder; it is there while a run is under way."""


def make_folder(folder: Path) -> None:
    """Makes a run's folder, where it is not there already.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds the folder, which is there; it is free again with the process, however that ends.

    Raises:
        UsageError: another training holds it.
        OutputError: nothing can be written there.
    """
    path = folder / LOCK_FILE
    held = _hold(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(held)


def _hold(path: Path) -> int:
    while True:
        with writing(path):
            held = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise UsageError(
                f"another training is under way in {path.parent}; wait for its end or choose "
                "another folder"
            ) from None
        except OSError:
            return held  # a file system without locks
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held), path.stat()):
                return held
        os.close(held)  # whoever held it removed it just now
