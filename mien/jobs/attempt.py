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
from mien.jobs.closing import close_playlists
from mien.jobs.horse_voice import HorseVoice
from mien.jobs.record import JobRecord, What, cancelled, failed
from mien.jobs.roots import Roots
from mien.jobs.source_mark import source_mark
from mien.jobs.store import JobStore
from mien.jobs.teller import Cancelled, Teller
from mien.preflight import check_request, describe_weights
from mien.stream import Outcome, Stream
from mien.transport.ports import Superseded, Transport
from mien.transport.redis_server import Unreachable
from producer.live import LiveOptions, LiveSource
from producer.source import Source, open_source

OUR_BUG = 1

_log = logging.getLogger(__name__)


def carry_out(
    record: JobRecord,
    request: RunRequest,
    *,
    store: JobStore,
    open_transport: Callable[[], Transport],
    roots: Roots,
) -> JobRecord:
    """Run the stream to its end and write what came of it; the last record comes back.

    It raises only what ends the attempt but not the job: the worker was told to stop or the server
    was away for too long (`Interrupted`), or a newer attempt has begun (`Superseded`).
    """
    teller = Teller(record, store)
    voice = HorseVoice(record.id, record.source)
    _log.info("the attempt begins", extra={"attempt": teller.record.attempts})
    try:
        outcome = _run(teller, voice, request, open_transport, roots)
    except Interrupted:
        raise
    except Superseded:
        _end_playlists(teller.record, store, roots)
        raise
    except Unreachable:
        teller.await_server()
        raise Interrupted("the server was away for too long; another attempt is made") from None
    except Cancelled:
        return _end_early(teller, _cancelled(teller.record), roots)
    except MienError as error:
        last = failed(teller.record, str(error), error.exit_code, time.time())
        return _end_early(teller, last, roots)
    except Exception as error:  # noqa: BLE001 - whoever waits for the job has to be told
        _tell_bug(record, error)
        text = f"a bug in mien: {type(error).__name__}; the stream worker's log has more"
        return _end_early(teller, failed(teller.record, text, OUR_BUG, time.time()), roots)
    return teller.end(_ended(teller.record, request, outcome, is_cancelled=teller.cancelled))


def _end_early(teller: Teller, record: JobRecord, roots: Roots) -> JobRecord:
    """The end of a job whose outputs no attempt has finished."""
    record = teller.end(record)
    close_playlists(record, roots)
    return record


def _end_playlists(record: JobRecord, store: JobStore, roots: Roots) -> None:
    """Of an attempt whose job others took for over; a newer one has playlists of its own."""
    with suppress(MienError):  # nobody can be asked any more
        now = store.get(record.id, patience_s=math.inf)
        if now is not None and now.over and now.attempts <= record.attempts:
            close_playlists(now, roots)


def _cancelled(record: JobRecord) -> JobRecord:
    """The record of an attempt that was cancelled without having written anything of its own."""
    if record.left:
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
    teller: Teller,
    voice: HorseVoice,
    request: RunRequest,
    open_transport: Callable[[], Transport],
    roots: Roots,
) -> Outcome:
    roots.check(request)
    if teller.record.owns_outputs:
        request = _replacing(request)
    check_request(request)
    with Interrupts() as interrupts, ExitStack() as stack:
        source = _open(request, teller, voice, interrupts)
        stack.callback(source.close)
        if source.info.kind == "live":
            interrupts.listen_for_leave()
            request = _in_segments(request)
        weights = describe_weights(request.analysis.weights)
        transport = open_transport()
        stack.callback(transport.close)
        stream = Stream(
            request, source, transport, weights=weights, clock=StageClock(),
            name=teller.record.id, again=teller.record.owns_outputs,
            source_mark=source_mark(request.source, teller.record.attempts),
        )  # fmt: skip
        stack.callback(stream.abort)
        stack.callback(voice.end, stream)
        teller.begin(is_live=stream.is_live)

        def tell() -> None:
            voice.tick(stream)
            teller.tick(stream)

        if not drive(stream, transport, (), interrupts, tell):
            stream.abort()
            stack.pop_all()  # the source is still being read, and must not be closed under it
            raise Interrupted("interrupted while the source did not answer")
        goes_on = stream.is_live and interrupts.count > 0 and not teller.cancelled
        outcome = stream.finish(goes_on=goes_on)
        if goes_on:
            teller.hand_on(_written(outcome))
            raise Interrupted("the worker was told to stop; another one goes on with the camera")
        return outcome


def _open(
    request: RunRequest, teller: Teller, voice: HorseVoice, interrupts: Interrupts
) -> Source | LiveSource:
    """The source; one that was attached, or seen before, is waited for whatever it says."""

    def wait(trouble: str) -> bool:
        voice.wait()
        teller.wait(trouble)
        return not interrupts.count

    record = teller.record
    endless = request.attached or (record.owns_outputs and record.is_camera)
    if endless:
        interrupts.listen_for_leave()
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


def _written(outcome: Outcome) -> tuple[What, ...]:
    places: dict[What, object] = {
        "output": outcome.outputs or None, "results": outcome.results, "report": outcome.report
    }  # fmt: skip
    return tuple(what for what, place in places.items() if place is not None)


def _tell_bug(record: JobRecord, error: Exception) -> None:
    """Where it happened, without the texts of errors: they may hold what must not be shown."""
    steps = "".join(traceback.format_tb(error.__traceback__))
    what = type(error).__name__ if record.sealed else f"{type(error).__name__}: {error}"
    _log.error("a bug in mien: %s", what, extra={"trace": steps})
