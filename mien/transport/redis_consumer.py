"""An analyzer's name on the server, and its heartbeat."""

from __future__ import annotations

import os
import secrets
import socket
import threading

from mien.contract.errors import Closed, TransportError
from mien.transport.keys import Keys, Lifetimes
from mien.transport.redis_server import RedisServer
from mien.transport.redis_work_scripts import BEAT

CLOSING_PATIENCE_S = 1.0
"""How long deregistering waits for the server."""


class RedisConsumer:
    """A name in the consumer groups, and a thread that sends its heartbeats.

    What a consumer without heartbeats holds is given to others.
    """

    name: str

    def __init__(self, server: RedisServer, keys: Keys, lives: Lifetimes) -> None:
        """Beats once; raises `Unreachable` where the server does not answer."""
        self._server, self._keys, self._lives = server, keys, lives
        self.name, self._former = _new_name(), ""
        self._left = threading.Event()
        self.beat()
        name = f"heart of {self.name}"
        threading.Thread(target=self._keep_beating, name=name, daemon=True).start()

    def beat(self) -> None:
        """Send one heartbeat, without retries; the first one, before anything is taken."""
        former = self._former
        arguments = (self.name, round(1000 * self._lives.heart_s), former)
        self._server.call(
            lambda client: BEAT.run(client, (self._keys.analyzers,), arguments), patience_s=0
        )
        if self._former == former:
            self._former = ""

    def begin_anew(self) -> None:
        """Become another consumer; what the former one held is claimed as that of the dead."""
        self._former, self.name = self.name, _new_name()

    @property
    def is_new(self) -> bool:
        """Whether the server does not know the name yet."""
        return bool(self._former)

    @property
    def has_left(self) -> bool:
        return self._left.is_set()

    def leave(self) -> None:
        """Deregister: what is still held can be claimed by others at once."""
        if self._left.is_set():
            return
        self._left.set()
        try:
            self._server.call(
                lambda client: client.zrem(self._keys.analyzers, self.name),
                patience_s=CLOSING_PATIENCE_S,
            )
        except (TransportError, Closed):
            return  # its heartbeats have stopped anyway

    def _keep_beating(self) -> None:
        while not self._left.wait(self._lives.beat_s):
            try:
                self.beat()
            except TransportError:
                continue  # it beats again once the server answers
            except Closed:
                return


def _new_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
