"""The process of a stream worker that is scraped: it receives its siblings' messages.

It is a process of its own since the supervisor forks workers, and fork and threads do not mix.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

from mien.interrupts import STOP_SIGNALS
from mien.jobs.aggregator import MetricsAggregator
from mien.jobs.channel import MOST_BYTES, Channel
from mien.jobs.environment import OUTPUT_ROOT
from mien.jobs.stream_metrics import DiskMetrics, JobMetrics, StreamMetrics
from mien.jobs.stream_worker import die_with_parent
from mien.jobs.worker_health import WorkerHealth
from mien.monitoring.concurrent_collector import ConcurrentCollector
from mien.monitoring.queue import QueueMetrics
from mien.monitoring.server import serve

POLL_S = 1.0


class Exporter:
    """Serves until the supervisor ends."""

    def __init__(self, url: str, concurrency: int) -> None:
        self._aggregator = MetricsAggregator()
        self._health = WorkerHealth(self._aggregator, concurrency)
        self._queue = QueueMetrics(url, "stream")
        folder = Path(os.environ.get(OUTPUT_ROOT) or Path.cwd())
        self._collectors = [
            StreamMetrics(self._aggregator, concurrency),
            ConcurrentCollector([self._queue, JobMetrics(url)]),
            DiskMetrics(folder),
        ]

    def run(self, channel: Channel, listener: socket.socket, parent: int) -> None:
        """Ignores signals to stop: as long as a job runs, its worker is scraped."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        die_with_parent(parent)
        serve(listener, self._collectors, self._health.liveness_problem, self._readiness_problem)
        channel.reader.settimeout(POLL_S)
        while os.getppid() == parent:
            with suppress(TimeoutError):
                self._aggregator.receive(channel.reader.recv(MOST_BYTES))
            self._health.poll()

    def _readiness_problem(self) -> str | None:
        return self._health.readiness_problem() or self._queue.problem()
