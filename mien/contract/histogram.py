"""Histograms that a stage fills while it works; who shows them is not its business."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

STAGE_BOUNDS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
)  # fmt: skip
"""From shrinking one picture to loading networks."""
LATENCY_BOUNDS_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
"""Around what a live picture may wait."""
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class HistogramCounts:
    """All observations up to one moment."""

    counts: tuple[int, ...]
    """Observations by bucket, not cumulative; there is one more than there are bounds."""
    total: float
    """Sum of all observations."""

    def plus(self, other: HistogramCounts) -> HistogramCounts:
        """Both together; their buckets must be the same."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return HistogramCounts(counts, self.total + other.total)

    def minus(self, earlier: HistogramCounts) -> HistogramCounts:
        """What came since an earlier moment."""
        counts = tuple(a - b for a, b in zip(self.counts, earlier.counts, strict=True))
        return HistogramCounts(counts, self.total - earlier.total)


class Histogram:
    """Counts observations by size; safe from any number of threads."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """bounds: upper ends of the buckets, rising; one more bucket has what is above."""
        self._bounds = tuple(bounds)
        self._lock = threading.Lock()
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation; one at a bound belongs below it."""
        with self._lock:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._total += value

    def counts(self) -> HistogramCounts:
        """All so far."""
        with self._lock:
            return HistogramCounts(tuple(self._counts), self._total)
