"""Every stage in one process over the memory transport: `mien run` and `mien.analyze`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

import numpy as np

from mien.contract.errors import Interrupted, OutputError, SourceError
from mien.contract.frames import SourceInfo
from mien.contract.requests import RunRequest
from mien.contract.stage import Progress, StageClock
from mien.cores import shared_cores
from mien.driving import drive
from mien.interrupts import Interrupts
from mien.pipelines import Pipelines
from mien.preflight import check_request, describe_weights
from mien.stream import Outcome, Stream
from mien.transport.memory import MemoryTransport
from model.memory import keep_memory
from producer.live import LiveOptions, LiveSource
from producer.source import Source, open_source
from workers.analyzer import Analyzer
from workers.hls import end_playlist
from workers.results_port import Results

ANALYZERS = 2
"""So that a core is busy while the other analyzer's Python runs; they share the networks."""

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
    keep_memory()
    clock = StageClock()

    def tell() -> None:
        if on_progress is not None:
            on_progress(stream.info, stream.progress)

    with Interrupts() as interrupts, ExitStack() as stack:
        source = _open(request, interrupts)
        stack.callback(source.close)
        weights = describe_weights(request.analysis.weights)
        transport = MemoryTransport()
        stream = Stream(request, source, transport, weights=weights, clock=clock, results=results)
        if stream.is_live:
            stack.callback(_end_playlists, request)
        stack.callback(stream.abort)
        loaded = pipelines or Pipelines([request.analysis.weights], request.device)
        if stream.is_live:
            _warm_up(stream, loaded, clock)
        analyzers = [_analyzer(request, transport, loaded, clock).run for _ in range(ANALYZERS)]
        stack.enter_context(shared_cores())
        if not drive(stream, transport, analyzers, interrupts, tell):
            stream.abort()
            stack.pop_all()  # the source is still being read, and must not be closed under it
            raise Interrupted("interrupted while the source did not answer; nothing was written")
        return stream.finish()


def _end_playlists(request: RunRequest) -> None:
    """Tell players that nobody goes on, however the run has ended; why it has is told elsewhere."""
    for output in request.outputs:
        if output.kind == "playlist":
            with suppress(OutputError):
                end_playlist(output.path)


def _warm_up(stream: Stream, loaded: Pipelines, clock: StageClock) -> None:
    """Load the networks and use them once, since nothing of a camera can wait for that."""
    with clock.time("load"):
        geometry = stream.geometry
        blank = np.zeros((geometry.height, geometry.width, 3), np.uint8)
        loaded.get(stream.settings).analyze([blank])


def _open(request: RunRequest, interrupts: Interrupts) -> Source | LiveSource:
    """The source; one that is not there yet is waited for where the request says how long."""
    limit_s = request.give_up_after_s
    options = LiveOptions(limit_s, wait=limit_s is not None)
    try:
        return open_source(request.source, live=options, wait=lambda trouble: not interrupts.count)
    except SourceError:
        if interrupts.count:
            raise Interrupted("interrupted; nothing was written") from None
        raise


def _analyzer(
    request: RunRequest, transport: MemoryTransport, loaded: Pipelines, clock: StageClock
) -> Analyzer:
    pipeline_for = partial(loaded.get, on_step=clock.add)
    return Analyzer(transport.work(), pipeline_for, batch=request.batch, clock=clock)
