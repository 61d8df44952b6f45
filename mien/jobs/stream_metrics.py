"""The metrics of a stream worker: of its work horses, of all jobs, and of the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mien import metrics
from mien.contract.expressions import EXPRESSIONS
from mien.jobs.aggregator import MetricsAggregator
from mien.jobs.record import State
from mien.jobs.rq_queue import waiting
from mien.jobs.store import JobStore
from mien.monitoring.cached_answer import CachedAnswer
from mien.transport.redis_server import RedisServer


class StreamMetrics(Collector):
    """Totals of a worker's attempts, and gauges of its running jobs."""

    def __init__(self, aggregator: MetricsAggregator, concurrency: int) -> None:
        self._aggregator, self._concurrency = aggregator, concurrency

    def collect(self) -> Iterator[Family]:
        yield from self._totals()
        # of two attempts at a job the later one
        running = {job.job: job for job in self._aggregator.running()}
        yield metrics.WORKER_BUSY_RATIO.alone(min(1.0, len(running) / self._concurrency))
        stats = {job: one.stats for job, one in running.items()}
        yield metrics.STREAM_UP.of(((job,), one.up) for job, one in stats.items())
        yield metrics.STREAM_FPS.of(((job,), one.fps) for job, one in stats.items())
        yield metrics.WINDOW_BYTES.of(((job,), one.window_bytes) for job, one in stats.items())
        yield metrics.STREAM_INFO.of(((job, o.source, o.kind), 1) for job, o in running.items())
        yield metrics.OUTPUT_UP.of(
            ((job, str(number)), fine)
            for job, one in stats.items()
            for number, fine in enumerate(one.outputs, 1)
        )

    def _totals(self) -> Iterator[Family]:
        totals, frames = self._aggregator.totals(), self._aggregator.frames()
        failed = sum(count for (state, *_), count in frames.items() if state == "failed")
        faces = metrics.by_label(totals.faces)
        yield metrics.FRAMES.of(metrics.with_zeros(frames.items(), metrics.KNOWN_FRAMES))
        yield metrics.DEAD_LETTERS.alone(failed)
        yield metrics.FACES.of(metrics.with_zeros(faces, [(name,) for name in EXPRESSIONS]))
        reconnects = metrics.by_label(totals.reconnects)
        yield metrics.RECONNECTS.of(metrics.with_zeros(reconnects, metrics.KNOWN_RECONNECTS))
        yield metrics.STAGE_SECONDS.histogram(
            ((stage,), totals.stages[stage]) for stage in sorted(totals.stages)
        )
        latency = totals.latency or metrics.CAPTURE_TO_RESULT_SECONDS.nothing
        yield metrics.CAPTURE_TO_RESULT_SECONDS.histogram([((), latency)])


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Of all jobs on the server."""

    states: Mapping[str, int]
    """Jobs that still have a record, by state."""
    ended: Mapping[str, int]
    """Jobs that have ever ended, by state."""


class JobMetrics(Collector):
    """Jobs by state, as the server says it; without an answer there are no series."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: JobStore | None = None
        self._counts = CachedAnswer(self._query)

    def refresh(self) -> None:
        """Start the query to the server; does not wait."""
        self._counts.refresh()

    def collect(self) -> Iterator[Family]:
        counts = self._counts.get()
        if counts is None:
            return
        yield metrics.JOBS.of(metrics.by_label(counts.states))
        yield metrics.JOBS_ENDED.of(metrics.by_label(counts.ended))

    def _query(self) -> JobCounts:
        if self._store is None:
            self._store = JobStore(RedisServer(self._url))
        states = self._store.states(waiting(self._store.server))
        every = {str(state): states[state] for state in get_args(State)}
        return JobCounts(every, {str(state): n for state, n in self._store.ended().items()})


class DiskMetrics(Collector):
    """The file system that outputs are written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Family]:
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return
        yield metrics.OUTPUT_FREE_BYTES.alone(usage.free)
        yield metrics.OUTPUT_SIZE_BYTES.alone(usage.total)
