"""Which streams have work, as an analyzer sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mien.contract.analyses import AnalysisSettings
from mien.transport.keys import Keys
from mien.transport.redis_server import RedisServer
from mien.transport.redis_work_scripts import ACTIVE
from mien.transport.wire import WireError, settings_from_json

REFRESH_S = 0.3
"""How old the list of streams may be."""


@dataclass(frozen=True, slots=True)
class ActiveStream:
    """A stream whose process lives."""

    name: str
    fence: str
    live: bool
    settings: AnalysisSettings
    work: str
    """Key of its work."""


class ActiveStreams:
    """The streams that an analyzer serves; asked of the server a few times a second."""

    def __init__(
        self,
        server: RedisServer,
        keys: Keys,
        serves: Callable[[AnalysisSettings], bool] | None,
    ) -> None:
        self._server, self._keys = server, keys
        self._serves = serves
        self._known: dict[bytes, AnalysisSettings | None] = {}  # None where they are not served
        self._streams: list[ActiveStream] = []
        self._fresh_until_s = 0.0
        self._turn = 0

    def get(self) -> list[ActiveStream]:
        """Live ones first; of either kind another one is the first each time."""
        if time.monotonic() >= self._fresh_until_s:
            keys, prefix = (self._keys.streams,), (self._keys.prefix,)
            found = self._server.call(lambda client: ACTIVE.run(client, keys, prefix), patience_s=0)
            found.sort(key=lambda one: one[1])  # by fence: the oldest attempt first
            self._streams = [served for one in found if (served := self._served(*one))]
            self._fresh_until_s = time.monotonic() + REFRESH_S
        self._turn += 1
        live = [stream for stream in self._streams if stream.live]
        files = [stream for stream in self._streams if not stream.live]
        return _turned(live, self._turn) + _turned(files, self._turn)

    def doubt(self) -> None:
        """Ask the server the next time."""
        self._fresh_until_s = 0.0

    def _served(
        self, stream: bytes, fence: bytes, live: bytes, settings: bytes
    ) -> ActiveStream | None:
        if settings not in self._known:
            self._known[settings] = self._judge(settings)
        known = self._known[settings]
        if known is None:
            return None
        name, number = stream.decode(), fence.decode()
        return ActiveStream(name, number, live == b"1", known, self._keys.work(name, number))

    def _judge(self, line: bytes) -> AnalysisSettings | None:
        try:
            settings = settings_from_json(line)
        except WireError:
            return None  # of another version of mien, whose analyzers will see to it
        return settings if self._serves is None or self._serves(settings) else None


def _turned(streams: list[ActiveStream], turn: int) -> list[ActiveStream]:
    first = turn % len(streams) if streams else 0
    return streams[first:] + streams[:first]
