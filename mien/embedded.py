"""Every stage in one process over the memory transport: `mien run` and `mien.analyze`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mien.contract.analyses import AnalysisSettings
from mien.contract.errors import Interrupted, UsageError
from mien.contract.frames import SourceInfo
from mien.contract.requests import RunRequest
from mien.contract.stage import Progress, StageClock
from mien.stages import StageGroup
from mien.stream import Outcome, Stream
from mien.transport.memory import MemoryTransport
from model.checkpoint import WeightsInfo, read_info
from producer.source import open_source
from workers.analyzer import Analyzer
from workers.atomic import check_target
from workers.results import Results, check_results

if TYPE_CHECKING:
    from model.pipeline import ExpressionPipeline

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
    _check(request)
    clock = StageClock()
    with ExitStack() as stack:
        source = open_source(request.source)
        stack.callback(source.close)
        weights = _describe(read_info(request.analysis.weights))
        transport = MemoryTransport()
        stream = Stream(request, source, transport, weights=weights, clock=clock, results=results)
        stack.callback(stream.abort)
        loaded = pipelines or Pipelines(request.analysis.weights, request.device)

        def pipeline_for(settings: AnalysisSettings) -> ExpressionPipeline:
            with clock.time("load"):
                return loaded.get(settings)

        analyzer = Analyzer(transport.work(), pipeline_for, batch=request.batch, clock=clock)

        def stop() -> None:
            stream.stop()
            transport.close()

        group = StageGroup(stop)
        group.start("producer", stream.produce)
        muxer = group.start("muxer", stream.mux)
        group.start("analyzer", analyzer.run)
        with _terminated_as_interrupted():
            while muxer.is_alive():
                try:
                    muxer.join(TICK_S)
                    if on_progress is not None:
                        on_progress(stream.info, stream.progress)
                except KeyboardInterrupt:
                    if stream.info.kind == "live":
                        stream.end_early()
                    else:
                        group.fail(Interrupted("interrupted; nothing was written"))
        transport.close()
        group.join()
        return stream.finish(loaded.numerics)


class Pipelines:
    """Loaded networks by settings: a process loads each of them once.

    They are loaded when the first image asks for them, while decoding has begun.
    """

    def __init__(self, weights: str, device: str) -> None:
        self._weights = weights
        self._device = device
        self._loaded: dict[AnalysisSettings, ExpressionPipeline] = {}
        self.numerics: dict[str, str] = {}
        """Of the pipeline that was used last; empty before the first."""

    def get(self, settings: AnalysisSettings) -> ExpressionPipeline:
        """The pipeline for these settings.

        Raises:
            UsageError: there is no such device.
            WeightsError: the weights are damaged, or others than the settings name.
        """
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


def _check(request: RunRequest) -> None:
    """Refuse what cannot end well before anything is opened."""
    check_results(request.results, overwrite=request.overwrite)
    if request.report is not None:
        check_target(request.report, request.overwrite)
    targets = [request.results, request.report, request.output.path if request.output else None]
    source, seen = Path(request.source), set[Path]()
    for target in filter(None, targets):
        if target.exists() and source.exists() and target.samefile(source):
            raise UsageError(f"{target} is the input itself; give the output another name")
        if target.resolve() in seen:
            raise UsageError(f"{target} is asked for twice; give every output a name of its own")
        seen.add(target.resolve())


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does; elsewhere than in the main thread nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
