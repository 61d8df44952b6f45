"""Puts analyses back in order; they come in the order in which analyzers finish."""

from __future__ import annotations

import time

from mien.contract.analyses import AnalysisRecord
from mien.contract.live import AWAY, Credit
from mien.transport.ports import StreamPort

POLL_S = 1.0
"""How long one read of the feed waits; a stopped run wakes it at once."""


class ReorderBuffer:
    """Hands out the analyses of one stream by frame index; repeats are dropped by index."""

    def __init__(self, port: StreamPort, credit: Credit | None = None) -> None:
        """credit: gets back what comes, in time or not."""
        self._port = port
        self._credit = credit
        self._position = 0
        self._waiting: dict[int, AnalysisRecord] = {}
        self._taken = -1

    def take(self, index: int, until_s: float | None = None) -> AnalysisRecord | None:
        """The record of frame `index`, which must not fall from call to call; waits for it.

        None where it has not come until `until_s`, by `time.monotonic`; it may be asked for again.

        Raises:
            Closed: the run was stopped.
        """
        while index not in self._waiting:
            left_s = POLL_S if until_s is None else until_s - time.monotonic()
            self._read(min(max(left_s, 0.0), POLL_S))
            if left_s <= 0 and index not in self._waiting:
                return None
        self._taken = index
        return self._waiting.pop(index)

    def give_up(self, index: int) -> None:
        """Wait no more for the record of frame `index`: it is late."""
        self._taken = index

    def poll(self) -> None:
        """Read what has come, without waiting."""
        self._read(0.0)

    def _read(self, wait_s: float) -> None:
        records = self._port.read(self._position, wait_s)
        self._position += len(records)
        for record in records:
            in_time = record.index > self._taken
            if in_time:
                self._waiting.setdefault(record.index, record)
            if self._credit is not None:
                # whoever was away is asked for little at first
                self._credit.back(record.index, late=not in_time or record.reason == AWAY)
