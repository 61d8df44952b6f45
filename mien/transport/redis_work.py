"""An analyzer's side of the transport over Redis: work of all streams, and that of the dead."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import redis

from mien.contract.analyses import AnalysisImage, AnalysisRecord, AnalysisSettings
from mien.contract.errors import Closed, TransportError
from mien.transport.keys import GROUP, Keys, Lifetimes
from mien.transport.numerics import to_line
from mien.transport.ports import NOTHING, Lease
from mien.transport.redis_consumer import CLOSING_PATIENCE_S, RedisConsumer
from mien.transport.redis_server import LONGEST_BLOCK_S, RedisServer, Unreachable
from mien.transport.redis_streams import ActiveStream, ActiveStreams
from mien.transport.redis_work_scripts import CLAIM, FORGET, GIVE_BACK, PUBLISH, TAKE
from mien.transport.wire import WireError, decode_image, encode_record

STUCK_S = 120.0
"""So long may an analyzer whose heart beats hold an image before others take it."""
CLAIM_EVERY_S = 2.0
"""How often it is looked for work of the dead, unless there was some the last time."""
FORGET_EVERY_S = 60.0
"""How often the dead who hold nothing are forgotten: it takes a look at all the living besides."""
PAUSE_S = 0.25
"""Between two attempts to take work from a server that does not answer."""


class _Entry(NamedTuple):
    """A frame that the server has given to this analyzer."""

    stream: ActiveStream
    id: str
    frame: int
    deliveries: int


class RedisWork:
    """A `WorkPort`; a thread of its own says that the analyzer lives."""

    def __init__(
        self,
        server: RedisServer,
        keys: Keys,
        serves: Callable[[AnalysisSettings], bool] | None,
        *,
        stuck_s: float,
        lifetimes: Lifetimes,
    ) -> None:
        self._server, self._keys = server, keys
        self._stuck_s = stuck_s
        self._active = ActiveStreams(server, keys, serves)
        self._extra: deque[_Entry] = deque()  # taken while waiting, and more than was asked for
        self._claim_s = self._forget_s = 0.0
        self._consumer = RedisConsumer(server, keys, lifetimes)

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        deadline = time.monotonic() + wait_s
        while True:
            left_s = max(deadline - time.monotonic(), 0)
            try:
                if self._consumer.is_new:
                    self._consumer.beat()
                leases = self._take(limit)
                if leases or left_s <= 0:
                    return leases
                self._wait(min(left_s, LONGEST_BLOCK_S))
            except Unreachable:
                # the server may have given this consumer what never arrived
                self._consumer.begin_anew()
                self._extra.clear()
                self._active.doubt()
                if left_s <= 0:
                    return []
                self._server.sleep(min(left_s, PAUSE_S))

    def publish(
        self, lease: Lease, record: AnalysisRecord, numerics: Mapping[str, str] = NOTHING
    ) -> None:
        stream, (fence, entry) = lease.image.stream, lease.token.split("/")
        self._publish(stream, fence, entry, record, numerics)

    def give_back(self, lease: Lease) -> None:
        fence, entry = lease.token.split("/")
        self._give_back(lease.image.stream, fence, entry, lease.image.index, lease.deliveries)

    def close(self) -> None:
        """Say good-bye: what is still held goes to others at once."""
        with suppress(TransportError, Closed):  # it is found with the dead
            while self._extra and not self.is_closed:
                entry = self._extra.popleft()
                self._give_back(
                    entry.stream.name, entry.stream.fence, entry.id, entry.frame, entry.deliveries,
                    patience_s=CLOSING_PATIENCE_S,
                )  # fmt: skip
        self._consumer.leave()

    @property
    def is_closed(self) -> bool:
        return self._consumer.has_left

    # Taking

    def _take(self, limit: int) -> list[Lease]:
        streams = self._active.get()
        if time.monotonic() >= self._claim_s:
            entries = self._claim(streams)
            if entries:
                return self._leases(entries)
            self._claim_s = time.monotonic() + CLAIM_EVERY_S
        entries = [self._extra.popleft() for _ in range(min(limit, len(self._extra)))]
        if streams and len(entries) < limit:
            live = sum(stream.live for stream in streams)
            arguments = (self._consumer.name, limit - len(entries), live)
            works = [stream.work for stream in streams]
            found = self._server.call(
                lambda client: TAKE.run(client, works, arguments), patience_s=0
            )
            entries += [_entry(streams, *one) for one in found]
        return self._leases(entries)

    def _claim(self, streams: Sequence[ActiveStream]) -> list[_Entry]:
        """One frame of a dead analyzer: it goes out alone, it may have been what killed."""
        keys = (self._keys.analyzers, *(stream.work for stream in streams))
        if time.monotonic() >= self._forget_s:
            self._server.call(lambda client: FORGET.run(client, keys, ()), patience_s=0)
            self._forget_s = time.monotonic() + FORGET_EVERY_S
        arguments = (self._consumer.name, round(1000 * self._stuck_s))
        found = self._server.call(lambda client: CLAIM.run(client, keys, arguments), patience_s=0)
        return [_entry(streams, *one) for one in found]

    def _wait(self, wait_s: float) -> None:
        """Wait for work of any stream; it is handed out by the next `_take`."""
        streams = self._active.get()
        if not streams:
            self._server.sleep(wait_s)
            return
        works = {stream.work: ">" for stream in streams}

        def read(client: redis.Redis) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
            try:
                block_ms = max(1, round(1000 * wait_s))
                return client.xreadgroup(GROUP, self._consumer.name, works, count=1, block=block_ms)  # type: ignore[arg-type, return-value]
            except redis.ResponseError as error:
                if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                    raise
                return []  # a stream has ended, or the server has forgotten it

        begin, by_work = time.monotonic(), {stream.work: stream for stream in streams}
        found = self._server.call(read, patience_s=0)
        for work, entries in found:
            for entry, fields in entries:
                stream, index = by_work[work.decode()], fields[b"index"]
                self._extra.append(_entry([stream], 1, entry, index, fields[b"before"]))
        if not found and time.monotonic() - begin < wait_s / 2:
            self._active.doubt()
            self._server.sleep(min(wait_s, 0.05))

    def _leases(self, entries: Sequence[_Entry]) -> list[Lease]:
        """The entries with their images; those that nobody waits for any more are let go."""
        leases = []
        for entry in entries:
            # one by one: redis-py gathers a pipeline's answers in one buffer, and copies them twice
            message = self._server.call(partial(_fetch, entry))
            image = self._image(entry, message)
            if image is not None:
                token = f"{entry.stream.fence}/{entry.id}"
                leases.append(Lease(image, entry.deliveries, token))
        return leases

    def _image(self, entry: _Entry, message: bytes | None) -> AnalysisImage | None:
        stream = entry.stream
        if message is None:
            self._give_back(stream.name, stream.fence, entry.id, entry.frame, entry.deliveries)
            return None
        try:
            return decode_image(message, stream.name, stream.settings)
        except WireError as error:
            lost = AnalysisRecord(entry.frame, None, str(error))
            self._publish(stream.name, stream.fence, entry.id, lost, NOTHING)
            return None

    # Handing in

    def _publish(
        self,
        stream: str,
        fence: str,
        entry: str,
        record: AnalysisRecord,
        numerics: Mapping[str, str],
    ) -> None:
        keys = self._keys
        names = (
            keys.meta(stream), keys.log(stream), keys.done(stream),
            keys.work(stream, fence), keys.images(stream, fence),
        )  # fmt: skip
        arguments = (fence, entry, record.index, encode_record(record), to_line(numerics))
        self._server.call(lambda client: PUBLISH.run(client, names, arguments))

    def _give_back(
        self,
        stream: str,
        fence: str,
        entry: str,
        index: int,
        deliveries: int,
        patience_s: float = math.inf,
    ) -> None:
        names = (self._keys.work(stream, fence), self._keys.images(stream, fence))
        arguments = (entry, index, deliveries - 1)
        self._server.call(
            lambda client: GIVE_BACK.run(client, names, arguments), patience_s=patience_s
        )


def _fetch(entry: _Entry, client: redis.Redis) -> bytes | None:
    return client.hget(entry.stream.images, str(entry.frame))  # type: ignore[return-value]


def _entry(
    streams: Sequence[ActiveStream], at: int, entry: bytes, index: bytes, before: bytes
) -> _Entry:
    return _Entry(streams[at - 1], entry.decode(), int(index), int(before) + 1)
