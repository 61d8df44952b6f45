"""Stage 2: takes images of all streams, analyses them in batches, and publishes what it saw."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mien.contract.analyses import AnalysisRecord, AnalysisSettings, FrameAnalysis
from mien.contract.errors import Closed
from mien.contract.pictures import Pixels
from mien.contract.stage import StageClock
from mien.transport.ports import Lease, WorkPort
from workers.batching import equal_batches
from workers.rgb import to_rgb

TAKE_WAIT_S = 1.0
"""How long one attempt to take work waits; work and a stop both end it at once."""

MOST_DELIVERIES = 5
"""An image that was handed out so often and never came back is given up."""


class Pipeline(Protocol):
    """What turns images into analyses (`model.pipeline.ExpressionPipeline` is one)."""

    @property
    def numerics(self) -> Mapping[str, str]:
        """What the last digits depend on besides settings and weights."""

    def analyze(
        self, images: Sequence[Pixels], on_step: Callable[[str, float], None] | None = None
    ) -> list[FrameAnalysis]:
        """One analysis an image; `on_step` is told the seconds of each step."""


class Analyzer:
    """Stateless: any number may run, and any one may die.

    It publishes before it acknowledges and must not keep anything from one image to the next.
    """

    def __init__(
        self,
        work: WorkPort,
        pipeline_for: Callable[[AnalysisSettings], Pipeline],
        *,
        batch: int,
        clock: StageClock,
        delay_s: float = 0.0,
    ) -> None:
        """`delay_s`: how long the first image of a batch waits for others to share it with."""
        self._work = work
        self._pipeline_for = pipeline_for
        self._batch = batch
        self._clock = clock
        self._delay_s = delay_s
        self._draining = threading.Event()

    def run(self) -> None:
        """Work until the transport is closed, or to the end of the batch in hand after `drain`."""
        try:
            while not self._draining.is_set():
                self._work_off(self._take())
        except Closed:
            return

    def drain(self) -> None:
        """Take no more work, and give back what has not begun; safe in a signal handler."""
        self._draining.set()

    def _take(self) -> list[Lease]:
        leases = self._work.take(self._batch, TAKE_WAIT_S)
        deadline = time.monotonic() + self._delay_s
        while leases and len(leases) < self._batch and not self._draining.is_set():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            leases += self._work.take(self._batch - len(leases), left_s)
        return leases

    def _work_off(self, leases: Sequence[Lease]) -> None:
        for batch in equal_batches(leases):
            if self._draining.is_set():
                for lease in batch:
                    self._work.give_back(lease)
            elif batch[0].deliveries > MOST_DELIVERIES:
                reason = f"given up after {MOST_DELIVERIES} attempts to analyse it"
                self._work.publish(batch[0], AnalysisRecord(batch[0].image.index, None, reason))
            else:
                self._analyse(batch)

    def _analyse(self, leases: Sequence[Lease]) -> None:
        pipeline = self._pipeline_for(leases[0].image.settings)
        with self._clock.time("convert"):
            images = [to_rgb(lease.image.picture) for lease in leases]
        analyses = pipeline.analyze(images, self._clock.add)
        numerics = pipeline.numerics
        for lease, analysis in zip(leases, analyses, strict=True):
            self._work.publish(lease, AnalysisRecord(lease.image.index, analysis), numerics)
