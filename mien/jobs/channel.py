"""Messages from a stream worker's processes to its exporter, the one that is scraped.

They are datagrams over one pair of sockets that all processes inherit: whole or not there. Writers
do not wait for the reader, since stats are sent again and again, each time complete.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

from mien.jobs.environment import CHANNEL

MOST_BYTES = 65_536
FINAL_TIMEOUT_S = 1.0
"""How long a message that is not repeated waits for room in the socket."""


class Channel:
    """Both ends; they are open as long as the supervisor lives."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.reader, self._writer):  # elsewhere than on Linux they are small
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MOST_BYTES)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MOST_BYTES)

    @property
    def writer_fd(self) -> int:
        """File descriptor of the writing end, in every process that inherits it."""
        return self._writer.fileno()


class ChannelWriter:
    """Sends messages; every process has one of its own. Its methods raise nothing."""

    def __init__(self) -> None:
        """Writes to the channel that this process has inherited; to none where it has not."""
        fd = _inherited_fd()
        self._socket = None if fd is None else socket.socket(fileno=os.dup(fd))
        if self._socket is not None:
            self._socket.setblocking(False)

    def send(self, message: dict[str, Any], *, final: bool = False) -> None:
        """Send it, without waiting; a final one waits for `FINAL_TIMEOUT_S` until there is room."""
        if self._socket is None:
            return
        line = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        text = line.encode("utf-8", "backslashreplace")
        deadline = time.monotonic() + (FINAL_TIMEOUT_S if final else 0)
        while True:
            try:
                self._socket.send(text)
            except OSError:
                if time.monotonic() >= deadline:
                    return
                time.sleep(0.02)
            else:
                return

    def heartbeat(self, worker: int) -> None:
        """A worker is alive."""
        self.send({"what": "pulse", "worker": worker})

    def horse_gone(self, horse: int) -> None:
        """A work horse has ended, whatever the cause."""
        self.send({"what": "gone", "horse": horse}, final=True)

    def draining(self) -> None:
        """The workers were told to stop."""
        self.send({"what": "draining"}, final=True)

    def worker_died(self, worker: int) -> None:
        """A worker has ended, and its work horse with it."""
        self.send({"what": "died", "worker": worker}, final=True)


def _inherited_fd() -> int | None:
    number = os.environ.get(CHANNEL, "")
    return int(number) if number.isdecimal() else None
