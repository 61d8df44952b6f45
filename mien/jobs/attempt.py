"""One attempt at a job: the stream process's part, with the record kept up to date."""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace

from mien.contract.errors import Interrupted, JobError, MienError, SourceError
from mien.contract.requests import SEGMENT_S, RunRequest
from mien.contract.stage import StageClock
from mien.driving import drive
from mien.interrupts import Interrupts
from mien.jobs.leftovers import clean_up
from mien.jobs.record import Artifact, JobRecord, cancelled, failed
from mien.jobs.record_updater import Cancelled, RecordUpdater
from mien.jobs.roots import Roots
from mien.jobs.source_mark import source_mark
from mien.jobs.stats_reporter import StatsReporter
from mien.jobs.store import JobStore
from mien.preflight import check_request, describe_weights
from mien.stream import Outcome, Stream
from mien.transport.ports import Superseded, Transport
from mien.transport.redis_server import Unreachable
from producer.live import LiveOptions, LiveSource
from producer.source import Source, open_source

_log = logging.getLogger(__name__)


def carry_out(
    record: JobRecord,
    request: RunRequest,
    *,
    store: JobStore,
    open_transport: Callable[[], Transport],
    roots: Roots,
) -> JobRecord:
    """Run the stream to its end, keep the record up to date, and return the last one.

    It raises only what ends the attempt but not the job: the worker was told to stop or the server
    was away for too long (`Interrupted`), or a newer attempt has begun (`Superseded`).
    """
    updater = RecordUpdater(record, store)
    reporter = StatsReporter(record.id, record.source)
    _log.info("the attempt begins", extra={"attempt": updater.record.attempts})
    try:
        outcome = _run(updater, reporter, request, open_transport, roots)
    except Interrupted:
        raise
    except Superseded:
        _clean_up(updater.record, store, roots)
        raise
    except Unreachable:
        updater.await_server()
        raise Interrupted("the server was away for too long; another attempt is made") from None
    except Cancelled:
        return _end_early(updater, _cancelled(updater.record), roots)
    except MienError as error:
        last = failed(updater.record, str(error), error.exit_code, time.time())
        return _end_early(updater, last, roots)
    except Exception as error:  # noqa: BLE001 - whoever waits for the job has to be told
        _log_bug(record, error)
        text = f"a bug in mien: {type(error).__name__}; the stream worker's log has more"
        last = failed(updater.record, text, MienError.exit_code, time.time())
        return _end_early(updater, last, roots)
    return updater.end(_ended(updater.record, request, outcome, is_cancelled=updater.cancelled))


def _end_early(updater: RecordUpdater, record: JobRecord, roots: Roots) -> JobRecord:
    """The end of a job whose outputs no attempt has finished."""
    record = updater.end(record)
    clean_up(record, roots)
    return record


def _clean_up(record: JobRecord, store: JobStore, roots: Roots) -> None:
    """For an attempt whose job was declared over by others; a newer one has its own files."""
    with suppress(MienError):  # the server does not answer
        now = store.get(record.id, patience_s=math.inf)
        if now is not None and now.over and now.attempts <= record.attempts:
            clean_up(now, roots)


def _cancelled(record: JobRecord) -> JobRecord:
    """The record of an attempt that was cancelled without having written anything of its own."""
    if record.left_behind:
        return cancelled(record, time.time())
    return replace(
        record, state="cancelled", exit_code=JobError.exit_code,
        error="cancelled; nothing was written",
    )  # fmt: skip


def _ended(
    record: JobRecord, request: RunRequest, outcome: Outcome, *, is_cancelled: bool
) -> JobRecord:
    """The record of an attempt that has finished its outputs."""
    is_live, frames, wall_s = (
        outcome.info.kind == "live", outcome.progress.frames, outcome.seconds["wall"]
    )  # fmt: skip
    if is_live and not is_cancelled and outcome.end.reason == "connection lost":
        limit_s = request.give_up_after_s
        why = (record.live or {}).get("trouble") or outcome.end.reason
        text = f"given up: {outcome.info.name} gave no picture for {limit_s:g} s ({why})"
        record = failed(record, text, JobError.exit_code, time.time())
    else:
        record = replace(record, state="cancelled" if is_cancelled else "finished", exit_code=0)
    return replace(
        record, written=_written(outcome), done=frames,
        total=None if is_live else outcome.info.frame_count,
        fps=round(frames / wall_s, 1) if wall_s else None,
    )  # fmt: skip


