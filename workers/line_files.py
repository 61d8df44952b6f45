"""Where results go line by line: to a file that appears whole, or to one that grows as it is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from mien.contract.atomic import AtomicFile, check_target, writing

CHUNK_BYTES = 65536


class LineFile(Protocol):
    """Takes whole lines; what it cannot write raises `OutputError`."""

    is_new: bool
    """Whether nothing was in it before."""

    def write(self, text: str) -> int: ...

    def finish(self) -> None:
        """Nothing will follow."""

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
        self._file.commit()

    def abort(self) -> None:
        self._file.abort()
        with suppress(OSError):  # what it still held has nowhere to go
            self._out.close()


class GrowingFile:
    """A file that stands under its name from the first line on: a camera may run for a year.

    Every line is in it as soon as it is written, and stays, whatever becomes of the run. What is
    there already is kept, but for a last line that a killed run left half-written.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        """Raises `UsageError` where the folder is missing, `OutputError` where it is closed."""
        check_target(path, overwrite=True)
        self._path = path
        with writing(path):
            flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | (os.O_TRUNC if overwrite else 0)
            self._number = os.open(path, flags, 0o666)
            drop_half_line(self._number)
            self.is_new = os.fstat(self._number).st_size == 0

    def write(self, text: str) -> int:
        data = memoryview(text.encode())
        with writing(self._path):
            while data:
                data = data[os.write(self._number, data) :]
        return len(text)

    def first_line(self) -> str:
        """Without its end; empty where there is none."""
        return os.pread(self._number, CHUNK_BYTES, 0).decode(errors="replace").split("\n", 1)[0]

    def last_lines(self) -> list[str]:
        """Those at the end that are whole, in order; a few hundred at most."""
        size = os.fstat(self._number).st_size
        begin = max(0, size - CHUNK_BYTES)
        lines = os.pread(self._number, size - begin, begin).decode(errors="replace").splitlines()
        return lines[1:] if begin else lines

    def finish(self) -> None:
        with writing(self._path):
            os.fsync(self._number)
        self.abort()

    def abort(self) -> None:
        number, self._number = self._number, -1
        if number < 0:
            return
        empty = os.fstat(number).st_size == 0
        os.close(number)
        if empty:
            self._path.unlink(missing_ok=True)


def drop_half_line(number: int) -> None:
    """Cut a file off after its last end of a line."""
    end = os.fstat(number).st_size
    while end:
        begin = max(0, end - CHUNK_BYTES)
        found = os.pread(number, end - begin, begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    if end != os.fstat(number).st_size:
        os.ftruncate(number, end)
