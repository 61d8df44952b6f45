"""`mien worker stream`: N RQ workers, one process each, kept alive until told to stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import NoReturn

import redis

from mien.contract.errors import MienError
from mien.interrupts import HAND_OVER, STOP_SIGNALS
from mien.jobs import environment
from mien.jobs.channel import Channel, ChannelWriter
from mien.jobs.exporter import Exporter
from mien.jobs.horse import give_up, is_endless, is_open
from mien.jobs.rq_queue import stream_queue
from mien.jobs.store import JobStore
from mien.jobs.stream_worker import StreamWorker, die_with_parent
from mien.transport.redis_server import RedisServer, Unreachable

PAUSE_S = 1.0
"""Before a worker that ended by itself is started again."""

WORKER, METRICS = "a stream worker", "the process of the metrics"
"""Names of the children in the log."""

_log = logging.getLogger(__name__)


class Supervisor:
    """Forks the workers, restarts them when they die, and forwards signals to stop.

    On SIGTERM or SIGINT every worker finishes the job that it runs, or a camera's files, and the
    camera goes back to the queue; on the second it aborts, and any job goes back. One more child
    serves their metrics.
    """

    def __init__(self, url: str, concurrency: int, listener: socket.socket | None = None) -> None:
        """listener: socket at which metrics are served, if they are.

        Raises:
            TransportError: there is no server.
        """
        RedisServer(url).close()
        self._url = url
        self._concurrency = concurrency
        self._listener = listener
        self._channel = Channel()
        os.environ.pop(environment.CHANNEL, None)
        if listener is not None:
            os.environ[environment.CHANNEL] = str(self._channel.writer_fd)
        self._messages = ChannelWriter()
        self._pid = os.getpid()
        self._children: set[int] = set()
        self._exporter: int | None = None
        self._stopping = False

    def run(self) -> None:
        """Returns when all workers have ended, after a signal to stop."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._forward_stop)
        self._start_exporter()
        for _ in range(self._concurrency):
            self._start_worker()
        _log.info("waiting for jobs")
        while self._children:
            child, status = os.wait()
            if child == self._exporter:
                self._exporter = None
                self._pause_before_restart(METRICS, status)
                self._start_exporter()  # also while jobs end, which may take an hour
            elif child in self._children:
                self._children.discard(child)
                self._messages.worker_died(child)
                if not self._stopping:
                    self._pause_before_restart(WORKER, status)
                    self._start_worker()
            # else an orphan, where this is the first process (PID 1) of a container
        if self._exporter is not None:
            os.kill(self._exporter, signal.SIGKILL)

    def _pause_before_restart(self, what: str, status: int) -> None:
        _log.warning("%s ended (%s); starting another", what, os.waitstatus_to_exitcode(status))
        time.sleep(PAUSE_S)

    def _start_worker(self) -> None:
        self._fork(WORKER, self._work, self._children.add)

    def _start_exporter(self) -> None:
        listener = self._listener
        if listener is None:
            return
        exporter = Exporter(self._url, self._concurrency)

        def started(child: int) -> None:
            self._exporter = child

        self._fork(METRICS, lambda: exporter.run(self._channel, listener, self._pid), started)
        if self._stopping:
            self._messages.draining()

    def _work(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        die_with_parent(self._pid)
        self._channel.reader.close()
        if self._listener is not None:
            self._listener.close()
        work(self._url)

    def _fork(self, what: str, action: Callable[[], None], started: Callable[[int], None]) -> None:
        """Run the action in a child, and pass its id to `started`; no worker while stopping.

        Signals are blocked meanwhile: else one would miss a child that is not registered yet, or
        run our handler in the child.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            if self._stopping and what == WORKER:
                return
            child = os.fork()
            if child == 0:
                _run_child(what, action)
            started(child)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _forward_stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for child in self._children:
            try:
                os.kill(child, signal.SIGTERM)
            except ProcessLookupError:
                continue
        self._messages.draining()


def _run_child(what: str, action: Callable[[], None]) -> NoReturn:
    """Run a child to its end; an error that ends it early is logged here."""
    code = 1
    try:
        action()
        code = 0
    except (MienError, redis.RedisError) as error:
        _log.warning("%s has ended: %s", what, error)
    except Exception:  # noqa: BLE001 - the top of a process: nothing else would log it
        _log.exception("a bug in mien: %s ended", what)
    finally:
        os._exit(code)  # without closing what the parent has open


def work(url: str) -> None:
    """Carry out jobs until a signal says stop."""
    store = JobStore(_connect(url))
    connection = redis.Redis.from_url(url, protocol=2)
    signal.pthread_sigmask(signal.SIG_BLOCK, {HAND_OVER})  # its work horses', too
    worker = StreamWorker(
        stream_queue(connection), connection,
        partial(give_up, store), partial(is_endless, store), partial(is_open, store),
    )  # fmt: skip
    worker.work(logging_level="WARNING")


def _connect(url: str) -> RedisServer:
    """Connect to the server, however long it is away; heartbeats go on meanwhile."""
    channel = ChannelWriter()
    while True:
        channel.heartbeat(os.getpid())
        try:
            return RedisServer(url, wait_s=PAUSE_S)
        except Unreachable:
            continue
