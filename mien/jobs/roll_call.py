"""Whether a stream worker's workers live, by what is heard of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from mien.jobs.books import Books

HUNG_S = 120.0
"""A worker that has said nothing for so long does not live; to ask a server that hangs takes it
about a minute."""


class RollCall:
    """Looks all the time, so that its answer does not depend on who asks, or how often."""

    def __init__(
        self, books: Books, concurrency: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._books, self._concurrency, self._clock = books, concurrency, clock
        self._whole_s = clock()  # when all workers were heard of the last time

    def look(self) -> None:
        """To be called all the time."""
        if len(self._books.silent_s()) >= self._concurrency:
            self._whole_s = self._clock()

    def trouble(self) -> str | None:
        """Why they do not live, if they do not; those that were told to stop may be gone."""
        if not self._books.draining and self._clock() - self._whole_s > HUNG_S:
            return "a worker does not begin"
        hangs = any(silent_s > HUNG_S for silent_s in self._books.silent_s())
        return "a worker hangs" if hangs else None

    def absence(self) -> str | None:
        """Why they take no jobs, if they take none."""
        if self._books.draining:
            return "its workers were told to stop"
        if len(self._books.silent_s()) < self._concurrency:
            return "its workers have not begun"
        return None
