"""The HTTP server of a worker: `/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from mien.contract.atomic import reason
from mien.contract.errors import UsageError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

FIRST_PORT = 9464
"""Where a search begins; it is the customary port of exporters."""
MOST_PORTS = 100
TEXT = (("Content-Type", "text/plain; charset=utf-8"),)

Check = Callable[[], str | None]
"""The problem in one sentence, or None where there is none. It must be quick."""

_log = logging.getLogger(__name__)


def listen(port: int | None, host: str = "") -> socket.socket | None:
    """A socket that listens for connections: at `port`, or at the first free one.

    `host` is an address of this machine, empty for all. None for port 0, and where nobody asked for
    one and none is free: a worker works without.

    Raises:
        UsageError: the address is not here; the port is taken, or not for this user.
    """
    if port == 0:
        return None
    for candidate in [port] if port else range(FIRST_PORT, FIRST_PORT + MOST_PORTS):
        try:
            return _listen_at(candidate, host)
        except OSError as error:
            why = reason(error.errno, error.strerror or "it cannot be opened").lower()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                if host:
                    raise UsageError(
                        f"metrics cannot be served at {host} ({why}): "
                        "give an address of this machine with --metrics-host"
                    ) from error
                break
            if port:
                raise UsageError(
                    f"the port {port} for metrics cannot be opened ({why}): "
                    "give another one with --metrics-port"
                ) from error
    _log.warning("there is no port for metrics: they are not served")
    return None


def serve(
    listener: socket.socket, collectors: Iterable[Collector], liveness: Check, readiness: Check
) -> None:
    """Answer at a listening socket from now on, in threads that end with the process."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(_Alone(collector))
    metrics = make_wsgi_app(registry)
    checks = {"/healthz": liveness, "/readyz": readiness}

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            pages: Iterable[bytes] = metrics(environ, start)
            return pages
        if path not in checks:
            start("404 Not Found", list(TEXT))
            return [b"/metrics, /healthz and /readyz are here\n"]
        problem = checks[path]()
        start("503 Service Unavailable" if problem else "200 OK", list(TEXT))
        return [f"{problem or 'ok'}\n".encode()]

    server = _Server(listener)
    server.set_app(answer)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    _log.info("metrics are at port %d", server.server_port)


class _Alone(Collector):
    """A collector that fails for itself: the others' series are there all the same."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Family]:
        try:
            yield from self._collector.collect()
        except Exception:  # noqa: BLE001 - who is scraped has to tell the rest
            _log.exception("a bug in mien: some metrics are missing")


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request: a probe must not wait for a slow scrape."""

    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        # by hand: the library would ask the name service who we are, which may take a minute
        self.server_name, self.server_port = socket.gethostname(), int(listener.getsockname()[1])
        self.setup_environ()

    def server_close(self) -> None:
        TCPServer.server_close(self)  # and no waiting for threads


class _Handler(WSGIRequestHandler):
    timeout = 10
    """For a client that says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Nobody wants to read of every scrape."""


def _listen_at(port: int, host: str) -> socket.socket:
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=16)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=16
            )
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return socket.create_server(("", port), backlog=16)
