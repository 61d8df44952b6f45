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
from mien.interrupts import LEAVE
from mien.jobs import environment
from mien.jobs.channel import Channel, Voice
from mien.jobs.exporter import Exporter
from mien.jobs.horse import give_up, is_endless
from mien.jobs.rq_queue import stream_queue
from mien.jobs.store import JobStore
from mien.jobs.stream_worker import StreamWorker, die_with
from mien.transport.redis_server import RedisServer, Unreachable

PAUSE_S = 1.0
"""Before a worker that ended by itself is started again."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)

WORKER, METRICS = "a stream worker", "the process of the metrics"
"""What the children are, as it is told."""

_log = logging.getLogger(__name__)


class Supervisor:
    """Forks the workers, starts them again, and passes on the wish to stop.

    On SIGTERM or SIGINT every worker finishes the job that it runs, or a camera's files, and the
    camera goes back to the queue; on the second it breaks off, and any job goes back. One more
    child serves their metrics.
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
            os.environ[environment.CHANNEL] = str(self._channel.number)
        self._voice = Voice()
        self._pid = os.getpid()
        self._children: set[int] = set()
        self._exporter: int | None = None
        self._stopping = False

    def run(self) -> None:
        """Returns when all workers have ended, after a signal."""
        for number in SIGNALS:
            signal.signal(number, self._pass_on)
        self._start_exporter()
        for _ in range(self._concurrency):
            self._start_worker()
        _log.info("waiting for jobs")
        while self._children:
            child, status = os.wait()
            if child == self._exporter:
                self._exporter = None
                self._tell_end(METRICS, status)
                self._start_exporter()  # also while jobs end, which may take an hour
            elif child in self._children:
                self._children.discard(child)
                self._voice.died(child)
                if not self._stopping:
                    self._tell_end(WORKER, status)
                    self._start_worker()
            # else somebody's orphan, where this is the first process of a container
        if self._exporter is not None:
            os.kill(self._exporter, signal.SIGKILL)

    def _tell_end(self, what: str, status: int) -> None:
        _log.warning("%s ended (%s); starting another", what, os.waitstatus_to_exitcode(status))
        time.sleep(PAUSE_S)

    def _start_worker(self) -> None:
        self._fork(WORKER, self._work, self._born)

    def _born(self, child: int) -> None:
        self._children.add(child)

    def _start_exporter(self) -> None:
        listener = self._listener
        if listener is None:
            return
        exporter = Exporter(self._url, self._concurrency)

        def born(child: int) -> None:
            self._exporter = child

        self._fork(METRICS, lambda: exporter.run(self._channel, listener, self._pid), born)
        if self._stopping:
            self._voice.draining()

    def _work(self) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        die_with(self._pid)
        self._channel.reader.close()
        if self._listener is not None:
            self._listener.close()
        work(self._url)

    def _fork(self, what: str, action: Callable[[], None], born: Callable[[int], None]) -> None:
        """Have a child do it, which `born` notes; a worker only where nobody wishes the end.

        Signals wait meanwhile: else one that comes just now would pass by a child that is not noted
        yet, or meet the child's copy of us.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if self._stopping and what == WORKER:
                return
            child = os.fork()
            if child == 0:
                _live(what, action)
            born(child)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for child in self._children:
            try:
                os.kill(child, signal.SIGTERM)
            except ProcessLookupError:
                continue
        self._voice.draining()


def _live(what: str, action: Callable[[], None]) -> NoReturn:
    """All of a child's life; whatever ends it early is told here, or nowhere."""
    code = 1
    try:
        action()
        code = 0
    except (MienError, redis.RedisError) as error:
        _log.warning("%s has ended: %s", what, error)
    except Exception:  # noqa: BLE001 - the top of a process: nobody else would tell it
        _log.exception("a bug in mien: %s ended", what)
    finally:
        os._exit(code)  # what the parent has open is the parent's


def work(url: str) -> None:
    """Carry out jobs until a signal says stop."""
    store = JobStore(_reached(url))
    connection = redis.Redis.from_url(url, protocol=2)
    signal.pthread_sigmask(signal.SIG_BLOCK, {LEAVE})  # its work horses', too
    worker = StreamWorker(
        stream_queue(connection), connection, partial(give_up, store), partial(is_endless, store)
    )
    worker.work(logging_level="WARNING")


def _reached(url: str) -> RedisServer:
    """The server; it is waited for, and meanwhile this worker is heard."""
    voice = Voice()
    while True:
        voice.pulse(os.getpid())
        try:
            return RedisServer(url, wait_s=PAUSE_S)
        except Unreachable:
            continue
