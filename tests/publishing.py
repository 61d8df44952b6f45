"""Servers that take what is published, each a process that can be killed, stopped and started."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import free_port
from tests.waiting import wait_for

ROOT = Path(__file__).parents[1]
SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's GStreamer bindings are for Debian's Python."""

_LISTENER = """
import sys, av
from tests.builders import read_number
url = sys.argv[1]
listen = {"listen": "1"}
if url.startswith("rtsp"):
    listen = {"rtsp_flags": "listen", "listen_timeout": "60"}
with av.open(url, options=listen) as container:
    for frame in container.decode(video=0):
        print(read_number(frame.to_ndarray(format="rgb24")), flush=True)
"""


class Listener:
    """Takes one publisher at `url` (rtsp or rtmp), and tells which pictures came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LISTENER, url],
            cwd=ROOT, stdout=self._said, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait_until_it_listens(self) -> None:
        """Without trying it: it takes one publisher only."""
        port = urlsplit(self.url).port
        sockets = Path("/proc/net/tcp")  # "sl local_address rem_address st", 0A is LISTEN
        wait_for(lambda: f":{port:04X} 00000000:0000 0A" in sockets.read_text())

    def numbers(self) -> list[int]:
        """The pictures so far."""
        file = self._said.fileno()
        # the listener writes at the same file's position, so that must not be moved
        return [int(line) for line in os.pread(file, os.fstat(file).st_size, 0).splitlines()]

    def wait_for(self, count: int, limit_s: float = 15.0) -> None:
        wait_for(lambda: len(self.numbers()) >= count, limit_s)

    def stall(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> list[int]:
        """Wait for the publisher to have ended: the pictures that came."""
        self._process.wait(15)
        return self.numbers()

    def close(self) -> None:
        self.kill()
        self._said.close()


@contextlib.contextmanager
def listening(url: str) -> Iterator[Listener]:
    listener = Listener(url)
    try:
        yield listener
    finally:
        listener.close()


def process_lines() -> str:
    """The command lines and environments of all processes that we may look at."""
    found = []
    for folder in Path("/proc").iterdir():
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and int(folder.name) != os.getpid():
                    found.append((folder / name).read_text(errors="replace"))
    return "\n".join(found)


@contextlib.contextmanager
def recording(path: Path, password: str, method: str) -> Iterator[str]:
    """The address, without user and password, of a server that wants both; it writes to `path`.

    Skips the test where GStreamer's server is not installed.
    """
    port = free_port()
    script = [SYSTEM_PYTHON, str(ROOT / "tests" / "record_server.py"), str(port), str(path)]
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"there is no {SYSTEM_PYTHON} with GStreamer's bindings")
    with subprocess.Popen(
        [*script, password, method], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                pytest.skip(
                    "no GStreamer RTSP server (Debian: apt install gir1.2-gst-rtsp-server-1.0 "
                    "python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
                    "gstreamer1.0-plugins-bad)"
                )
            yield f"127.0.0.1:{port}/live"
        finally:
            process.kill()
