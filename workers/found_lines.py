"""The lines of a file that an earlier run or another program left, read without changing it."""

from __future__ import annotations

import os
from collections.abc import Iterator

CHUNK_BYTES = 65536
MOST_LINE_BYTES = 4_000_000
"""No line of ours is longer; a file with a longer one is not read on."""


class FoundLines:
    """Looks at an open file; a line counts as whole where it has its end."""

    def __init__(self, number: int) -> None:
        """number: the file's descriptor, which stays the caller's."""
        self._number = number

    @property
    def is_empty(self) -> bool:
        return os.fstat(self._number).st_size == 0

    @property
    def whole_bytes(self) -> int:
        """Where the last whole line ends."""
        end = os.fstat(self._number).st_size
        while end:
            begin = max(0, end - CHUNK_BYTES)
            found = os.pread(self._number, end - begin, begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
        return 0

    def first(self) -> str | None:
        """The first line, where it is whole and of a usual length."""
        line, end, _ = self._text(0).partition("\n")
        return line if end else None

    def half(self) -> str:
        """What stands behind the last whole line, or the beginning of it."""
        return self._text(self.whole_bytes)

    def backwards(self) -> Iterator[str]:
        """Whole lines, the last one first; no more of them behind one that is too long."""
        end, rest = self.whole_bytes, b""
        while end and len(rest) <= MOST_LINE_BYTES:
            begin = max(0, end - CHUNK_BYTES)
            rest, *lines = (os.pread(self._number, end - begin, begin) + rest).split(b"\n")
            for line in filter(None, reversed(lines)):
                yield line.decode(errors="replace")
            end = begin
        if rest and not end:
            yield rest.decode(errors="replace")

    def _text(self, begin: int) -> str:
        return os.pread(self._number, CHUNK_BYTES, begin).decode(errors="replace")
