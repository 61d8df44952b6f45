"""One attempt at one stream, as the server knows it: its fencing number, its keys and its lease."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import redis
from redis.client import Pipeline

from mien.contract.analyses import AnalysisSettings
from mien.transport.keys import GRACE_S, Keys, Lifetimes
from mien.transport.lua import Argument
from mien.transport.ports import Superseded
from mien.transport.redis_server import RedisServer
from mien.transport.redis_stream_scripts import CLOSE, MISSING, OFFER, REGISTER, RENEW

PATIENCE_S = GRACE_S / 2
"""How long a stream waits for a server that does not answer; what lies there lives longer."""
LIVE_PATIENCE_S = 0.5
"""The same for a live stream once it runs: long enough to reconnect, too short to make a picture
late."""

Answer = TypeVar("Answer")

Offered = Literal["waiting", "answered", "lost"]
"""What has become of an image: it is in the queue; the log has its analysis already; the server has
lost what it knew."""


class RedisAttempt:
    """Registers itself, and every earlier attempt is superseded. Safe from any thread.

    All methods raise `Superseded`, `TransportError` and `Closed` as a `StreamPort` does. Those
    that return a bool are False where the server has lost what it knew: then `register` again.
    """

    def __init__(
        self,
        server: RedisServer,
        keys: Keys,
        stream: str,
        settings: AnalysisSettings,
        *,
        live: bool,
        source_mark: str,
        patience_s: float,
        lifetimes: Lifetimes,
    ) -> None:
        self.stream, self.live, self.lives = stream, live, lifetimes
        self.log = keys.log(stream)
        self._server, self._keys = server, keys
        self._patience_s = patience_s
        self._settings = settings.to_json()
        self._source_mark = source_mark
        self._meta, self._done = keys.meta(stream), keys.done(stream)
        self._fence = ""
        self._seen_s = time.monotonic()
        self._run_id = ""
        self.register()
        if live:
            self._patience_s = min(patience_s, LIVE_PATIENCE_S)

    @property
    def _work(self) -> str:
        return self._keys.work(self.stream, self._fence)

    @property
    def _images(self) -> str:
        return self._keys.images(self.stream, self._fence)

    @property
    def _all_keys(self) -> tuple[str, ...]:
        return (self._keys.streams, self._meta, self.log, self._done, self._work, self._images)

    def register(self) -> None:
        """Make the attempt known; again, under the same number, where the server forgot it."""
        lives = self.lives
        longest_s = math.inf if self.live else max(lives.grace_s, 2 * self._patience_s)
        if time.monotonic() - self._seen_s > longest_s:
            raise self._superseded()  # a newer attempt may have come and gone, unnoticed
        found, fence = self.call(
            lambda client: REGISTER.run(
                client,
                (self._keys.streams, self._meta, self.log, self._done),
                (self.stream, self._fence, self._settings, int(self.live), self._keys.prefix,
                 _ms(lives.lease_s), _ms(lives.grace_s), _ms(lives.work_s), self._source_mark),
            )
        )  # fmt: skip
        self.check(found)
        self._fence = fence.decode()
        self._seen_s = time.monotonic()
        self._run_id = self.call(_run_id)

    def renew(self, trim: str, patience_s: float | None) -> bool:
        """Hold the lease; False also where the server was started anew and may have forgotten.

        trim: the id of the first entry of the log that is still wanted; empty where all are.
        patience_s: as of `call`.
        """
        lives = self.lives
        found = self.call(
            lambda client: RENEW.run(
                client,
                self._all_keys,
                (self.stream, self._fence, _ms(lives.lease_s), _ms(lives.grace_s),
                 _ms(lives.work_s), trim),
            ),
            patience_s,
        )  # fmt: skip
        if not self.check(found):
            return False
        self._seen_s = time.monotonic()
        return self.call(_run_id, patience_s) == self._run_id

    def offer(self, index: int, image: bytes) -> Offered:
        """Put an image into the work queue."""

        def put(together: Pipeline) -> object:
            return together.hset(self._images, str(index), image)

        found = self.call(
            lambda client: OFFER.run(
                client,
                (self._meta, self._done, self._work, self._images),
                (self._fence, index, _ms(self.lives.work_s), _ms(self.lives.stale_s)),
                before=put,
            )
        )
        if found == b"answered":
            return "answered"
        return "waiting" if self.check(found) else "lost"

    def missing(self, indexes: Iterable[int]) -> list[int]:
        """Those frames that are neither answered nor waiting."""
        asked: tuple[Argument, ...] = (self._fence, *indexes)
        keys = (self._meta, self._done, self._work, self._images)
        found = self.call(lambda client: MISSING.run(client, keys, asked))
        return [int(index) for index in found]

    def look(self, position: bytes, count: int, wait_s: float) -> list[tuple[bytes, bytes]] | None:
        """Entries of the log after a position, as id and message; None for False."""

        def ask(client: redis.Redis) -> list[Any]:
            # an older attempt must not read: both are asked in one round trip
            with client.pipeline(transaction=False) as both:
                both.hget(self._meta, "fence")
                # a server that is to block answers late, even if it is for a millisecond
                block_ms = int(_ms(wait_s)) or None
                both.xread({self.log: position}, count=count, block=block_ms)
                return both.execute()

        held, reply = self.call(ask)
        if held != self._fence.encode():
            newer = held is not None and int(held) > int(self._fence)
            self.check(b"superseded" if newer else b"gone")
            return None
        return [(entry, fields[b"r"]) for entry, fields in (reply[0][1] if reply else [])]

    def knows(self, position: bytes) -> bool:
        """Whether the log still has the entry at a position."""
        return bool(self.call(lambda client: client.xrange(self.log, position, position, 1)))

    def numerics(self, patience_s: float | None = None) -> list[str]:
        """What the analyzers ran with that made what is in the log, a line each."""
        found = self.call(lambda client: client.hkeys(self._meta), patience_s)
        names = [bytes(name).decode() for name in found]  # type: ignore[arg-type]
        mark = "numerics:"
        return [name.removeprefix(mark) for name in names if name.startswith(mark)]

    def end(self, patience_s: float, *, keep: bool = True) -> None:
        """Withdraw the work; analyses stay for a while where another attempt can use them.

        keep: False where it could not read them.
        """
        arguments = (self.stream, self._fence, _ms(self.lives.grace_s), int(keep))
        self.call(lambda client: CLOSE.run(client, self._all_keys, arguments), patience_s)

    def check(self, found: bytes) -> bool:
        """Whether a script found the attempt registered."""
        if found == b"superseded":
            raise self._superseded()
        return found == b"ok"

    def call(
        self, command: Callable[[redis.Redis], Answer], patience_s: float | None = None
    ) -> Answer:
        """Ask the server; retried as long as the stream waits for it, or for `patience_s`."""
        patience_s = self._patience_s if patience_s is None else patience_s
        return self._server.call(command, patience_s=patience_s)

    def _superseded(self) -> Superseded:
        return Superseded(f"a newer attempt has taken over the stream {self.stream}")


def _run_id(client: redis.Redis) -> str:
    """Changes when the server was started anew."""
    return str(client.info("server")["run_id"])


def _ms(seconds: float) -> str:
    return str(round(1000 * seconds))
