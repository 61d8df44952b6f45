"""A look at the server that many may ask for, and that nobody waits for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from mien.contract.errors import Closed, MienError

LIFE_S = 2.0
"""How old an answer may be."""
PATIENCE_S = 1.0
"""How long after a question was asked anybody waits for its answer: a scrape has to answer also
where the server does not, well within Prometheus' own time-out."""

Answer = TypeVar("Answer")


class Reading(Generic[Answer]):
    """Keeps the last answer for a moment; safe from any number of threads."""

    def __init__(
        self, read: Callable[[], Answer], *, life_s: float = LIFE_S, patience_s: float = PATIENCE_S
    ) -> None:
        """read: may raise what `mien.contract.errors` names, which counts as no answer."""
        self._read = read
        self._life_s, self._patience_s = life_s, patience_s
        self._changed = threading.Condition()
        self._answer: Answer | None = None
        self._asked_s = self._read_s = float("-inf")
        self._reading = False

    def ask(self) -> None:
        """Ask the server, unless the answer is new or on its way; waits for nothing."""
        with self._changed:
            if self._is_old() and not self._reading:
                self._reading, self._asked_s = True, time.monotonic()
                threading.Thread(target=self._ask, name="reading", daemon=True).start()

    def get(self) -> Answer | None:
        """The answer; None where there is none in time.

        A question that has been open for longer than there is patience is not waited for: readings
        that are asked together share one patience, and a server that hangs costs it once.
        """
        self.ask()
        with self._changed:
            while self._reading and self._is_old():
                left_s = self._asked_s + self._patience_s - time.monotonic()
                if left_s <= 0:
                    return None
                self._changed.wait(left_s)
            return self._answer

    def _is_old(self) -> bool:
        return time.monotonic() - self._read_s > self._life_s

    def _ask(self) -> None:
        answer: Answer | None = None
        try:
            answer = self._read()
        except (MienError, Closed):
            answer = None
        finally:
            with self._changed:
                self._answer, self._read_s, self._reading = answer, time.monotonic(), False
                self._changed.notify_all()
