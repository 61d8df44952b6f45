"""Keeps the record of a running attempt up to date, and checks whether it is to be cancelled."""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from dataclasses import replace

from mien.contract.errors import TransportError
from mien.contract.frames import SECOND_NS
from mien.jobs.live_status import live_status, waiting_status
from mien.jobs.record import Artifact, JobRecord
from mien.jobs.store import JobStore
from mien.jobs.throttle import Throttle
from mien.stream import Stream
from mien.transport.ports import Superseded

ESTIMATE_FROM_NS = 3 * SECOND_NS
"""How much of a file has to be done before it is estimated how long the rest takes: the first
frames wait for the first batch of analyses."""

_log = logging.getLogger(__name__)


class Cancelled(Exception):  # noqa: N818 - what happened, not an error of anybody
    """A user has cancelled the job."""


class RecordUpdater:
    """Writes the whole record about once a second; while the server is away the attempt goes on.

    Every method raises `Superseded` where a newer attempt has begun, or the job was declared over
    since this attempt had not written for long.
    """

    def __init__(self, record: JobRecord, store: JobStore) -> None:
        """Record that an attempt has begun; waits for a server that is away."""
        self._store = store
        self._throttle = Throttle(time.monotonic())
        self._baseline: tuple[int, float] | None = None
        self.cancelled = False
        """A camera's job was cancelled, and its stream is being ended."""
        self.record = replace(
            record,
            state="waiting for an analyzer",
            attempts=record.attempts + 1,
            started_s=time.time(),
            done=0, total=None, fps=None, eta_s=None, error=None, exit_code=None, live=None,
        )  # fmt: skip
        self._put()

    def wait(self, trouble: str) -> None:
        """Update, if it is time; to be called again and again while the source gives no picture.

        Raises:
            Cancelled: the job was cancelled.
        """
        if self._throttle.is_due():
            self.record = replace(
                self.record, state="waiting for the source", live=waiting_status(trouble)
            )
            if self._write_and_check_cancel():
                raise Cancelled

    def begin(self, *, is_live: bool) -> None:
        """Record that from now on files of the outputs' names are this job's own."""
        self.record = replace(
            self.record, state="waiting for an analyzer", live=None, owns_outputs=True,
            is_live=is_live,
        )  # fmt: skip
        self._put()

    def tick(self, stream: Stream) -> None:
        """Update, if it is time; to be called again and again while the stream runs.

        Raises:
            Cancelled: a file's job was cancelled; a camera's is ended instead.
        """
        if not self._throttle.is_due():
            return
        self.record = self._advanced(stream, self._throttle.last_s)
        if self._write_and_check_cancel() and not self.cancelled:
            self.cancelled = True
            if not stream.is_live:
                raise Cancelled
            stream.end_early()

    def hand_over(self, written: tuple[Artifact, ...]) -> None:
        """Record what this attempt leaves in place, for the next one to continue with."""
        self.record = replace(self.record, written=written)
        with suppress(TransportError):  # only a report would be missing in the record
            self._put(patience_s=0)

    def await_server(self) -> None:
        """Return when the server answers, however long it is away."""
        self._put()

    def end(self, record: JobRecord) -> JobRecord:
        """Write the last record; waits for a server that is away."""
        self.record = replace(record, ended_s=time.time(), eta_s=None)
        self._put()
        self._store.forget_cancel(self.record.id, patience_s=math.inf)
        self._log_end()
        return self.record

    def _log_end(self) -> None:
        last = self.record
        seconds = (last.ended_s or 0.0) - (last.started_s or 0.0)
        facts = {"frames": last.done, "seconds": round(seconds, 1), "exit_code": last.exit_code}
        level = logging.WARNING if last.state == "failed" else logging.INFO
        _log.log(level, "the job is %s", last.state, extra={**facts, "error": last.error})

    def _write_and_check_cancel(self) -> bool:
        """Write the record; whether the job was cancelled, as far as is known."""
        try:
            self._put(patience_s=0)
            return self._store.cancel_is_requested(self.record.id)
        except TransportError:
            return False

    def _put(self, patience_s: float = math.inf) -> None:
        is_last = self.record.over  # and right, even where others declared another end
        if not self._store.put(self.record, patience_s, unless_over=not is_last):
            raise Superseded(f"the job {self.record.id} was taken over, or given up")

    def _advanced(self, stream: Stream, now_s: float) -> JobRecord:
        done, live = stream.progress.frames, stream.is_live
        if not done or self._baseline is None:
            self._baseline = (done, now_s)  # not counting the time that networks take to load
        passed_s = now_s - self._baseline[1]
        total = None if live else stream.info.frame_count
        fps = (done - self._baseline[0]) / passed_s if passed_s > 0 else 0.0
        is_early = stream.progress.position_ns < ESTIMATE_FROM_NS
        left = max(total - done, 0) if total and not is_early else None
        return replace(
            self.record,
            state="running" if done else self.record.state,
            done=done,
            total=total,
            fps=round(fps, 1),
            eta_s=round(left / fps, 1) if left is not None and fps > 0 else None,
            live=live_status(stream.live_status()) if live else None,
        )
