"""A stage's clock that keeps more than sums."""

from __future__ import annotations

import threading

from mien.contract.histogram import STAGE_BOUNDS_S, Histogram, HistogramCounts
from mien.contract.stage import StageClock


class HistogramClock(StageClock):
    """A clock that also keeps how long each single piece of work took; for workers."""

    def __init__(self) -> None:
        super().__init__()
        self._making = threading.Lock()
        self._histograms: dict[str, Histogram] = {}

    def add(self, step: str, seconds: float) -> None:
        super().add(step, seconds)
        histogram = self._histograms.get(step)
        if histogram is None:
            with self._making:
                histogram = self._histograms.setdefault(step, Histogram(STAGE_BOUNDS_S))
        histogram.observe(seconds)

    def histograms(self) -> dict[str, HistogramCounts]:
        with self._making:
            return {step: histogram.counts() for step, histogram in self._histograms.items()}
