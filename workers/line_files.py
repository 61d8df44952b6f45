"""Where results go line by line: to a file that appears whole, or to one that grows as it is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from mien.contract.atomic import AtomicFile, check_target, writing
from workers.found_lines import FoundLines


class LineFile(Protocol):
    """Takes whole lines; what it cannot write raises `OutputError`."""

    is_new: bool
    """Whether nothing was in it before."""

    def write(self, text: str) -> int: ...

    def finish(self) -> None:
        """Nothing will follow."""

    def commit(self) -> None:
        """Put it in place, if it is not there from the beginning."""

    def abort(self) -> None:
        """The run has failed."""


class WholeFile:
    """A file that appears under its name when it is finished, and never otherwise."""

    is_new = True

    def __init__(self, file: AtomicFile) -> None:
        self._file = file
        with writing(file.path):
            self._out = file.partial.open("w", encoding="utf-8", newline="")

    def write(self, text: str) -> int:
        with writing(self._file.path):
            return self._out.write(text)

    def finish(self) -> None:
        with writing(self._file.path):
            self._out.close()
        self._file.settle()

    def commit(self) -> None:
        self._file.commit()

    def abort(self) -> None:
        self._file.abort()
        with suppress(OSError):  # what it still held has nowhere to go
            self._out.close()


class GrowingFile:
    """A file that stands under its name from the first line on: a camera may run for a year.

    Every line is in it as soon as it is written, and stays, whatever becomes of the run. What is
    there already is kept; look at `found` to see whose it is before a line is added.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        """Raises `UsageError` where the folder is missing, `OutputError` where it is closed."""
        check_target(path, overwrite=True)
        self._path = path
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND
        with writing(path):
            try:
                self._number = os.open(path, flags | os.O_EXCL, 0o666)
                self._may_remove = True
            except FileExistsError:
                self._number = os.open(path, flags | (os.O_TRUNC if overwrite else 0), 0o666)
                self._may_remove = overwrite
        self.found = FoundLines(self._number)
        """What is in it."""
        self.is_new = self.found.is_empty

    def drop_half_line(self) -> None:
        """Cut off what a killed run left half-written at the end."""
        with writing(self._path):
            if (end := self.found.whole_bytes) < os.fstat(self._number).st_size:
                os.ftruncate(self._number, end)
        self.is_new = self.found.is_empty

    def write(self, text: str) -> int:
        data = memoryview(text.encode())
        with writing(self._path):
            while data:
                data = data[os.write(self._number, data) :]
        return len(text)

    def finish(self) -> None:
        with writing(self._path):
            os.fsync(self._number)
        self.abort()

    def commit(self) -> None:
        """It is there from the beginning."""

    def abort(self) -> None:
        """Close it; one that was begun here and got no line is removed."""
        number, self._number = self._number, -1
        if number < 0:
            return
        empty = os.fstat(number).st_size == 0
        os.close(number)
        if empty and self._may_remove:
            self._path.unlink(missing_ok=True)
