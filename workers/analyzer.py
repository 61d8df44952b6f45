"""Stage 2: takes images of all streams, analyses them in batches, and publishes what it saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mien.contract.analyses import AnalysisRecord, AnalysisSettings, FrameAnalysis
from mien.contract.pictures import Pixels
from mien.contract.stage import StageClock
from mien.transport.ports import Closed, Lease, WorkPort
from workers.batching import equal_batches
from workers.rgb import to_rgb

TAKE_WAIT_S = 1.0
"""How long one attempt to take work waits; work and a stop both end it at once."""


class Pipeline(Protocol):
    """What turns images into analyses (`model.pipeline.ExpressionPipeline` is one)."""

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
    ) -> None:
        self._work = work
        self._pipeline_for = pipeline_for
        self._batch = batch
        self._clock = clock

    def run(self) -> None:
        """Work until the transport is closed."""
        while True:
            try:
                leases = self._work.take(self._batch, TAKE_WAIT_S)
            except Closed:
                return
            for batch in equal_batches(leases):
                self._analyse(batch)

    def _analyse(self, leases: Sequence[Lease]) -> None:
        pipeline = self._pipeline_for(leases[0].image.settings)
        with self._clock.time("convert"):
            images = [to_rgb(lease.image.picture) for lease in leases]
        analyses = pipeline.analyze(images, self._clock.add)
        for lease, analysis in zip(leases, analyses, strict=True):
            self._work.publish(lease, AnalysisRecord(lease.image.index, analysis))
