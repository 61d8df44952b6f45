"""Keeps the record of a running attempt up to date, and listens for the wish to cancel."""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from dataclasses import replace

from mien.contract.errors import TransportError
from mien.jobs.live_status import live_status, waiting_status
from mien.jobs.record import JobRecord, What
from mien.jobs.store import JobStore
from mien.jobs.telling import Telling
from mien.stream import Stream
from mien.transport.ports import Superseded

_log = logging.getLogger(__name__)


class Cancelled(Exception):  # noqa: N818 - what happened, not an error of anybody
    """Somebody wished the end of the job."""


class Teller:
    """A server that is away, or refuses, is no reason to stop: it is told later, and told
    everything.

    Every method raises `Superseded` where a newer attempt has begun, or somebody who had not heard
    of this one for long has said that the job is over.
    """

    def __init__(self, record: JobRecord, store: JobStore) -> None:
        """Says that an attempt has begun; waits for a server that is away."""
        self._store = store
        self._telling = Telling(time.monotonic())
        self._first: tuple[int, float] | None = None
        self.cancelled = False
        """The end was wished, and a camera's stream is being brought to it."""
        self.record = replace(
            record,
            state="waiting for an analyzer",
            attempts=record.attempts + 1,
            started_s=time.time(),
            done=0, total=None, fps=None, eta_s=None, error=None, exit_code=None, live=None,
        )  # fmt: skip
        self._put()

    def wait(self, trouble: str) -> None:
        """To be called while the source gives no picture; raises `Cancelled` like `tick`."""
        if self._telling.is_due():
            self.record = replace(
                self.record, state="waiting for the source", live=waiting_status(trouble)
            )
            if self._tell_and_ask():
                raise Cancelled

    def begin(self, *, is_live: bool) -> None:
        """Note that from now on files of the outputs' names are this job's own."""
        self.record = replace(
            self.record, state="waiting for an analyzer", live=None, owns_outputs=True,
            is_live=is_live,
        )  # fmt: skip
        self._put()

    def tick(self, stream: Stream) -> None:
        """To be called all the time. Raises `Cancelled` where a file's job is to end."""
        if not self._telling.is_due():
            return
        self.record = self._advanced(stream, self._telling.last_s)
        if self._tell_and_ask() and not self.cancelled:
            self.cancelled = True
            if not stream.is_live:
                raise Cancelled
            stream.end_early()

    def hand_on(self, written: tuple[What, ...]) -> None:
        """Note what this attempt leaves in place for another one to go on with."""
        self.record = replace(self.record, written=written)
        with suppress(TransportError):  # what grows is known without it
            self._put(patience_s=0)

    def await_server(self) -> None:
        """Return when the server answers, however long it is away."""
        self._put()

    def end(self, record: JobRecord) -> JobRecord:
        """Write the last record; waits for a server that is away."""
        self.record = replace(record, ended_s=time.time(), eta_s=None)
        self._put()
        self._store.forget_wish(self.record.id, patience_s=math.inf)
        self._log_end()
        return self.record

    def _log_end(self) -> None:
        last = self.record
        seconds = (last.ended_s or 0.0) - (last.started_s or 0.0)
        facts = {"frames": last.done, "seconds": round(seconds, 1), "exit_code": last.exit_code}
        level = logging.WARNING if last.state == "failed" else logging.INFO
        _log.log(level, "the job is %s", last.state, extra={**facts, "error": last.error})

    def _tell_and_ask(self) -> bool:
        """Write the record; whether the job's end is wished, as far as is known."""
        try:
            self._put(patience_s=0)
            return self._store.end_is_wished(self.record.id)
        except TransportError:
            return False

    def _put(self, patience_s: float = math.inf) -> None:
        is_last = self.record.over  # and true, whatever others took it for
        if not self._store.put(self.record, patience_s, unless_over=not is_last):
            raise Superseded(f"the job {self.record.id} was taken over, or given up")

    def _advanced(self, stream: Stream, now_s: float) -> JobRecord:
        done, live = stream.progress.frames, stream.is_live
        if not done or self._first is None:
            self._first = (done, now_s)  # the time that networks take to load is not the job's
        passed_s = now_s - self._first[1]
        total = None if live else stream.info.frame_count
        fps = (done - self._first[0]) / passed_s if passed_s > 0 else 0.0
        left = max(total - done, 0) if total else None
        return replace(
            self.record,
            state="running" if done else self.record.state,
            done=done,
            total=total,
            fps=round(fps, 1),
            eta_s=round(left / fps, 1) if left is not None and fps > 0 else None,
            live=live_status(stream.live_status()) if live else None,
        )
