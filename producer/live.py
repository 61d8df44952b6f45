"""The source that never ends by itself: a camera, or a live stream from the net."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mien.contract.errors import SourceError
from mien.contract.frames import Capture, EndReason, Frame, Gap
from producer.addresses import Address
from producer.backoff import Backoff
from producer.connection import BEHIND_S, FAR_BEHIND_S, Connection
from producer.live_session import UNANSWERED, LivePicture, LiveSession, describe, why_lost
from producer.live_times import LiveTimes
from producer.opening import Timeouts
from producer.picture_maker import PictureMaker, Size
from producer.restarts import Restarts

NO_PICTURE = "it sent no picture in time"

TICK_S = 0.2
"""How often the output is told that there is still no picture."""

STALE_AFTER_S = 1.0
"""A source that gives no picture for so long, or for three times that between its last two, has a
gap."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How long a live source is waited for."""

    give_up_after_s: float | None = None
    """An outage that lasts longer is the end; None: it is tried for ever."""
    wait: bool = False
    """Whether it is also tried again where it cannot be reached at the beginning."""
    through_refusals: bool = False
    """Whether one that refuses at the beginning is tried again as well, slowly."""


class LiveSource:
    """Frames of one connection after another, and gaps where there is none for some time.

    Whatever happens to a connection, the next one is tried, until somebody calls `stop`. Frames
    of later connections have the size of the first, and times that go on.
    """

    def __init__(
        self,
        address: Address,
        connection: Connection,
        timeouts: Timeouts,
        options: LiveOptions,
        *,
        go_on: Callable[[], bool],
    ) -> None:
        """Waits for the first picture; `connection` is the source's from now on.

        go_on: asked several times a second whether the first picture is still waited for.

        Raises:
            SourceError: there is none; RefusedError where the server said no.
        """
        self._address, self._timeouts, self._options = address, timeouts, options
        self._backoff = Backoff()
        self._stopping = threading.Event()
        self._session: LiveSession | None = LiveSession(connection, 0, timeouts)
        self._size: Size | None = None
        self._index = 0
        self._origin_ns = self._start_ns = 0
        self._done = (0, 0)
        self.missing_ns = 0
        self._shape = (0, 0)
        self._last = Capture(0, 0, 0)
        self._gap: Gap | None = None
        self._tick_s = self._lost_s = self._next_s = 0.0
        self.restarts = Restarts()
        self.reason: EndReason = ""
        self.trouble = ""
        """Why there is no picture now, as the end of a sentence; empty while there is one."""
        self.reconnects = 0
        """Connections that gave a picture, after the first one."""
        self.reconnects_by: Counter[str] = Counter()
        """The same by why the one before was lost."""
        self._why = ""
        self.changes = 0
        """How often the size of the pictures changed."""
        try:
            first = self._await_first(self._session, go_on)
            self._paced = connection.is_patient
            self._times = LiveTimes(paced=self._paced)
            self._waiting = [self._frame(self._session, picture) for picture in first]
            self.info = describe(address, self._session, first[0], self._waiting[0].picture)
        except BaseException:
            self.close()
            raise

    @property
    def corrupt(self) -> int:
        """Packets so far that gave no picture."""
        return self._done[0] + (self._session.corrupt if self._session else 0)

    @property
    def skipped(self) -> int:
        """Packets so far that were not decoded, since decoding had fallen behind."""
        return self._done[1] + (self._session.connection.skipped if self._session else 0)

    @property
    def end_ns(self) -> int:
        interval_ns = self._session.interval_ns if self._session else None
        return self._times.last_ns + max(interval_ns or 0, 1)

    def frames(self) -> Iterator[Frame | Gap]:
        """All frames and gaps, once; several gaps a second while there is no frame."""
        yield from self._begin_now()
        while not self._stopping.is_set() and not self.reason:
            yield from self._step()
        self.reason = self.reason or "stopped"
        yield from self._end_gap(self._now_ns())

    def _begin_now(self) -> list[Frame]:
        """The first frames; where nobody asked for them at once, time begins now."""
        first, self._waiting = self._waiting, []
        now_ns = time.monotonic_ns()
        late_ns = now_ns - self._origin_ns
        if self._session is None or late_ns < BEHIND_S * 1e9:
            return first
        self._session.connection.forget()
        self._times.anchor()
        self._origin_ns = self._start_ns = now_ns
        self._tick_s = now_ns / 1e9
        return [replace(frame, capture=_later(frame.capture, late_ns)) for frame in first]

    def stop(self) -> None:
        """End the source, from any thread; a wait for a picture is over at once."""
        self._stopping.set()
        session = self._session
        if session is not None:
            session.connection.cut()

    def close(self) -> None:
        """Give everything back; may be called again."""
        self._stopping.set()
        self._drop_session()

    def _step(self) -> Iterator[Frame | Gap]:
        """What a moment brings."""
        session = self._session
        if session is None:
            self._stopping.wait(max(0.0, min(TICK_S, self._next_s - time.monotonic())))
            self._give_up_late()
            if time.monotonic() >= self._next_s:
                self._connect()
        else:
            for picture in session.pictures(TICK_S):
                if self._paced or picture.capture.arrived_ns >= self._start_ns:
                    yield from self._show(session, picture)
            if session.cause or session.connection.complete:
                self._lose(session)
            elif not session.count:
                self._give_up_late()  # the outage is not over by a connection alone
        yield from self._mark_gap()

    def _show(self, session: LiveSession, picture: LivePicture) -> Iterator[Frame | Gap]:
        if self._gap is not None:
            self._times.anchor()
            came_ns = picture.capture.arrived_ns - self._origin_ns
            yield from self._end_gap(self._now_ns() if self._paced else came_ns)
        if session.epoch > self._last.epoch:
            self._times.anchor()
            self.reconnects += 1
            self.reconnects_by[self._why] += 1
            self._tell_back()
        yield self._frame(session, picture)

    def _frame(self, session: LiveSession, picture: LivePicture) -> Frame:
        """The frame of a picture, when its time has come."""
        capture = picture.capture
        arrived_ns, now_ns = max(capture.arrived_ns, self._start_ns), time.monotonic_ns()
        self._origin_ns = self._origin_ns or (now_ns if self._paced else arrived_ns)
        pts_ns = self._times.place(
            picture.stamp_ns, arrived_ns - self._origin_ns, now_ns - self._origin_ns
        )
        if self._paced:
            capture = self._pace(session, picture, pts_ns)
        self._last = capture
        self._tick_s = time.monotonic()
        index, self._index = self._index, self._index + 1
        made = self._maker_for(session, picture).make(picture.frame)
        self._size = made.width, made.height
        return Frame(index, pts_ns, made, capture)

    def _pace(self, session: LiveSession, picture: LivePicture, pts_ns: int) -> Capture:
        """Wait until a picture is due; it counts as captured then, or now where that is over.

        Where decoding is behind by much, what is due already is left out.
        """
        capture, late_ns = picture.capture, self._now_ns() - pts_ns
        if late_ns > FAR_BEHIND_S * 1e9:
            session.catch_up(picture, late_ns)
        self._stopping.wait(max(0, -late_ns) / 1e9)
        shown_ns = time.monotonic_ns()
        if late_ns < 0:
            shown_ns = min(shown_ns, self._origin_ns + pts_ns)  # sooner where it was stopped
        held_ns = max(0, shown_ns - capture.arrived_ns)
        return replace(
            capture, utc_ns=capture.utc_ns + held_ns, arrived_ns=capture.arrived_ns + held_ns
        )

    def _maker_for(self, session: LiveSession, picture: LivePicture) -> PictureMaker:
        if session.maker is None:
            session.maker = PictureMaker(None, self._size)
        session.maker.sar = picture.aspect
        shape = picture.frame.width, picture.frame.height
        if shape != self._shape and self._shape != (0, 0):
            self.changes += 1
            if self.changes == 1:
                _log.warning("%s changed the size of its pictures", self._address.name)
        self._shape = shape
        return session.maker

    def _mark_gap(self) -> Iterator[Gap]:
        """A gap, where there has been no picture for some time."""
        now_s = time.monotonic()
        if self.reason or self._stopping.is_set() or now_s - self._tick_s < self._patience_s():
            return
        now_ns = self._now_ns()
        if now_ns <= self._times.last_ns:
            return  # the last picture came early, and its time is not over
        self._tick_s = now_s
        since_ns = self._gap.since_ns if self._gap else self._last_seen_ns()
        pts_ns = self._times.mark(now_ns)
        self._gap = Gap(pts_ns, since_ns, self._last.utc_ns, self._last.epoch)
        yield self._gap

    def _last_seen_ns(self) -> int:
        """When the last picture came, which may be later than its stamp says."""
        return max(self._times.last_ns, self._last.arrived_ns - self._origin_ns)

    def _patience_s(self) -> float:
        """How long after the last frame or gap the next gap is."""
        if self._gap is not None or self._session is None:
            return TICK_S
        spacing_ns, longest_s = self._session.spacing_ns, self._timeouts[1]
        if spacing_ns is None:  # however long that is, a read is longer
            return longest_s
        return min(max(STALE_AFTER_S, 3e-9 * spacing_ns), longest_s)

    def _end_gap(self, now_ns: int) -> Iterator[Gap]:
        gap, self._gap = self._gap, None
        if gap is not None:
            yield replace(gap, pts_ns=self._times.mark(now_ns), over=True)

    def _connect(self) -> None:
        if self._stopping.is_set() or self.reason:
            return
        epoch = self._last.epoch + 1
        self._session = LiveSession(
            Connection(self._address, self._timeouts), epoch, self._timeouts
        )

    def _lose(self, session: LiveSession) -> None:
        """Go on from a connection that is over: to another one, or to the end."""
        if session.connection.complete:
            self.reason, self.trouble = "end of file", ""
            self._drop_session()
            return
        now_s = time.monotonic()
        if session.count:
            self._why = why_lost(session.cause)
            self._backoff.lasted(now_s - session.began_s)
            self._lost_s = now_s
        self._give_up_late()
        if session.cause != self.trouble and not self._stopping.is_set():
            self.trouble = session.cause
            _log.warning("%s gives no picture: %s", self._address.name, session.cause)
        wait_s = self._backoff.wait_s(refused=session.refused, absent=session.absent)
        self._next_s = now_s + wait_s
        self._drop_session()

    def _give_up_late(self) -> None:
        limit_s = self._options.give_up_after_s
        if limit_s is not None and time.monotonic() - self._lost_s >= limit_s:
            self.reason = self.reason or "connection lost"

    def _drop_session(self) -> None:
        session = self._session
        if session is None:
            return
        session.release()
        self._done = self.corrupt, self.skipped
        self._session = None

    def _tell_back(self) -> None:
        self.trouble = ""
        away_s = time.monotonic() - self._lost_s
        _log.warning("%s is back after %.1f s", self._address.name, away_s)

    def _await_first(self, session: LiveSession, go_on: Callable[[], bool]) -> list[LivePicture]:
        deadline_s = time.monotonic() + sum(self._timeouts)
        while True:
            pictures = session.pictures(TICK_S)
            if pictures:
                return pictures
            if session.connection.refusal is not None:
                raise session.connection.refusal
            if session.cause or time.monotonic() > deadline_s or not go_on():
                late = UNANSWERED if session.connection.stream is None else NO_PICTURE
                raise SourceError(f"cannot read {self._address.name}: {session.cause or late}")

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._origin_ns


def _later(capture: Capture | None, by_ns: int) -> Capture | None:
    """The same capture, its latency counted from so much later."""
    return capture and replace(capture, arrived_ns=capture.arrived_ns + by_ns)
