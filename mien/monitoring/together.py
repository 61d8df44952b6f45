"""Collectors that ask the server, with one patience for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector


class Asking(Protocol):
    """A collector whose numbers lie on the server."""

    def ask(self) -> None:
        """Ask for them, and wait for nothing."""

    def collect(self) -> Iterator[Family]:
        """Wait for them, no longer than since `ask` there is patience."""


class Together(Collector):
    """Asks for everything before it waits for anything: else a server that hangs would cost a
    scrape one patience after the other.
    """

    def __init__(self, collectors: Sequence[Asking]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Family]:
        for collector in self._collectors:
            collector.ask()
        for collector in self._collectors:
            yield from collector.collect()
