"""The work queue of the whole deployment as metrics, read from the server on a scrape."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mien import metrics
from mien.monitoring.cached_answer import CachedAnswer
from mien.transport.keys import Keys
from mien.transport.redis_queue_state import QueueState, queue_state
from mien.transport.redis_server import RedisServer

NO_SERVER = "the Redis server does not answer"


class QueueMetrics(Collector):
    """Without an answer of the server there are no series: an old number would look like news."""

    def __init__(self, url: str, kind: str) -> None:
        """kind: of the worker that is scraped."""
        self._url, self._kind = url, kind
        self._server: RedisServer | None = None
        self._state = CachedAnswer(self._query)

    def problem(self) -> str | None:
        """Why the server cannot be used now, if it cannot."""
        return NO_SERVER if self._state.get() is None else None

    def refresh(self) -> None:
        """Start the query to the server; does not wait."""
        self._state.refresh()

    def collect(self) -> Iterator[Family]:
        yield metrics.WORKER_INFO.of([((self._kind, metadata.version("mien")), 1)])
        state = self._state.get()
        if state is None:
            return
        yield metrics.QUEUE_FRAMES.alone(state.frames)
        yield metrics.QUEUE_BYTES.alone(state.nbytes)
        yield metrics.QUEUE_OLDEST_SECONDS.of(
            metrics.by_label({metrics.LIVE: state.oldest_live_s, metrics.FILE: state.oldest_file_s})
        )
        yield metrics.QUEUE_STREAMS.alone(state.streams)
        yield metrics.ANALYZERS.alone(state.analyzers)

    def _query(self) -> QueueState:
        if self._server is None:
            self._server = RedisServer(self._url)
        return queue_state(self._server, Keys())
