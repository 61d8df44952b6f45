"""Metrics of an analyzer: how busy its threads are, and whether one hangs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mien import metrics
from mien.contract.analyses import AnalysisRecord, FrameAnalysis
from mien.contract.histogram import BATCH_BOUNDS, Histogram
from mien.contract.pictures import Pixels
from mien.contract.stage import StageClock
from mien.transport.ports import NOTHING, Lease, WorkPort
from workers.analyzer import Pipeline

WINDOW_S = 30.0
"""Over which the share of time at work is taken."""
HUNG_S = 120.0
"""No batch takes so long: after this, others take what the thread holds."""


class Meter:
    """How busy one analyzer thread is: at work from when it got leases until it asks again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spans: deque[tuple[float, float]] = deque()
        self._since_s: float | None = None
        self._analysing_s: float | None = None

    def begin(self) -> None:
        with self._lock:
            self._since_s = self._analysing_s = self._clock()

    def begin_server_call(self) -> None:
        """A call that waits for a server that is away is no hang, and the analysis pauses."""
        with self._lock:
            self._analysing_s = None

    def end_server_call(self) -> None:
        """The analysis goes on; the time until it hangs counts from here."""
        with self._lock:
            self._analysing_s = self._clock()

    def end(self) -> None:
        """The thread waits for work."""
        now_s = self._clock()
        with self._lock:
            if self._since_s is not None:
                self._spans.append((self._since_s, now_s))
            self._since_s = self._analysing_s = None
            while self._spans and self._spans[0][1] < now_s - WINDOW_S:
                self._spans.popleft()

    @property
    def hangs(self) -> bool:
        with self._lock:
            return self._analysing_s is not None and self._clock() - self._analysing_s > HUNG_S

    @property
    def busy(self) -> float:
        """Share of the window that it worked."""
        now_s = self._clock()
        first_s = now_s - WINDOW_S
        with self._lock:
            spans = [*self._spans, *([(self._since_s, now_s)] if self._since_s is not None else [])]
        return sum(max(0.0, end - max(begin, first_s)) for begin, end in spans) / WINDOW_S


class MeteredWork:
    """A `WorkPort` that keeps a meter up to date."""

    def __init__(self, work: WorkPort, meter: Meter) -> None:
        self._work, self._meter = work, meter
        self._held = 0  # leases

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        """More may be asked for while some are held: then the thread is at work all the same."""
        if self._held:
            with self._server_call():
                leases = self._work.take(limit, wait_s)
        else:
            self._meter.end()
            leases = self._work.take(limit, wait_s)
            if leases:
                self._meter.begin()
        self._held += len(leases)
        return leases

    def publish(
        self, lease: Lease, record: AnalysisRecord, numerics: Mapping[str, str] = NOTHING
    ) -> None:
        with self._server_call():
            self._work.publish(lease, record, numerics)
        self._held -= 1

    def give_back(self, lease: Lease) -> None:
        with self._server_call():
            self._work.give_back(lease)
        self._held -= 1

    @contextmanager
    def _server_call(self) -> Iterator[None]:
        self._meter.begin_server_call()
        yield
        self._meter.end_server_call()


class MeteredPipeline:
    """A `Pipeline` that counts the sizes of batches."""

    def __init__(self, pipeline: Pipeline, batches: Histogram) -> None:
        self._pipeline, self._batches = pipeline, batches

    @property
    def numerics(self) -> Mapping[str, str]:
        return self._pipeline.numerics

    def analyze(
        self, images: Sequence[Pixels], on_step: Callable[[str, float], None] | None = None
    ) -> list[FrameAnalysis]:
        self._batches.observe(len(images))
        return self._pipeline.analyze(images, on_step)


class AnalyzerMetrics(Collector):
    """Of all threads of one analyzer together."""

    def __init__(
        self, clock: StageClock, models: Callable[[], Sequence[tuple[str, str, str, str]]]
    ) -> None:
        """models: labels of `mien_model_info`, of all weights that are loaded."""
        self._clock, self._models = clock, models
        self.batches = Histogram(BATCH_BOUNDS)
        self.meters: list[Meter] = []

    def meter(self) -> Meter:
        """A meter for one more thread."""
        self.meters.append(Meter())
        return self.meters[-1]

    def liveness_problem(self) -> str | None:
        """Why the analyzer does not go on, if it does not."""
        return "a thread hangs in an analysis" if any(m.hangs for m in self.meters) else None

    def collect(self) -> Iterator[Family]:
        stages = self._clock.histograms()
        yield metrics.STAGE_SECONDS.histogram(((stage,), stages[stage]) for stage in sorted(stages))
        yield metrics.BATCH_FRAMES.histogram([((), self.batches.counts())])
        yield metrics.MODEL_INFO.of((labels, 1) for labels in self._models())
        busy = [meter.busy for meter in self.meters]
        yield metrics.WORKER_BUSY_RATIO.alone(sum(busy) / len(busy) if busy else 0.0)
