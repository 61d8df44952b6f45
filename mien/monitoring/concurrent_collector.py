"""Collectors that query the server, all at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector


class RefreshableCollector(Protocol):
    """A collector whose numbers come from the server."""

    def refresh(self) -> None:
        """Start the query; does not wait."""

    def collect(self) -> Iterator[Family]:
        """Wait for the answer, until the time-out that began with `refresh`."""


class ConcurrentCollector(Collector):
    """Starts every query before it waits for any: else a server that hangs would cost a scrape one
    time-out after the other.
    """

    def __init__(self, collectors: Sequence[RefreshableCollector]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Family]:
        for collector in self._collectors:
            collector.refresh()
        for collector in self._collectors:
            yield from collector.collect()
