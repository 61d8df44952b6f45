"""One connection to a server, as the process that feeds it sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO

from workers.live_pictures import EncodedPicture
from workers.publishing_process import REFUSED, Connection, packed

STALLED = "the server stopped taking pictures"
BROKEN_OFF = "it did not end in time, and was broken off"
_MODULE = "workers.publishing_process"


class PublishingConnection:
    """Starts `workers.publishing_process` and feeds it; for one thread, but for `kill`."""

    def __init__(self, connection: Connection) -> None:
        # a session of its own: Ctrl-C is for us, and we tell it how to end
        self._process = subprocess.Popen(
            # -P: the current folder may hold modules of the same names
            [sys.executable, "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.set_blocking(_pipe(self._process.stdout).fileno(), False)
        self.sent = 0
        """Pictures that were handed over."""
        self.arrived = 0
        """Those of them that went out, as far as `look` knows."""
        self._is_killed = False
        self._is_up = self._write(connection.to_line())

    def send(self, picture: EncodedPicture) -> bool:
        """Hand a picture over; waits as long as the server does. False where it is over."""
        self.sent += 1
        self._is_up = self._is_up and self._write(packed(picture))
        return self._is_up

    def look(self) -> None:
        """Bring `arrived` up to date."""
        # None where nothing new is there
        self.arrived += len(_pipe(self._process.stdout).read() or b"")

    def is_over(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def end(self) -> tuple[str | None, bool]:
        """Close it: why it failed, None if it did not; and whether the server refused us."""
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        code = self._process.wait()
        self.look()
        said = _pipe(self._process.stderr).read().decode(errors="replace").strip()
        for pipe in (self._process.stdout, self._process.stderr):
            _pipe(pipe).close()
        return self._reason(code, said), code == REFUSED

    def _reason(self, code: int, said: str) -> str | None:
        """Why the process ended with this code, having said something or not."""
        if code == 0:
            return None
        if code == -signal.SIGALRM:  # its own, see `publishing_process`
            return STALLED
        if code < 0:
            return BROKEN_OFF if self._is_killed else f"its process was killed by signal {-code}"
        return said.splitlines()[-1] if said else "it failed"

    def kill(self) -> None:
        """End it at once; may be called from another thread."""
        self._is_killed = True
        self._process.kill()

    def _write(self, data: bytes) -> bool:
        pipe = _pipe(self._process.stdin)
        try:
            pipe.write(data)
            pipe.flush()
        except (OSError, ValueError):
            return False
        return True


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - all three were asked for
    return pipe