def _run(
    updater: RecordUpdater,
    reporter: StatsReporter,
    request: RunRequest,
    open_transport: Callable[[], Transport],
    roots: Roots,
) -> Outcome:
    roots.check(request)
    if updater.record.owns_outputs:
        request = _replacing(request)
    check_request(request)
    with Interrupts() as interrupts, ExitStack() as stack:
        source = _open(request, updater, reporter, interrupts)
        stack.callback(source.close)
        if source.info.kind == "live":
            interrupts.listen_for_hand_over()
            request = _in_segments(request)
        weights = describe_weights(request.analysis.weights)
        transport = open_transport()
        stack.callback(transport.close)
        stream = Stream(
            request, source, transport, weights=weights, clock=StageClock(),
            name=updater.record.id, again=updater.record.owns_outputs,
            source_mark=source_mark(request.source, updater.record.attempts),
        )  # fmt: skip
        stack.callback(stream.abort)
        stack.callback(reporter.end, stream)
        updater.begin(is_live=stream.is_live)

        def report() -> None:
            reporter.tick(stream)
            updater.tick(stream)

        if not drive(stream, transport, (), interrupts, report):
            stream.abort()
            stack.pop_all()  # the source is still being read, and must not be closed under it
            raise Interrupted("interrupted while the source did not answer")
        goes_on = stream.is_live and interrupts.count > 0 and not updater.cancelled
        outcome = stream.finish(goes_on=goes_on)
        if goes_on:
            updater.hand_over(_written(outcome))
            raise Interrupted("the worker was told to stop; another one goes on with the camera")
        return outcome


def _open(
    request: RunRequest, updater: RecordUpdater, reporter: StatsReporter, interrupts: Interrupts
) -> Source | LiveSource:
    """The source; one that was attached, or seen before, is waited for whatever it says."""

    def wait(trouble: str) -> bool:
        reporter.wait()
        updater.wait(trouble)
        return not interrupts.count

    record = updater.record
    endless = request.attached or (record.owns_outputs and record.is_camera)
    if endless:
        interrupts.listen_for_hand_over()
    limit_s = request.give_up_after_s
    options = LiveOptions(limit_s, wait=endless or limit_s is not None, through_refusals=endless)
    try:
        return open_source(request.source, live=options, wait=wait)
    except SourceError:
        if interrupts.count:
            raise Interrupted("interrupted while the source did not answer") from None
        raise


def _in_segments(request: RunRequest) -> RunRequest:
    """The request of a camera's job, whose next attempt must not replace what this one records."""
    outputs = tuple(
        output
        if output.kind != "file" or output.segment_s
        else replace(output, segment_s=SEGMENT_S)
        for output in request.outputs
    )
    return replace(request, outputs=outputs)


def _replacing(request: RunRequest) -> RunRequest:
    """The request of an attempt after one that may have put some of its files in place."""
    outputs = tuple(replace(output, overwrite=True) for output in request.outputs)
    return replace(request, outputs=outputs, overwrite=True)


def _written(outcome: Outcome) -> tuple[Artifact, ...]:
    places: dict[Artifact, object] = {
        "output": outcome.outputs or None, "results": outcome.results, "report": outcome.report
    }  # fmt: skip
    return tuple(what for what, place in places.items() if place is not None)


def _log_bug(record: JobRecord, error: Exception) -> None:
    """Log where it happened, without the texts of errors: they may hold a password."""
    steps = "".join(traceback.format_tb(error.__traceback__))
    what = type(error).__name__ if record.sealed else f"{type(error).__name__}: {error}"
    _log.error("a bug in mien: %s", what, extra={"trace": steps})
