"""Whether a stream worker's processes are alive and take jobs, judged by their messages."""

from __future__ import annotations

import time
from collections.abc import Callable

from mien.jobs.aggregator import MetricsAggregator

HUNG_S = 120.0
"""A worker that has sent nothing for so long hangs; a query to a server that hangs takes it about a
minute."""


class WorkerHealth:
    """Polled on a timer, so that probes do not affect the result."""

    def __init__(
        self,
        aggregator: MetricsAggregator,
        concurrency: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """concurrency: how many workers there should be."""
        self._aggregator, self._concurrency, self._clock = aggregator, concurrency, clock
        self._complete_s = clock()  # when all workers were there the last time

    def poll(self) -> None:
        """Note whether all workers are there; to be called every few seconds."""
        if self._is_complete():
            self._complete_s = self._clock()

    def liveness_problem(self) -> str | None:
        """Why they are not alive, if they are not; those that were told to stop may be gone."""
        if not self._aggregator.draining and self._clock() - self._complete_s > HUNG_S:
            return "a worker has not started"
        hangs = any(silent_s > HUNG_S for silent_s in self._aggregator.silent_s())
        return "a worker hangs" if hangs else None

    def readiness_problem(self) -> str | None:
        """Why they take no jobs, if they take none."""
        if self._aggregator.draining:
            return "its workers were told to stop"
        return None if self._is_complete() else "its workers have not started"

    def _is_complete(self) -> bool:
        return len(self._aggregator.silent_s()) >= self._concurrency
