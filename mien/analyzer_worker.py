"""`mien worker analyzer`: analyses for all streams of a server until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Self

from prometheus_client import ProcessCollector

from mien.contract.analyses import AnalysisSettings
from mien.contract.stage import StageClock
from mien.cores import shared_cores
from mien.interrupts import STOP_SIGNALS
from mien.monitoring.analyzer import AnalyzerMetrics, MeteredPipeline, MeteredWork
from mien.monitoring.queue import QueueMetrics
from mien.monitoring.server import serve as serve_metrics
from mien.pipelines import Pipelines
from mien.stages import StageGroup
from mien.transport.ports import WorkPort
from mien.transport.redis import RedisTransport
from model.memory import keep_memory
from model.weights_file import shipped_weights
from workers.analyzer import Analyzer

THREADS = 2
"""So that a device is busy while the other thread's Python runs; they share the networks."""

JOIN_S = 0.2
DRAIN_S = 20.0
"""How long after a signal to stop the current batch may take, and the server to come back."""

NUMERICS = ("classifier_dtype", "torch")
"""Those that are the same for all settings."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnalyzerSettings:
    """How a worker analyses."""

    weights: tuple[str, ...]
    """Names or files of all that it serves; none for those that come with mien."""
    device: str
    batch: int
    """Most images analysed at once."""
    delay_s: float
    """How long the first image of a batch waits for others to share it with."""


def serve(url: str, settings: AnalyzerSettings, listener: socket.socket | None = None) -> None:
    """Work for all streams on the server; returns after SIGTERM or SIGINT.

    What was taken by then is finished, what had not begun is handed back. Metrics are served at
    `listener`, if there is one.

    Raises:
        UsageError: there is no such device, or the URL is not a valid Redis URL.
        WeightsError: weights are missing or damaged.
        TransportError: there is no server at the start; later it is waited for.
    """
    keep_memory()
    pipelines = Pipelines(settings.weights or shipped_weights(), settings.device)
    transport = RedisTransport(url)
    group = StageGroup(transport.close)
    clock = StageClock()
    monitor = _Monitor(url, pipelines, clock)
    try:
        device = pipelines.device  # a wrong one is told before anything else
        if listener is not None:
            monitor.serve(listener)
        # before any work is taken: whoever dies of a wrong option must not have frames in hand
        pipelines.check()
        analyzers = [
            Analyzer(
                monitor.work(transport.work(monitor.serves)),
                monitor.pipeline_for,
                batch=settings.batch,
                clock=clock,
                delay_s=settings.delay_s,
            )
            for _ in range(THREADS)
        ]
        with _Draining(analyzers) as draining, shared_cores():
            threads = [group.start(f"analyzer {n}", a.run) for n, a in enumerate(analyzers)]
            monitor.loaded = True
            _log.info("analyzing on %s", device)
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(JOIN_S)
                if draining.is_overdue:
                    transport.close()  # what is still in hand goes to others
            group.join()
    finally:
        transport.close()


class _Monitor:
    """Metrics of this process, and whether it is alive and ready."""

    def __init__(self, url: str, pipelines: Pipelines, clock: StageClock) -> None:
        self._url, self._pipelines, self._clock = url, pipelines, clock
        self._metrics = AnalyzerMetrics(clock, self._models)
        self._queue = QueueMetrics(url, "analyzer")
        self._numerics: Mapping[str, str] = {}  # none are known before the first image
        self._foreign: set[str] = set()
        self.loaded = False
        """Whether it takes work."""

    def serve(self, listener: socket.socket) -> None:
        collectors = [self._metrics, self._queue, ProcessCollector(registry=None)]
        serve_metrics(listener, collectors, self._metrics.liveness_problem, self._readiness_problem)

    def serves(self, settings: AnalysisSettings) -> bool:
        """Whether a stream's work is for this process; where it is not, that is logged once."""
        wanted = settings.weights_sha256
        if self._pipelines.serves(settings):
            return True
        if wanted not in self._foreign:
            self._foreign.add(wanted)
            _log.warning(
                "a stream asks for weights that are not here (%s): other analyzers have to serve "
                "it, or this one with another --weights", wanted[:12],
            )  # fmt: skip
        return False

    def work(self, work: WorkPort) -> WorkPort:
        return MeteredWork(work, self._metrics.meter())

    def pipeline_for(self, settings: AnalysisSettings) -> MeteredPipeline:
        pipeline = self._pipelines.get(settings, self._clock.add)
        self._numerics = pipeline.numerics
        return MeteredPipeline(pipeline, self._metrics.batches)

    def _readiness_problem(self) -> str | None:
        return self._queue.problem() if self.loaded else "the networks are being loaded"

    def _models(self) -> list[tuple[str, str, str, str]]:
        if not self.loaded:
            return []
        numerics = self._numerics
        said = " ".join(f"{name}={numerics[name]}" for name in NUMERICS if name in numerics)
        device = self._pipelines.device
        named = self._pipelines.weights().items()
        return [(name, sha256, device, said) for sha256, name in named]


class _Draining:
    """SIGTERM and SIGINT ask the analyzers to drain, while it is entered."""

    def __init__(self, analyzers: Sequence[Analyzer]) -> None:
        self._analyzers = analyzers
        self._since_s: float | None = None

    @property
    def is_overdue(self) -> bool:
        return self._since_s is not None and time.monotonic() - self._since_s > DRAIN_S

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._drain) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _drain(self, number: int, frame: FrameType | None) -> None:
        if self._since_s is None:  # who asks again is not to wait anew
            self._since_s = time.monotonic()
        for analyzer in self._analyzers:
            analyzer.drain()
