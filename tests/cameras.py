"""Real RTSP cameras for tests, and what stands between us and them.

`Camera` is a process of its own that serves a folder of clips over RTSP, each of them over and over
again; it may be killed and started again at the same address. `Proxy` passes a connection on, and
can freeze it or lose some of its pictures. `Porter` answers every request the same way, or never:
what is tested with it is what we do then.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.builders import make_clip
from tests.servers import free_port

START_S = 20.0
PACKET = b"$"
"""What an interleaved RTP packet begins with."""
NONCE = "83fe2e6b0d1c4a1b"
BASIC = b'WWW-Authenticate: Basic realm="camera"\r\n'
DIGEST = b'WWW-Authenticate: Digest realm="camera", nonce="' + NONCE.encode() + b'"\r\n'
"""How a camera asks for a password."""


class Camera:
    """An RTSP server that serves the clips of a folder, at their own speed."""

    def __init__(self, folder: Path) -> None:
        self._program = Path(sys.executable).with_name("rtsp-server")
        if not self._program.exists():
            pytest.skip("there is no RTSP server: pip install aio-rtsp-toolkit")
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, clip: str = "clip.mp4", *, port: int | None = None, times: int = 0) -> str:
        """Of a clip that plays so often, for ever by default."""
        return f"rtsp://me:hunter2@127.0.0.1:{port or self.port}/{clip}?play_count={times}"

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [
                self._program, "--dir", self.folder, "--host", "127.0.0.1",
                "--port", str(self.port), "--control-port", str(free_port()),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not answers(self.port):
            assert self._process.poll() is None, "the camera did not start"
            assert time.monotonic() < deadline, "the camera does not answer"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def camera_clip(path: Path, **settings: object) -> Path:
    """Two seconds that a camera can serve: the server needs frames in the order of decoding."""
    return make_clip(path, **({"frames": 50, "size": (320, 180)} | settings))  # type: ignore[operator]


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Listener:
    """Takes connections at a port of its own, each in a thread, until it is closed."""

    def __init__(self, port: int = 0) -> None:
        self._closing = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._door = socket.create_server(("127.0.0.1", port))
        self.port = int(self._door.getsockname()[1])
        self._start(self._take)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        for one in (self._door, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def serve(self, client: socket.socket) -> None:
        """What happens with one connection."""

    def _start(self, action: object, *arguments: object) -> None:
        thread = threading.Thread(target=action, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _take(self) -> None:
        with suppress(OSError):
            while not self._closing.is_set():
                client, _ = self._door.accept()
                self._sockets.append(client)
                self._start(self._serve_quietly, client)

    def _serve_quietly(self, client: socket.socket) -> None:
        with suppress(OSError):
            self.serve(client)


class Porter(Listener):
    """Answers every request with one and the same status, or never."""

    def __init__(self, status: str | None, port: int = 0) -> None:
        """status: '401 Unauthorized'; None says nothing."""
        self._status = status
        self.requests = 0
        super().__init__(port)

    def serve(self, client: socket.socket) -> None:
        waiting = b""
        while data := client.recv(65536):
            waiting += data
            while b"\r\n\r\n" in waiting:
                request, _, waiting = waiting.partition(b"\r\n\r\n")
                self.requests += 1
                if self._status is not None:
                    client.sendall(answer(request, self._status))


def answer(request: bytes, status: str) -> bytes:
    number = next(
        (line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq")), b"CSeq: 1"
    )
    login = BASIC if status.startswith("401") else b""
    return b"RTSP/1.0 " + status.encode() + b"\r\n" + number + b"\r\n" + login + b"\r\n"


class Proxy(Listener):
    """Passes connections on to another port, `target`; those that are open stay where they are."""

    def __init__(self, target: int, *, loss: float = 0.0, clock: float = 1.0) -> None:
        """loss: the share of the camera's RTP packets that never arrive; clock: how fast the
        stamps of the others run."""
        self.target, self._loss, self._clock = target, loss, clock
        self._random = random.Random(4)
        self._flowing = threading.Event()
        self._flowing.set()
        self._spoilt = False
        super().__init__()

    def freeze(self) -> None:
        """Pass nothing on any more, in either direction, and break nothing off."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on what has been held up, and all that follows."""
        self._flowing.set()

    def spoil(self) -> None:
        """Break off, and pass on to later connections only pictures that cannot be decoded."""
        self._spoilt = True
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(self, client: socket.socket) -> None:
        self.pass_on(client)

    def pass_on(self, client: socket.socket, begun: bytes = b"") -> None:
        """begun: what the client has said already."""
        self._flowing.wait()
        camera = socket.create_connection(("127.0.0.1", self.target), 5)
        camera.settimeout(None)
        self._sockets.append(camera)
        camera.sendall(begun)
        self._start(self._pass_quietly, client, camera, False)
        self._pass_quietly(camera, client, self._loss > 0 or self._clock != 1 or self._spoilt)

    def _pass_quietly(self, source: socket.socket, target: socket.socket, changed: bool) -> None:
        with suppress(OSError):
            waiting = b""
            while data := source.recv(65536):
                self._flowing.wait()
                passed, waiting = self._changed(waiting + data) if changed else (data, b"")
                target.sendall(passed)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _changed(self, data: bytes) -> tuple[bytes, bytes]:
        """Whole messages with less or other RTP packets, and the beginning of the next one."""
        passed = b""
        while data:
            size = message_size(data)
            if size is None or len(data) < size:
                break
            is_picture = data[:1] == PACKET and data[1] % 2 == 0
            if not is_picture:
                passed += data[:size]
            elif self._random.random() >= self._loss:
                stamp = round(int.from_bytes(data[8:12], "big") * self._clock) % 2**32
                # of what is spoilt, the header of the packet and that of its NAL unit stay
                kept = 18 if self._spoilt else size
                passed += data[:8] + stamp.to_bytes(4, "big") + data[12:size][: kept - 12]
                passed += bytes(max(0, size - kept))
            data = data[size:]
        return passed, data


class Gatekeeper(Proxy):
    """Passes on those who know the password, as cameras do."""

    def __init__(self, target: int, login: str, *, digest: bool = False) -> None:
        """login: user:password; digest: it must not travel in the clear (RFC 2617)."""
        self._login, self._digest = login, digest
        self.refused = 0
        super().__init__(target)

    def serve(self, client: socket.socket) -> None:
        waiting = b""
        while data := client.recv(65536):
            waiting += data
            while b"\r\n\r\n" in waiting:
                request, _, rest = waiting.partition(b"\r\n\r\n")
                if self._knows(request.decode()):
                    return self.pass_on(client, waiting)
                self.refused += 1
                refusal = answer(request, "401 Unauthorized")
                if self._digest:
                    refusal = refusal.replace(BASIC, DIGEST)
                client.sendall(refusal)
                waiting = rest
        return None

    def _knows(self, request: str) -> bool:
        if not self._digest:
            return base64.b64encode(self._login.encode()).decode() in request
        said = dict(re.findall(r'(\w+)="([^"]*)"', request))
        user, _, password = self._login.partition(":")
        method = request.split(" ", 1)[0]
        secret = md5(f"{user}:camera:{password}")
        place = md5(f"{method}:{said.get('uri')}")
        return said.get("response") == md5(f"{secret}:{NONCE}:{place}")


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def message_size(data: bytes) -> int | None:
    """Bytes of the message that the data begins with; None where that is not known yet."""
    if data[:1] == PACKET:
        return 4 + int.from_bytes(data[2:4], "big") if len(data) >= 4 else None
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    sizes = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    ]
    return len(head) + 4 + sum(sizes)
