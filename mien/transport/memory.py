"""The transport of a single process: a queue and lists. `mien run` and the tests stand on it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from mien.contract.analyses import AnalysisImage, AnalysisRecord
from mien.transport.ports import Closed, Lease


class MemoryTransport:
    """Streams and analyzers of one process; safe from any number of threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[Lease] = deque()
        self._feeds: dict[str, _Feed] = {}
        self._closed = False

    def stream(self, stream: str) -> _MemoryStream:
        with self._changed:
            self._feeds[stream] = _Feed()
        return _MemoryStream(self, stream)

    def work(self) -> MemoryTransport:
        return self

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        with self._changed:
            self._wait(lambda: bool(self._queue), wait_s)
            return [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]

    def publish(self, lease: Lease, record: AnalysisRecord) -> None:
        with self._changed:
            feed = self._feeds.get(lease.image.stream)
            if feed is not None:  # a stream that has ended wants no more results
                feed.records.append(record)
            self._changed.notify_all()

    def give_back(self, lease: Lease) -> None:
        with self._changed:
            again = Lease(lease.image, lease.deliveries + 1, lease.token)
            self._queue.appendleft(again)
            self._changed.notify_all()

    def _offer(self, image: AnalysisImage) -> None:
        with self._changed:
            self._check_open()
            self._queue.append(Lease(image, 1, f"{image.stream}/{image.index}"))
            self._changed.notify_all()

    def _read(self, stream: str, after: int, wait_s: float) -> Sequence[AnalysisRecord]:
        with self._changed:
            feed = self._feeds[stream]
            feed.forget(after)
            self._wait(lambda: bool(feed.records), wait_s)
            return list(feed.records)

    def _forget(self, stream: str) -> None:
        with self._changed:
            self._feeds.pop(stream, None)
            kept = [lease for lease in self._queue if lease.image.stream != stream]
            self._queue = deque(kept)

    def _wait(self, ready: Callable[[], bool], wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while not ready():
            self._check_open()
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not self._changed.wait(left_s):
                break
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise Closed


class _Feed:
    """The results of one stream that it has not read yet; reading on says what it has."""

    def __init__(self) -> None:
        self.records: deque[AnalysisRecord] = deque()
        self._first = 0

    def forget(self, before: int) -> None:
        """Drop the records before a position: their only reader has them."""
        for _ in range(min(before - self._first, len(self.records))):
            self.records.popleft()
            self._first += 1


class _MemoryStream:
    """One stream's side of the transport."""

    def __init__(self, transport: MemoryTransport, stream: str) -> None:
        self._transport = transport
        self._stream = stream

    def offer(self, image: AnalysisImage) -> None:
        self._transport._offer(image)

    def read(self, after: int, wait_s: float) -> Sequence[AnalysisRecord]:
        return self._transport._read(self._stream, after, wait_s)

    def close(self) -> None:
        self._transport._forget(self._stream)
