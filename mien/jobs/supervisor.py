"""`mien worker stream`: N RQ workers, one process each, kept alive until told to stop."""

from __future__ import annotations

import logging
import os
import signal
import time
from functools import partial
from types import FrameType

import redis

from mien.contract.errors import MienError
from mien.interrupts import LEAVE
from mien.jobs.horse import give_up
from mien.jobs.rq_queue import stream_queue
from mien.jobs.store import JobStore
from mien.jobs.stream_worker import StreamWorker, die_with
from mien.transport.redis_server import RedisServer

PAUSE_S = 1.0
"""Before a worker that ended by itself is started again."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


class Supervisor:
    """Forks the workers, starts them again, and passes on the wish to stop.

    On SIGTERM or SIGINT every worker finishes the job that it runs, or a camera's files, and the
    camera goes back to the queue; on the second it breaks off, and any job goes back.
    """

    def __init__(self, url: str, concurrency: int) -> None:
        """Raises `TransportError` where there is no server."""
        RedisServer(url).close()
        self._url = url
        self._concurrency = concurrency
        self._children: set[int] = set()
        self._stopping = False

    def run(self) -> None:
        """Returns when all workers have ended, after a signal."""
        for number in SIGNALS:
            signal.signal(number, self._pass_on)
        for _ in range(self._concurrency):
            self._start()
        _log.info("waiting for jobs")
        while self._children:
            child, status = os.wait()
            if child not in self._children:
                continue  # somebody's orphan, where this is the first process of a container
            self._children.discard(child)
            if not self._stopping:
                code = os.waitstatus_to_exitcode(status)
                _log.warning("a stream worker ended (%s); starting another", code)
                time.sleep(PAUSE_S)
            if not self._stopping:
                self._start()

    def _start(self) -> None:
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # none for the child's copy of us
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number in SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                die_with(parent)
                work(self._url)
                code = 0
            except (MienError, redis.RedisError) as error:
                _log.warning("a stream worker cannot begin: %s", error)
            finally:
                os._exit(code)  # what the parent has open is the parent's
        self._children.add(child)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for child in self._children:
            try:
                os.kill(child, signal.SIGTERM)
            except ProcessLookupError:
                continue


def work(url: str) -> None:
    """Carry out jobs until a signal says stop."""
    store = JobStore(RedisServer(url))
    connection = redis.Redis.from_url(url, protocol=2)
    signal.pthread_sigmask(signal.SIG_BLOCK, {LEAVE})  # its work horses', too
    worker = StreamWorker(stream_queue(connection), connection, partial(give_up, store))
    worker.work(logging_level="WARNING")
