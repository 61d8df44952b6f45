"""Every stage in one process over the memory transport: `mien run` and `mien.analyze`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mien.contract.analyses import AnalysisSettings
from mien.contract.atomic import check_target
from mien.contract.errors import Interrupted, UsageError
from mien.contract.frames import SourceInfo
from mien.contract.requests import RunRequest
from mien.contract.stage import Progress, StageClock
from mien.cores import shared_cores
from mien.interrupts import Interrupts
from mien.stages import StageGroup
from mien.stream import Outcome, Stream
from mien.transport.memory import MemoryTransport
from model.checkpoint import WeightsInfo, read_info
from producer.addresses import local_path
from producer.source import open_source
from workers.analyzer import Analyzer
from workers.results import Results, check_results

if TYPE_CHECKING:
    from model.pipeline import ExpressionPipeline

ANALYZERS = 2
"""So that a core is busy while the other analyzer's Python runs; they share the networks."""

TICK_S = 0.1
"""How often progress is told."""

OnProgress = Callable[[SourceInfo, Progress], None]


def run(
    request: RunRequest,
    *,
    on_progress: OnProgress | None = None,
    results: Results | None = None,
    pipelines: Pipelines | None = None,
) -> Outcome:
    """Read a source to its end and write what the request asks for.

    `results` takes the numbers instead of a file; `pipelines` may hold loaded networks. Raises
    what `mien.contract.errors` names; then nothing half-written is left behind. Ctrl-C ends a
    file's run so, and a camera's as if the camera had ended.
    """
    check_request(request)
    clock = StageClock()
    with Interrupts() as interrupts, ExitStack() as stack:
        source = open_source(request.source)
        stack.callback(source.close)
        weights = _describe(read_info(request.analysis.weights))
        transport = MemoryTransport()
        stream = Stream(request, source, transport, weights=weights, clock=clock, results=results)
        stack.callback(stream.abort)
        loaded = pipelines or Pipelines(request.analysis.weights, request.device)
        analyzer = _analyzer(request, transport, loaded, clock)
        stack.enter_context(shared_cores())
        if not _work(stream, transport, analyzer, interrupts, on_progress):
            stream.abort()
            stack.pop_all()  # the source is still being read, and must not be closed under it
            raise Interrupted("interrupted while the source did not answer; nothing was written")
        return stream.finish(loaded.numerics)


def _analyzer(
    request: RunRequest, transport: MemoryTransport, loaded: Pipelines, clock: StageClock
) -> Analyzer:
    def pipeline_for(settings: AnalysisSettings) -> ExpressionPipeline:
        with clock.time("load"):
            return loaded.get(settings)

    return Analyzer(transport.work(), pipeline_for, batch=request.batch, clock=clock)


def _work(
    stream: Stream,
    transport: MemoryTransport,
    analyzer: Analyzer,
    interrupts: Interrupts,
    on_progress: OnProgress | None,
) -> bool:
    """Run all stages to the end of the stream; whatever happens, none runs on after this.

    But for one: False where the source does not answer and the user asked twice.
    """

    def stop() -> None:
        stream.stop()
        transport.close()

    group = StageGroup(stop)
    group.start("producer", stream.produce)
    muxer = group.start("muxer", stream.mux)
    for number in range(ANALYZERS):
        group.start(f"analyzer {number}", analyzer.run)
    try:
        while muxer.is_alive():
            muxer.join(TICK_S)
            if on_progress is not None:
                on_progress(stream.info, stream.progress)
            stream.progress.stopping = interrupts.count > 0
            if interrupts.count == 1 and stream.info.kind == "live":
                stream.end_early()
            elif interrupts.count:
                group.fail(Interrupted("interrupted; nothing was written"))
    except BaseException as error:  # noqa: BLE001 - raised again by join, once all have ended
        group.fail(error)
    transport.close()
    return group.join(give_up=lambda: interrupts.count > 1 and stream.is_remote)


class Pipelines:
    """Loaded networks by settings: a process loads each of them once.

    They are loaded when the first image asks for them, while decoding has begun.
    """

    def __init__(self, weights: str, device: str) -> None:
        self._weights = weights
        self._device = device
        self._lock = threading.Lock()
        self._loaded: dict[AnalysisSettings, ExpressionPipeline] = {}
        self.numerics: dict[str, str] = {}
        """Of the pipeline that was used last; empty before the first."""

    def get(self, settings: AnalysisSettings) -> ExpressionPipeline:
        """The pipeline for these settings.

        Raises:
            UsageError: there is no such device.
            WeightsError: the weights are damaged, or others than the settings name.
        """
        with self._lock:
            if settings not in self._loaded:
                from model.pipeline import ExpressionPipeline

                self._loaded[settings] = ExpressionPipeline(
                    settings, weights=self._weights, device=self._device
                )
            self.numerics = dict(self._loaded[settings].numerics)
            return self._loaded[settings]


def _describe(weights: WeightsInfo) -> dict[str, object]:
    return {
        "architecture": weights.architecture,
        "sha256": weights.tensor_sha256,
        "recipe": weights.recipe,
        "commit": weights.commit,
    }


def check_request(request: RunRequest) -> None:
    """Refuse what cannot end well before anything is opened.

    Raises:
        UsageError: an output is the input, is asked for twice, exists and must not be replaced, or
            cannot be written as its name says.
    """
    check_results(request.results, overwrite=request.overwrite)
    targets = [request.results, request.report, request.output.path if request.output else None]
    source, seen = local_path(request.source), set[Path]()
    for target in filter(None, targets):
        check_target(target, request.overwrite)
        if source is not None and target.exists() and target.samefile(source):
            raise UsageError(f"{target} is the input itself; give the output another name")
        if target.resolve() in seen:
            raise UsageError(f"{target} is asked for twice; give every output a name of its own")
        seen.add(target.resolve())
