"""A query to the server whose answer many threads share, and none of them waits for it long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from mien.contract.errors import Closed, MienError

MAX_AGE_S = 2.0
"""How old an answer may be before the query is made again."""
TIMEOUT_S = 1.0
"""How long after a query was made its answer is waited for: a scrape has to answer also where the
server does not, well within Prometheus' own time-out."""

Answer = TypeVar("Answer")


class CachedAnswer(Generic[Answer]):
    """The last answer of a query that runs in a thread of its own; safe from any thread."""

    def __init__(
        self,
        query: Callable[[], Answer],
        *,
        max_age_s: float = MAX_AGE_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """query: may raise what `mien.contract.errors` names, which counts as no answer."""
        self._query = query
        self._max_age_s, self._timeout_s = max_age_s, timeout_s
        self._changed = threading.Condition()
        self._answer: Answer | None = None
        self._queried_s = self._answered_s = float("-inf")
        self._is_pending = False

    def refresh(self) -> None:
        """Start the query, unless its answer is new or on its way; does not wait."""
        with self._changed:
            if self._is_old() and not self._is_pending:
                self._is_pending, self._queried_s = True, time.monotonic()
                threading.Thread(target=self._run, name="query", daemon=True).start()

    def get(self) -> Answer | None:
        """The answer; None where there is none in time.

        The time-out counts from when the query was made: of several that were refreshed together,
        all are waited for no longer than one, so that a server that hangs costs that once.
        """
        self.refresh()
        with self._changed:
            while self._is_pending and self._is_old():
                left_s = self._queried_s + self._timeout_s - time.monotonic()
                if left_s <= 0:
                    return None
                self._changed.wait(left_s)
            return self._answer

    def _is_old(self) -> bool:
        return time.monotonic() - self._answered_s > self._max_age_s

    def _run(self) -> None:
        answer: Answer | None = None
        try:
            answer = self._query()
        except (MienError, Closed):
            answer = None
        finally:
            with self._changed:
                self._answer, self._answered_s = answer, time.monotonic()
                self._is_pending = False
                self._changed.notify_all()
