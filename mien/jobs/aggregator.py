"""Sums up what the work horses of a stream worker have done, running and ended ones."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mien.contract.histogram import HistogramCounts
from mien.metrics import FILE, LIVE
from mien.stream_stats import StreamStats, stats_from_json

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class RunningJob:
    """The latest report of a work horse."""

    job: str
    source: str
    kind: str
    worker: int
    """Process that forked the horse."""
    began_s: float
    """When the attempt began, by the monotonic clock that all processes of a machine share."""
    live: bool
    """Whether its frames are of a live stream, as far as is known; else they are a file's."""
    stats: StreamStats


class MetricsAggregator:
    """Totals that only grow, and the latest stats of every running job; safe from any thread.

    Stats are of a whole attempt, and their difference to the ones before is added: so a horse that
    is killed keeps what it reported last, and nothing counts twice. Of an attempt that began before
    this aggregator did, the first stats are the base: what lies before them was counted by another
    process.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since_s = clock()
        self._draining = False
        self._lock = threading.Lock()
        self._running: dict[int, RunningJob] = {}
        self._heartbeats_s: dict[int, float] = {}
        self._frames: Counter[tuple[str, str, str]] = Counter()
        self._faces: Counter[str] = Counter()
        self._reconnects: Counter[str] = Counter()
        self._stages: dict[str, HistogramCounts] = {}
        self._latency: HistogramCounts | None = None

    def receive(self, message: bytes) -> None:
        """Apply one message of the channel; what is not valid is ignored."""
        try:
            plain = json.loads(message)
            what = plain.pop("what")
            with self._lock:
                if what == "account":
                    self._add_stats(plain)
                elif what == "pulse":
                    self._heartbeats_s[plain["worker"]] = self._clock()
                elif what == "gone":
                    self._running.pop(plain["horse"], None)
                elif what == "died":
                    self._remove_worker(plain["worker"])
                elif what == "draining":
                    self._draining = True
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def running(self) -> list[RunningJob]:
        with self._lock:
            return list(self._running.values())

    @property
    def draining(self) -> bool:
        """Whether the workers were told to stop, and end one after the other."""
        return self._draining

    def silent_s(self) -> list[float]:
        """Of every worker that has sent anything: seconds since its last heartbeat."""
        now_s = self._clock()
        with self._lock:
            return [now_s - at_s for at_s in self._heartbeats_s.values()]

    def frames(self) -> dict[tuple[str, str, str], int]:
        """The sums over all attempts, by state, reason, and `live` or `file`."""
        with self._lock:
            return dict(self._frames)

    def totals(self) -> StreamStats:
        """The sums over all attempts."""
        with self._lock:
            frames: Counter[tuple[str, str]] = Counter()
            for (state, reason, _), count in self._frames.items():
                frames[state, reason] += count
            return StreamStats(
                frames=dict(frames),
                faces=dict(self._faces),
                reconnects=dict(self._reconnects),
                stages=dict(self._stages),
                latency=self._latency,
            )

    def _remove_worker(self, worker: int) -> None:
        self._heartbeats_s.pop(worker, None)
        theirs = [horse for horse, job in self._running.items() if job.worker == worker]
        for horse in theirs:
            del self._running[horse]

    def _add_stats(self, plain: dict[str, Any]) -> None:
        horse, stats = plain.pop("horse"), stats_from_json(plain.pop("account"))
        now = RunningJob(stats=stats, **plain)
        old = self._counted(horse, now)
        self._running[horse] = now
        kind = LIVE if now.live else FILE
        for (state, reason), count in stats.frames.items():
            self._frames[state, reason, kind] += count - old.frames.get((state, reason), 0)
        _add(self._faces, stats.faces, old.faces)
        _add(self._reconnects, stats.reconnects, old.reconnects)
        for step, histogram in stats.stages.items():
            new = _since(histogram, old.stages.get(step))
            total = self._stages.get(step)
            self._stages[step] = new if total is None else total.plus(new)
        if stats.latency is not None:
            new = _since(stats.latency, old.latency)
            self._latency = new if self._latency is None else self._latency.plus(new)

    def _counted(self, horse: int, now: RunningJob) -> StreamStats:
        """What is in the totals already of this attempt."""
        before = self._running.get(horse)
        if before is not None and (before.job, before.began_s) == (now.job, now.began_s):
            return before.stats  # else another process of the same number
        return now.stats if now.began_s < self._since_s else StreamStats()


def _add(sums: Counter[Key], now: Mapping[Key, int], before: Mapping[Key, int]) -> None:
    for key, count in now.items():
        sums[key] += count - before.get(key, 0)


def _since(now: HistogramCounts, before: HistogramCounts | None) -> HistogramCounts:
    return now if before is None else now.minus(before)
