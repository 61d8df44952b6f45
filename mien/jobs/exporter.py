"""The process of a stream worker that is scraped: it hears its siblings, and serves a port.

It is a process of its own since the supervisor forks workers, which threads do not bear.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

from mien.jobs.books import Books
from mien.jobs.channel import MOST_BYTES, Channel
from mien.jobs.environment import OUTPUT_ROOT
from mien.jobs.roll_call import RollCall
from mien.jobs.stream_metrics import DiskMetrics, JobMetrics, StreamMetrics
from mien.jobs.stream_worker import die_with
from mien.monitoring.concurrent_collector import ConcurrentCollector
from mien.monitoring.queue import QueueMetrics
from mien.monitoring.server import serve

LOOK_EVERY_S = 1.0


class Exporter:
    """Serves until the supervisor ends."""

    def __init__(self, url: str, concurrency: int) -> None:
        self._books = Books()
        self._roll = RollCall(self._books, concurrency)
        self._queue = QueueMetrics(url, "stream")
        folder = Path(os.environ.get(OUTPUT_ROOT) or Path.cwd())
        self._collectors = [
            StreamMetrics(self._books, concurrency),
            ConcurrentCollector([self._queue, JobMetrics(url)]),
            DiskMetrics(folder),
        ]

    def run(self, channel: Channel, listener: socket.socket, parent: int) -> None:
        """Signals are for the others: as long as a job runs, its worker is scraped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        die_with(parent)
        serve(listener, self._collectors, self._roll.trouble, self._readiness_problem)
        channel.reader.settimeout(LOOK_EVERY_S)
        while os.getppid() == parent:
            with suppress(TimeoutError):
                self._books.read(channel.reader.recv(MOST_BYTES))
            self._roll.look()

    def _readiness_problem(self) -> str | None:
        return self._roll.absence() or self._queue.problem()
