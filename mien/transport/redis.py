"""The transport of many processes and machines: a Redis 6.2 (or later) or Valkey server.

Keys and their life spans stand in `keys.py`. A cluster is not supported: scripts touch the keys of
several streams at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from mien.contract.analyses import AnalysisSettings
from mien.transport.keys import PREFIX, Keys, Lifetimes
from mien.transport.redis_attempt import PATIENCE_S, RedisAttempt
from mien.transport.redis_live_stream import RedisLiveStream
from mien.transport.redis_server import RedisServer
from mien.transport.redis_stream import RedisStream
from mien.transport.redis_work import STUCK_S, RedisWork
from mien.transport.wire import Encoding

StreamSide = RedisStream | RedisLiveStream
Port = StreamSide | RedisWork


class RedisTransport:
    """Streams and analyzers that share a server; safe from any number of threads.

    It must not be carried over a fork: every process opens its own.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = PREFIX,
        wire: Encoding = "raw",
        patience_s: float = PATIENCE_S,
        stuck_s: float = STUCK_S,
        lifetimes: Lifetimes | None = None,
        wait_s: float = 0.0,
    ) -> None:
        """Connects.

        Args:
            url: redis://, rediss:// or unix://, with user, password and database where needed.
            prefix: Of every key.
            wire: How analysis images travel: "raw" loses nothing, "jpeg" saves a thin network.
            patience_s: How long a stream waits for a server that is away; a live one that runs
                does not wait, and is never given up.
            stuck_s: So long may a living analyzer hold an image before others take it.
            wait_s: How long to wait for a server that does not answer yet.

        Raises:
            UsageError: the URL is not a valid Redis URL.
            TransportError: there is no server, or it does not let us in.
        """
        self._server = RedisServer(url, wait_s=wait_s)
        self._keys = Keys(prefix)
        self._lifetimes = lifetimes or Lifetimes()
        self._wire: Encoding = wire
        self._patience_s = patience_s
        self._stuck_s = stuck_s
        self._lock = threading.Lock()
        self._ports: list[Port] = []

    def stream(
        self, stream: str, settings: AnalysisSettings, *, live: bool = False, source_mark: str = ""
    ) -> StreamSide:
        attempt = RedisAttempt(
            self._server,
            self._keys,
            stream,
            settings,
            live=live,
            source_mark=source_mark,
            patience_s=self._patience_s,
            lifetimes=self._lifetimes,
        )
        waiting = RedisStream(self._server, attempt, self._wire)
        port: StreamSide = RedisLiveStream(waiting) if live else waiting
        self._keep(port)
        return port

    def work(
        self,
        serves: Callable[[AnalysisSettings], bool] | None = None,
    ) -> RedisWork:
        port = RedisWork(
            self._server,
            self._keys,
            serves,
            stuck_s=self._stuck_s,
            lifetimes=self._lifetimes,
        )
        self._keep(port)
        return port

    def close(self) -> None:
        with self._lock:
            ports, self._ports = self._ports, []
        for port in ports:
            port.close()
        self._server.close()

    def _keep(self, port: Port) -> None:
        with self._lock:
            self._ports = [*(kept for kept in self._ports if not kept.is_closed), port]
