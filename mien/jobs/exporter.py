"""The process of a stream worker that is scraped: it hears its siblings, and serves a port.

It is a process of its own since the supervisor forks workers, which threads do not bear.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from mien.jobs.books import Books
from mien.jobs.channel import MOST_BYTES, Channel
from mien.jobs.environment import OUTPUT_ROOT
from mien.jobs.stream_metrics import JobMetrics, RoomMetrics, StreamMetrics
from mien.jobs.stream_worker import die_with
from mien.monitoring.queue import QueueMetrics
from mien.monitoring.server import serve

HUNG_S = 120.0
"""A worker that has said nothing for so long does not live; it waits a minute at most between two
attempts to reach a server that is away."""
LOOK_EVERY_S = 1.0


class Exporter:
    """Serves until the supervisor ends."""

    def __init__(self, url: str, concurrency: int) -> None:
        self._concurrency = concurrency
        self._books = Books()
        self._queue = QueueMetrics(url, "stream")
        self._whole_s = time.monotonic()  # when all workers were heard of the last time
        folder = Path(os.environ.get(OUTPUT_ROOT) or Path.cwd())
        self._collectors = [
            StreamMetrics(self._books, concurrency), self._queue, JobMetrics(url),
            RoomMetrics(folder),
        ]  # fmt: skip

    def run(self, channel: Channel, door: socket.socket, parent: int) -> None:
        """Signals are for the others: as long as a job runs, its worker is scraped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        die_with(parent)
        serve(door, self._collectors, self._alive, self._ready)
        channel.reader.settimeout(LOOK_EVERY_S)
        while os.getppid() == parent:
            try:
                self._books.read(channel.reader.recv(MOST_BYTES))
            except TimeoutError:
                continue

    def _alive(self) -> str | None:
        silent_s, now_s = self._books.silent_s(), time.monotonic()
        if len(silent_s) >= self._concurrency:
            self._whole_s = now_s
        if now_s - self._whole_s > HUNG_S:
            return "a worker does not begin"
        return "a worker hangs" if any(s > HUNG_S for s in silent_s) else None

    def _ready(self) -> str | None:
        if len(self._books.silent_s()) < self._concurrency:
            return "its workers have not begun"
        return self._queue.trouble()
