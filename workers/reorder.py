"""Puts analyses back in order; they come in the order in which analyzers finish."""

from __future__ import annotations

from mien.contract.analyses import AnalysisRecord
from mien.transport.ports import StreamPort

POLL_S = 1.0
"""How long one read of the feed waits; a stopped run wakes it at once."""


class ReorderBuffer:
    """Hands out the analyses of one stream by frame index; repeats are dropped by index."""

    def __init__(self, port: StreamPort) -> None:
        self._port = port
        self._position = 0
        self._waiting: dict[int, AnalysisRecord] = {}
        self._taken = -1

    def take(self, index: int) -> AnalysisRecord:
        """The record of frame `index`, which must grow from call to call; waits for it.

        Raises:
            Closed: the run was stopped.
        """
        while index not in self._waiting:
            records = self._port.read(self._position, POLL_S)
            self._position += len(records)
            for record in records:
                if record.index > self._taken:
                    self._waiting.setdefault(record.index, record)
        self._taken = index
        return self._waiting.pop(index)
