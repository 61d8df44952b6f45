"""A live stream's side of the transport over Redis: it never waits for the server.

A camera's pictures come whether the server answers or not. So images leave and analyses arrive in
threads of their own, and what the stages ask is answered by what is known here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from mien.contract.analyses import AnalysisImage, AnalysisRecord
from mien.contract.errors import Closed, TransportError
from mien.contract.live import AWAY
from mien.transport.feed import Feed
from mien.transport.redis_server import LONGEST_BLOCK_S
from mien.transport.redis_stream import RedisStream
from mien.transport.wire import WireError

AWAY_AFTER_S = 1.0
"""A server that has not taken an image for so long counts as away: what waits would be late."""

PAUSE_S = 0.25
"""Between two attempts to reach the server."""

MOMENT_S = 3.0
"""How long the end of a stream waits for an answer."""

TICK_S = 0.1
"""How often a reader looks whether the server hangs."""

MOST_UNANSWERED = 100
"""So many images are remembered as unanswered; for older ones nobody waits."""

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class RedisLiveStream:
    """A `StreamPort` of which no method waits for the server, but for a moment at the end.

    While the server is away, every image that is offered, and those that were in flight, are
    answered here, with `AWAY` for their reason; there is no limit to how long that may go on. An
    analysis that cannot be read is left out. Only a newer attempt ends it.
    """

    def __init__(self, stream: RedisStream) -> None:
        """stream: asked from now on by nobody else."""
        self._stream = stream
        self._changed = threading.Condition()
        self._outbox: deque[AnalysisImage] = deque()
        self._unanswered: dict[int, None] = {}  # in the outbox or in flight, the oldest first
        self._sending_s: float | None = None  # when the server was asked to take an image
        self._away = False
        self._feed = Feed()
        self._failure: BaseException | None = None
        self._ended = threading.Event()
        self._trouble = ""
        for task in (self._send, self._receive):
            threading.Thread(target=self._run, args=(task,), name="live port", daemon=True).start()

    def offer(self, image: AnalysisImage) -> None:
        with self._changed:
            self._check()
            self._outbox.append(image)
            self._unanswered[image.index] = None
            if len(self._unanswered) > MOST_UNANSWERED:
                del self._unanswered[next(iter(self._unanswered))]
            self._answer_if_away()
            self._changed.notify_all()

    def read(self, after: int, wait_s: float) -> Sequence[AnalysisRecord]:
        deadline_s = time.monotonic() + wait_s
        with self._changed:
            self._feed.forget(after)
            while True:
                self._check()
                self._answer_if_away()
                left_s = deadline_s - time.monotonic()
                if self._feed.records or left_s <= 0:
                    return list(self._feed.records)
                self._changed.wait(min(left_s, TICK_S))

    def numerics(self) -> Mapping[str, str]:
        self._check()
        return self._ask(self._stream.numerics, self._stream.known_numerics)

    def confirm(self) -> None:
        """Where the server is away, no newer attempt is known, and none is waited for."""
        self._check()
        self._ask(self._stream.confirm, lambda: None)

    def close(self) -> None:
        with self._changed:
            if self._ended.is_set():
                return
            self._ended.set()
            self._outbox.clear()
            self._changed.notify_all()
        self._ask(self._stream.close, lambda: None)

    @property
    def is_closed(self) -> bool:
        return self._ended.is_set()

    def _send(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._outbox or self._ended.is_set())
                if self._ended.is_set():
                    return
                image = self._outbox.popleft()
                self._sending_s = time.monotonic()
            try:
                self._stream.offer(image)
            except (TransportError, WireError) as error:
                self._lose(error)
            finally:
                self._sending_s = None

    def _receive(self) -> None:
        position = 0
        while not self._ended.is_set():
            try:
                records = self._stream.read(position, LONGEST_BLOCK_S)
            except TransportError as error:
                self._lose(error)
                self._ended.wait(PAUSE_S)
                continue
            except WireError as error:  # of an unknown picture: its analysis will be late
                self._tell(f"{error}; the camera goes on without it")
                continue
            position += len(records)
            with self._changed:
                self._away = False
                self._feed.records.extend(records)
                for record in records:
                    self._unanswered.pop(record.index, None)
                self._changed.notify_all()

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - told by the next call of the port
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify_all()

    def _lose(self, error: TransportError | WireError) -> None:
        """Take the server for away until something of it has been read."""
        self._tell(f"{error}; the camera goes on without analyses")
        with self._changed:
            self._away = True
            self._answer_if_away()
            self._changed.notify_all()

    def _tell(self, trouble: str) -> None:
        """Log it, once for as long as it is the same."""
        if trouble != self._trouble:
            self._trouble = trouble
            _log.warning("%s", trouble)

    def _answer_if_away(self) -> None:
        since_s = self._sending_s
        if self._away or (since_s is not None and time.monotonic() - since_s > AWAY_AFTER_S):
            self._feed.records.extend(AnalysisRecord(n, None, AWAY) for n in self._unanswered)
            self._unanswered.clear()
            self._outbox.clear()

    def _ask(self, question: Callable[[], Answer], otherwise: Callable[[], Answer]) -> Answer:
        """What the server answers, or what is known without it where that takes too long."""
        told: Future[Answer] = Future()

        def ask() -> None:
            try:
                told.set_result(question())
            except BaseException as error:  # noqa: BLE001 - raised by the one who asks
                told.set_exception(error)

        threading.Thread(target=ask, name="live port asks", daemon=True).start()
        try:
            return told.result(MOMENT_S)
        except (TimeoutError, TransportError):
            return otherwise()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._ended.is_set():
            raise Closed
