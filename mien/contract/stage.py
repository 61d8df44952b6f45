"""What a stage tells of its work while it runs: seconds by step, and how far it has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from mien.contract.histogram import STAGE_BOUNDS_S, Histogram, HistogramCounts
from mien.contract.live import LiveProgress

_Item = TypeVar("_Item")


class StageClock:
    """Keeps the wall seconds of every piece of work, by step (decode, detect, encode, ...).

    It may be used by all threads of a run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._histograms: dict[str, Histogram] = {}

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Count the time spent inside as time of `step`."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, time.perf_counter() - begin)

    def add(self, step: str, seconds: float) -> None:
        """Count one piece of work."""
        with self._lock:
            if step not in self._histograms:
                self._histograms[step] = Histogram(STAGE_BOUNDS_S)
            histogram = self._histograms[step]
        histogram.observe(seconds)

    def timed(self, step: str, items: Iterator[_Item]) -> Iterator[_Item]:
        """The same items, the time that each takes to come counted as time of `step`."""
        while True:
            with self.time(step):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def as_dict(self) -> dict[str, float]:
        """Seconds in all by step, in milliseconds' precision."""
        return {step: round(counts.total, 3) for step, counts in self.histograms().items()}

    def histograms(self) -> dict[str, HistogramCounts]:
        """How long the pieces took, by step in the order of its name."""
        with self._lock:
            return {step: found.counts() for step, found in sorted(self._histograms.items())}


@dataclass(slots=True)
class Progress:
    """How far a stream has come; written by its muxer, read by whoever shows it."""

    frames: int = 0
    """Frames up to the last one that has left the muxer; at the end all that were read."""
    position_ns: int = 0
    """Source time of the last one."""
    faces: int = 0
    """Detections so far."""
    stopping: bool = False
    """Somebody asked for the end, and what runs now is finished."""
    live: LiveProgress | None = None
    """Rates, latencies and losses of a live stream."""
