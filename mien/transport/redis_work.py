"""An analyzer's side of the transport over Redis: work of all streams, and of dead analyzers."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

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
"""How long a living analyzer may hold an image before others take it."""
CLAIM_EVERY_S = 2.0
"""How often abandoned work is looked for; at once, where there was some the last time."""
FORGET_EVERY_S = 60.0
"""How often dead consumers that hold nothing are deleted, which looks at all living ones too."""
PAUSE_S = 0.25
"""Between two attempts to take work from a server that does not answer."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One frame, as the server has handed it out to this analyzer."""

    stream: str
    fence: str
    settings: AnalysisSettings
    entry: str
    """Its id in the stream of work."""
    index: int
    deliveries: int
    """As in a `Lease`."""

    @classmethod
    def of(cls, lease: Lease) -> _Delivery:
        """The one that `lease` was made of."""
        image, (fence, entry) = lease.image, lease.token.split("/")
        return cls(image.stream, fence, image.settings, entry, image.index, lease.deliveries)

    def lease(self, image: AnalysisImage) -> Lease:
        """What the analyzer gets to see of it."""
        return Lease(image, self.deliveries, f"{self.fence}/{self.entry}")


class RedisWork:
    """A `WorkPort`; a thread of its own sends the analyzer's heartbeats."""

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
        self._extra: deque[_Delivery] = deque()  # taken while waiting, and more than was asked for
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
        self._publish(_Delivery.of(lease), record, numerics)

    def give_back(self, lease: Lease) -> None:
        self._give_back(_Delivery.of(lease))

    def close(self) -> None:
        """Deregister: work that is still held is released, and goes to others at once."""
        with suppress(TransportError, Closed):  # it is claimed as that of the dead
            while self._extra and not self.is_closed:
                self._give_back(self._extra.popleft(), CLOSING_PATIENCE_S)
        self._consumer.leave()

    @property
    def is_closed(self) -> bool:
        return self._consumer.has_left

    # Taking

    def _take(self, limit: int) -> list[Lease]:
        streams = self._active.get()
        if time.monotonic() >= self._claim_s:
            claimed = self._claim(streams)
            if claimed:
                return self._leases(claimed)
            self._claim_s = time.monotonic() + CLAIM_EVERY_S
        taken = [self._extra.popleft() for _ in range(min(limit, len(self._extra)))]
        if streams and len(taken) < limit:
            live = sum(stream.live for stream in streams)
            arguments = (self._consumer.name, limit - len(taken), live)
            works = [stream.work for stream in streams]
            found = self._server.call(
                lambda client: TAKE.run(client, works, arguments), patience_s=0
            )
            taken += [_delivery(streams[at - 1], *one) for at, *one in found]
        return self._leases(taken)

    def _claim(self, streams: Sequence[ActiveStream]) -> list[_Delivery]:
        """One abandoned frame, which is leased alone: it may be what killed its analyzer."""
        keys = (self._keys.analyzers, *(stream.work for stream in streams))
        if time.monotonic() >= self._forget_s:
            self._server.call(lambda client: FORGET.run(client, keys, ()), patience_s=0)
            self._forget_s = time.monotonic() + FORGET_EVERY_S
        arguments = (self._consumer.name, round(1000 * self._stuck_s))
        found = self._server.call(lambda client: CLAIM.run(client, keys, arguments), patience_s=0)
        return [_delivery(streams[at - 1], *one) for at, *one in found]

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
                self._extra.append(_delivery(stream, entry, index, fields[b"before"]))
        if not found and time.monotonic() - begin < wait_s / 2:
            self._active.doubt()
            self._server.sleep(min(wait_s, 0.05))

    def _leases(self, deliveries: Sequence[_Delivery]) -> list[Lease]:
        """The deliveries with their images, but for those that nobody waits for any more."""
        # one by one: redis-py gathers a pipeline's answers in one buffer, and copies them twice
        images = [(delivery, self._image(delivery)) for delivery in deliveries]
        return [delivery.lease(image) for delivery, image in images if image is not None]

    def _image(self, delivery: _Delivery) -> AnalysisImage | None:
        """None where nobody waits for it any more, or where it cannot be read."""
        images = self._keys.images(delivery.stream, delivery.fence)
        message: bytes | None = self._server.call(
            lambda client: client.hget(images, str(delivery.index))
        )  # type: ignore[assignment]  # redis-py: text too, were replies decoded
        if message is None:
            self._give_back(delivery)
            return None
        try:
            return decode_image(message, delivery.stream, delivery.settings)
        except WireError as error:
            self._publish(delivery, AnalysisRecord(delivery.index, None, str(error)), NOTHING)
            return None

    # Handing in

    def _publish(
        self, delivery: _Delivery, record: AnalysisRecord, numerics: Mapping[str, str]
    ) -> None:
        keys, stream, fence = self._keys, delivery.stream, delivery.fence
        names = (
            keys.meta(stream), keys.log(stream), keys.done(stream),
            keys.work(stream, fence), keys.images(stream, fence),
        )  # fmt: skip
        arguments = (fence, delivery.entry, record.index, encode_record(record), to_line(numerics))
        self._server.call(lambda client: PUBLISH.run(client, names, arguments))

    def _give_back(self, delivery: _Delivery, patience_s: float = math.inf) -> None:
        keys, stream, fence = self._keys, delivery.stream, delivery.fence
        names = (keys.work(stream, fence), keys.images(stream, fence))
        arguments = (delivery.entry, delivery.index, delivery.deliveries - 1)
        self._server.call(
            lambda client: GIVE_BACK.run(client, names, arguments), patience_s=patience_s
        )


def _delivery(stream: ActiveStream, entry: bytes, index: bytes, before: bytes) -> _Delivery:
    """before: how often the frame was handed out earlier and did not come back."""
    return _Delivery(
        stream.name, stream.fence, stream.settings, entry.decode(), int(index), int(before) + 1
    )
