"""How stream workers and their work horses tell what they do to the one that is scraped.

Messages are whole or not there, and come from any number of processes over one pair of sockets
that they all inherit. Nobody waits for who reads: an account tells everything again.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

from mien.jobs.environment import CHANNEL

MOST_BYTES = 65_536
LAST_S = 1.0
"""How long the last word of somebody waits for room."""


class Channel:
    """The ends of the channel; both live as long as the supervisor."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.reader, self._writer):  # elsewhere than on Linux they are small
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MOST_BYTES)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MOST_BYTES)

    @property
    def number(self) -> int:
        """File number of the end that is written to, in every process that inherits it."""
        return self._writer.fileno()


class Voice:
    """One who tells; every process has its own."""

    def __init__(self) -> None:
        """Speaks into the channel that this process has inherited, if it has."""
        number = _inherited()
        self._socket = None if number is None else socket.socket(fileno=os.dup(number))
        if self._socket is not None:
            self._socket.setblocking(False)

    def tell(self, message: dict[str, Any], *, last: bool = False) -> None:
        """Say it; it is lost where there is no room, but for the last word. Raises nothing."""
        if self._socket is None:
            return
        line = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        text = line.encode("utf-8", "backslashreplace")
        deadline = time.monotonic() + (LAST_S if last else 0)
        while True:
            try:
                self._socket.send(text)
            except OSError:
                if time.monotonic() >= deadline:
                    return
                time.sleep(0.02)
            else:
                return

    def pulse(self, worker: int) -> None:
        """Say that a worker goes on."""
        self.tell({"what": "pulse", "worker": worker})

    def gone(self, horse: int) -> None:
        """Say that a work horse has ended, however it did."""
        self.tell({"what": "gone", "horse": horse}, last=True)

    def draining(self) -> None:
        """Say that the workers were told to stop."""
        self.tell({"what": "draining"}, last=True)

    def died(self, worker: int) -> None:
        """Say that a worker has ended, and its work horse with it."""
        self.tell({"what": "died", "worker": worker}, last=True)


def _inherited() -> int | None:
    number = os.environ.get(CHANNEL, "")
    return int(number) if number.isdecimal() else None
