"""The results of one stream from its reader's position on."""

from __future__ import annotations

from collections import deque

from mien.contract.analyses import AnalysisRecord


class Feed:
    """Records by position; those before the position that is read next are dropped."""

    def __init__(self) -> None:
        self.records: deque[AnalysisRecord] = deque()
        self._first = 0

    def forget(self, before: int) -> None:
        """Drop the records before a position: their only reader has them."""
        for _ in range(min(before - self._first, len(self.records))):
            self.records.popleft()
            self._first += 1
