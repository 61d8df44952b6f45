"""The transport of a single process: queues and lists. `mien run` and many tests use it."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from mien.contract.analyses import AnalysisImage, AnalysisRecord, AnalysisSettings
from mien.contract.errors import Closed
from mien.transport.feed import Feed
from mien.transport.numerics import merged, to_line
from mien.transport.ports import NOTHING, Lease, Superseded

Serves = Callable[[AnalysisSettings], bool]


class MemoryTransport:
    """Streams and analyzers of one process; safe from any number of threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._attempts: dict[str, _Attempt] = {}  # by stream; whose turn it is comes first
        self._numbers = itertools.count(1)
        self._analyzers = 0
        self._closed = False

    def stream(
        self, stream: str, settings: AnalysisSettings, *, live: bool = False, source_mark: str = ""
    ) -> _MemoryStream:
        """`source_mark` is ignored: analyses are not kept for another attempt."""
        with self._changed:
            attempt = _Attempt(next(self._numbers), settings, live)
            older = self._attempts.pop(stream, None)
            if older is not None:
                older.superseded = True
            self._attempts[stream] = attempt
            self._changed.notify_all()
        return _MemoryStream(self, stream, attempt)

    def work(self, serves: Serves | None = None) -> _MemoryWork:
        """For one analyzer; where less waits than all could take, each gets its share of it."""
        self._analyzers += 1
        return _MemoryWork(self, serves)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, limit: int, wait_s: float, serves: Serves) -> list[Lease]:
        with self._changed:
            leases: list[Lease] = []

            def fill() -> bool:
                waiting = sum(len(attempt.waiting) for attempt in self._attempts.values())
                share = min(limit, math.ceil(waiting / self._analyzers))
                while len(leases) < share and (lease := self._next(serves)) is not None:
                    leases.append(lease)
                return bool(leases)

            self._wait(fill, wait_s)
            return leases

    def _next(self, serves: Serves) -> Lease | None:
        """The oldest image of the stream whose turn it is, those of live ones before others."""
        for live in (True, False):
            for stream, attempt in self._attempts.items():
                if attempt.live is live and attempt.waiting and serves(attempt.settings):
                    self._attempts[stream] = self._attempts.pop(stream)
                    return attempt.waiting.popleft()
        return None

    def _publish(self, lease: Lease, record: AnalysisRecord, numerics: str) -> None:
        with self._changed:
            attempt = self._of(lease)
            if attempt is not None:  # a stream that has ended wants no more results
                attempt.feed.records.append(record)
                attempt.numerics.add(numerics)
            self._changed.notify_all()

    def _give_back(self, lease: Lease) -> None:
        with self._changed:
            attempt = self._of(lease)
            if attempt is not None:
                attempt.waiting.appendleft(lease)
            self._changed.notify_all()

    def _of(self, lease: Lease) -> _Attempt | None:
        attempt = self._attempts.get(lease.image.stream)
        return attempt if attempt is not None and str(attempt.number) == lease.token else None

    def _offer(self, attempt: _Attempt, image: AnalysisImage) -> None:
        with self._changed:
            self._check_open()
            attempt.check()
            attempt.waiting.append(Lease(image, 1, str(attempt.number)))
            self._changed.notify_all()

    def _read(self, attempt: _Attempt, after: int, wait_s: float) -> Sequence[AnalysisRecord]:
        def ready() -> bool:
            attempt.check()
            return bool(attempt.feed.records)

        with self._changed:
            attempt.feed.forget(after)
            self._wait(ready, wait_s)
            return list(attempt.feed.records)

    def _end(self, stream: str, attempt: _Attempt) -> None:
        with self._changed:
            attempt.ended = True
            if self._attempts.get(stream) is attempt:
                del self._attempts[stream]
            self._changed.notify_all()

    def _wait(self, ready: Callable[[], bool], wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        self._check_open()
        while not ready():
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not self._changed.wait(left_s):
                break
            self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise Closed


class _Attempt:
    """What is known of one attempt at one stream."""

    def __init__(self, number: int, settings: AnalysisSettings, live: bool) -> None:
        self.number = number
        self.settings = settings
        self.live = live
        self.waiting: deque[Lease] = deque()
        self.feed = Feed()
        self.numerics: set[str] = set()
        self.superseded = False
        self.ended = False

    def check(self) -> None:
        if self.superseded:
            raise Superseded("a newer attempt has taken over the stream")
        if self.ended:
            raise Closed


class _MemoryStream:
    """One stream's side of the transport."""

    def __init__(self, transport: MemoryTransport, stream: str, attempt: _Attempt) -> None:
        self._transport = transport
        self._stream = stream
        self._attempt = attempt

    def offer(self, image: AnalysisImage) -> None:
        self._transport._offer(self._attempt, image)

    def read(self, after: int, wait_s: float) -> Sequence[AnalysisRecord]:
        return self._transport._read(self._attempt, after, wait_s)

    def numerics(self) -> Mapping[str, str]:
        return merged(self._attempt.numerics)

    def confirm(self) -> None:
        if self._attempt.superseded:  # that the transport is closed by now makes no difference
            self._attempt.check()

    def close(self) -> None:
        self._transport._end(self._stream, self._attempt)


class _MemoryWork:
    """One analyzer's side of the transport."""

    def __init__(self, transport: MemoryTransport, serves: Serves | None) -> None:
        self._transport = transport
        self._serves = serves
        self._known: dict[AnalysisSettings, bool] = {}

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        return self._transport._take(limit, wait_s, self._does_serve)

    def publish(
        self, lease: Lease, record: AnalysisRecord, numerics: Mapping[str, str] = NOTHING
    ) -> None:
        self._transport._publish(lease, record, to_line(numerics))

    def give_back(self, lease: Lease) -> None:
        self._transport._give_back(lease)

    def _does_serve(self, settings: AnalysisSettings) -> bool:
        if settings not in self._known:
            self._known[settings] = self._serves is None or self._serves(settings)
        return self._known[settings]
