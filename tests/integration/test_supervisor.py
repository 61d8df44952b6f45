"""The supervisor of stream workers: whoever dies, and whenever it is told to stop."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import Daemon, children, stream_worker, wait_for
from tests.monitoring import fetch
from tests.servers import Server, free_port

SCRIPT = """
import logging, os, signal, sys
from mien.jobs import supervisor
from mien.logs import set_up
set_up("text")
{change}
supervisor.Supervisor({url!r}, 3).run()
"""

TOLD_AMID_ITS_START = """
fork = os.fork
def fork_and_stop():
    child = fork()
    if child:
        os.kill(os.getpid(), signal.SIGTERM)
    return child
os.fork = fork_and_stop
"""

WORKERS_WITH_A_BUG = """
def work(url):
    raise ZeroDivisionError("rtsp://me:hunter2@camera")
supervisor.work = work
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server("valkey", tmp_path_factory.mktemp("server")).start()
    yield started
    started.remove()


def supervisor(server: Server, log: Path, change: str) -> Daemon:
    script = SCRIPT.format(url=server.url, change=change)
    return Daemon(sys.executable, "-c", script, log=log)


def test_a_wish_to_stop_that_comes_amid_the_start_is_heard(server: Server, tmp_path: Path) -> None:
    with supervisor(server, tmp_path / "log", TOLD_AMID_ITS_START) as daemon:
        assert daemon.wait() == 0


def test_a_worker_that_dies_of_a_bug_says_so(server: Server, tmp_path: Path) -> None:
    with supervisor(server, tmp_path / "log", WORKERS_WITH_A_BUG) as daemon:
        daemon.await_line("a bug in mien: a stream worker ended error=ZeroDivisionError")
        daemon.await_line("in work")  # where it happened
        assert "hunter2" not in daemon.text()
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0


def test_the_metrics_survive_their_process_while_workers_end(
    server: Server, tmp_path: Path
) -> None:
    port = free_port()
    with stream_worker(server, tmp_path / "log", "--metrics-port", port) as daemon:
        wait_for(lambda: fetch(port, "/readyz")[0] == 200)
        serving, working = children(daemon.pid)
        os.kill(working, signal.SIGSTOP)  # as a worker whose job takes its time
        daemon.send(signal.SIGTERM)
        wait_for(lambda: fetch(port, "/readyz") == (503, "its workers were told to stop\n"))
        os.kill(serving, signal.SIGKILL)
        daemon.await_line("the process of the metrics ended")
        wait_for(lambda: fetch(port, "/readyz") == (503, "its workers were told to stop\n"))
        os.kill(working, signal.SIGCONT)
        assert daemon.wait() == 0
    assert "bug" not in daemon.text()
