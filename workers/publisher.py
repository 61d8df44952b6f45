"""Publishes a camera's pictures to an RTSP or RTMP server, whatever becomes of that server."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Literal

from mien.contract.frames import SECOND_NS
from mien.contract.outputs import OutputSettings
from workers.containers import Container
from workers.live_pictures import TICKS_A_SECOND, EncodedPicture, VideoFormat
from workers.publishing_connection import PublishingConnection
from workers.publishing_process import Connection
from workers.sink import OutputHealth, OutputSummary

UNREACHABLE = "not connected"
TOO_SLOW = "the server is too slow"
CUT_OFF = "the connection was lost"
_LOOK_EVERY_S = 0.5
"""How often the connection is looked at while no pictures come."""
_State = Literal["connecting", "sending", "down"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a publisher waits for what."""

    stall_s: float = 10.0
    """For a server that takes nothing; then the connection is given up."""
    first_retry_s: float = 1.0
    """Before it tries again; twice as long after each failure."""
    last_retry_s: float = 30.0
    """But never longer; and so long where it was refused."""
    backlog_s: float = 3.0
    """The most that waits to be sent; beyond it, all that waits is given up."""
    slow_s: float = 50.0
    """After pictures were given up, until a server counts as fast enough again."""
    farewell_s: float = 5.0
    """For what is left at the end of the stream."""


class Publisher:
    """A `LiveOutput` that never waits for its server and never gives it up.

    Pictures that do not go out are counted with the reason; after a gap it goes on with a key
    picture. One counts as arrived once the kernel has taken it, even if the server then dies.
    """

    def __init__(
        self,
        settings: OutputSettings,
        container: Container,
        video: VideoFormat,
        patience: Patience,
    ) -> None:
        assert isinstance(settings.target, str)  # noqa: S101 - the caller has looked
        self._settings = settings
        self._video = video
        self._patience = patience
        self._what = Connection(
            settings.target,
            container.muxer,
            container.muxer_options,
            video,
            self._patience.stall_s,
        )
        self._changed = threading.Condition()
        self._state: _State = "connecting"
        self._waiting: deque[EncodedPicture] = deque()
        self._needs_key = True
        self._gap = UNREACHABLE
        self._lost: Counter[str] = Counter()
        self._arrived = self._ticks = self._connections = 0
        self._reason: str | None = None
        self._slow_until_s = self._ended_s = 0.0
        self._connection: PublishingConnection | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def put(self, picture: EncodedPicture) -> None:
        with self._changed:
            self._ticks += picture.duration
            if self._is_backlog_full(picture):
                is_slow = self._state == "sending"
                if is_slow:
                    self._slow_until_s = time.monotonic() + self._patience.slow_s
                self._give_up(TOO_SLOW if is_slow else UNREACHABLE)
            if self._state == "down" or (self._needs_key and not picture.is_key):
                self._lost[self._gap] += 1
                return
            self._needs_key = False
            self._waiting.append(picture)
            self._changed.notify_all()

    def drain(self) -> None:
        """The time for what is left counts from now on."""
        with self._changed:
            self._ended_s = self._ended_s or time.monotonic()
            self._changed.notify_all()

    def finish(self, *, goes_on: bool) -> OutputSummary:
        """Viewers are cut off in either case: a server ends what is no longer published to it."""
        self._end(self._patience.farewell_s)
        health = self.health()
        return OutputSummary(
            path=self._settings.name,
            frames=self._arrived,
            duration_ns=self._ticks * SECOND_NS // TICKS_A_SECOND,
            fps=self._settings.fps,
            audio=[],
            encoder=self._video.encoder,
            notes=self._notes(health),
            lost=health.lost,
        )

    def close(self) -> None:
        self._end(0.0)

    def health(self) -> OutputHealth:
        with self._changed:
            is_sending = self._state == "sending"
            is_slow = is_sending and time.monotonic() < self._slow_until_s
            return OutputHealth(
                self._settings.name,
                fine=is_sending and not is_slow,
                lost={why: count for why, count in self._lost.items() if count},
                reconnects=max(0, self._connections - 1),
                reason=TOO_SLOW if is_slow else self._reason,
            )

    def _run(self) -> None:
        delay_s = self._patience.first_retry_s
        while not self._ended:
            begin = time.monotonic()
            is_refused = self._connect()
            if time.monotonic() - begin > self._patience.last_retry_s:
                delay_s = self._patience.first_retry_s
            if is_refused:
                delay_s = self._patience.last_retry_s
            with self._changed:
                # jitter, so that many cameras do not come back at the same moment
                self._changed.wait_for(lambda: self._ended, delay_s * random.uniform(0.5, 1))  # noqa: S311
            delay_s = min(2 * delay_s, self._patience.last_retry_s)

    def _connect(self) -> bool:
        """One connection from its start to its end; whether the server refused it."""
        try:
            connection = PublishingConnection(self._what)
        except OSError as error:
            with self._changed:
                self._state, self._reason = "down", f"no process to publish: {error.strerror}"
                self._give_up(UNREACHABLE)
            return False
        with self._changed:
            self._connection = connection
            self._state = "connecting"
        counted = self._feed(connection)
        reason, is_refused = connection.end()
        with self._changed:
            self._connection = None
            self._arrived += connection.arrived - counted
            self._state = "down"
            self._reason = reason or self._reason
            lost = connection.sent - connection.arrived
            self._lost[CUT_OFF if connection.arrived else UNREACHABLE] += lost
            self._give_up(UNREACHABLE)
        return is_refused

    def _feed(self, connection: PublishingConnection) -> int:
        """Hand pictures over while it lasts; how many of them have been counted as arrived."""
        known = 0
        while (picture := self._next(connection)) is not None and connection.send(picture):
            connection.look()
            if connection.arrived > known:
                with self._changed:
                    self._state = "sending"
                    self._connections += not known
                    self._arrived += connection.arrived - known
                    known = connection.arrived
        return known

    def _next(self, connection: PublishingConnection) -> EncodedPicture | None:
        """Wait for a picture; None at the end of the stream, or of the connection."""
        with self._changed:
            while not (self._waiting or self._ended or connection.is_over()):
                self._changed.wait(_LOOK_EVERY_S)
            return self._waiting.popleft() if self._waiting else None

    def _is_backlog_full(self, picture: EncodedPicture) -> bool:
        if not self._waiting:
            return False
        return picture.pts - self._waiting[0].pts > self._patience.backlog_s * TICKS_A_SECOND

    def _give_up(self, reason: str) -> None:
        """Lose all that waits, and what comes until the next key picture."""
        self._gap = reason
        self._lost[reason] += len(self._waiting)
        self._waiting.clear()
        self._needs_key = True

    @property
    def _ended(self) -> bool:
        return self._ended_s > 0

    def _end(self, farewell_s: float) -> None:
        self.drain()
        self._thread.join(max(self._ended_s + farewell_s - time.monotonic(), 0.0))
        while self._thread.is_alive():
            connection = self._connection
            if connection is not None:
                connection.kill()
            self._thread.join(0.1)
        with self._changed:
            self._give_up(UNREACHABLE)  # where it ended before it began

    def _notes(self, health: OutputHealth) -> list[str]:
        notes = [f"{count} pictures did not arrive: {why}" for why, count in health.lost.items()]
        if self._reason is not None:
            notes.append(f"a connection to {health.name} failed: {self._reason}")
        return notes
