"""Finds the sockets that FFmpeg opened, so that a read that stalls can be ended from outside.

FFmpeg gives out no handle, and a container must not be closed under its reader: that takes the
process down. A socket that is shut down ends the read at once, and cleanly. Works where there is
/proc; elsewhere FFmpeg's own time limits have to do.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

FOLDER = Path("/proc/self/fd")

Handle = tuple[int, str]
"""A descriptor and what it names: a number alone may soon be another's."""

_claimed: set[Handle] = set()
_lock = threading.Lock()


class Sockets:
    """The sockets of one connection; make it right before the connection is opened."""

    def __init__(self, host: str | None, port: int | None) -> None:
        self._host, self._port = host, port
        self._before = _open_sockets() if host is not None else set()
        self._own: set[Handle] = set()

    def claim(self) -> None:
        """Note the sockets that were opened since; to be called once the connection is open."""
        if self._host is None:
            return
        with _lock:
            self._own = self._new()
            _claimed.update(self._own)

    def shut(self) -> None:
        """End every read and write on them, also where the connection is still being opened."""
        if self._host is None:
            return
        with _lock:
            for number, name in self._own or self._new():
                if _name_of(number) == name:
                    _shut(number)

    def forget(self) -> None:
        """Nothing may be done to them any more: they are about to be closed."""
        with _lock:
            _claimed.difference_update(self._own)
            self._own, self._host = set(), None

    def _new(self) -> set[Handle]:
        found = _open_sockets() - self._before - _claimed
        return {handle for handle in found if _peer_port(handle[0]) == self._port}


def _open_sockets() -> set[Handle]:
    """All sockets of this process."""
    try:
        numbers = [int(name) for name in os.listdir(FOLDER)]  # noqa: PTH208 - names alone
    except OSError:
        return set()
    handles = {(number, _name_of(number)) for number in numbers}
    return {handle for handle in handles if handle[1].startswith("socket:")}


def _name_of(number: int) -> str:
    """What a descriptor names; empty where it is closed."""
    try:
        return os.readlink(FOLDER / str(number))  # noqa: PTH115 - the text is wanted
    except OSError:
        return ""


def _peer_port(number: int) -> int | None:
    """The port at the other end; of one that is still connecting, None would be no answer."""
    try:
        with socket.socket(fileno=os.dup(number)) as copy:
            if copy.family not in (socket.AF_INET, socket.AF_INET6):
                return None
            return int(copy.getpeername()[1])
    except OSError:
        return None


def _shut(number: int) -> None:
    """Shut a socket down, without closing it: it is FFmpeg's."""
    try:
        with socket.socket(fileno=os.dup(number)) as copy:
            copy.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already, or was never connected
