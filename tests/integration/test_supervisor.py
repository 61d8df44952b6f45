"""The supervisor of stream workers: whoever dies, and whenever it is told to stop."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.environment import REDIS_URL
from mien.jobs.queue import Jobs
from tests.deployment import Daemon, catches, children, is_alive, stream_worker
from tests.monitoring import fetch
from tests.servers import Server, free_port
from tests.waiting import wait_for

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

TOLD_JUST_BEFORE_THE_FORK = """
import os, signal
from mien.jobs import supervisor
from mien.jobs.stream_worker import StreamWorker
prepare = StreamWorker.prepare_execution
def prepare_and_stop(worker, job):
    execution = prepare(worker, job)
    os.kill(os.getpid(), signal.SIGTERM)
    return execution
StreamWorker.prepare_execution = prepare_and_stop
supervisor.work({url!r})
"""

WITH_A_JOB_THAT_HEARS_NO_SIGNAL = """
import signal, time
from mien.jobs import horse, supervisor
def run(job):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    while True:
        time.sleep(1)
horse.run = run
supervisor.work({url!r})
"""

WORKERS_WITH_A_BUG = """
def work(url):
    raise ZeroDivisionError("rtsp://me:hunter2@camera")
supervisor.work = work
"""

WORKERS_WITHOUT_A_SERVER = """
import redis
def work(url):
    raise redis.ConnectionError("away")
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


def test_a_camera_that_is_just_being_begun_when_its_worker_is_told_to_stop_is_handed_on(
    server: Server, tmp_path: Path
) -> None:
    absent = f"rtsp://127.0.0.1:{free_port()}/1"
    wish = RunRequest(
        absent, AnalysisRequest(), (OutputSettings(tmp_path / "cam.mkv", None),), attached=True
    )
    script, env = TOLD_JUST_BEFORE_THE_FORK.format(url=server.url), {REDIS_URL: server.url}
    with Jobs(server.url) as jobs:
        jobs.submit(wish, job="begun")
        with Daemon(sys.executable, "-c", script, log=tmp_path / "log", env=env) as daemon:
            assert daemon.wait() == 0
        found = jobs.find("begun")
        assert (found.state, found.attempts, found.error) == ("queued", 1, None)
        jobs.cancel("begun")


def test_a_job_that_does_not_end_when_asked_is_killed(server: Server, tmp_path: Path) -> None:
    wish = RunRequest("a.mp4", AnalysisRequest(), (OutputSettings(tmp_path / "out.mp4", None),))
    script = WITH_A_JOB_THAT_HEARS_NO_SIGNAL.format(url=server.url)
    with Jobs(server.url) as jobs:
        jobs.submit(wish, job="deaf")
        with Daemon(sys.executable, "-c", script, log=tmp_path / "log") as daemon:
            daemon.await_line("deaf")
            (horse,) = children(daemon.pid)
            daemon.send(signal.SIGTERM)
            time.sleep(1.5)  # RQ takes two signals within a second for one
            assert is_alive(horse)
            daemon.send(signal.SIGTERM)
            assert daemon.wait(20) == 0
            assert not is_alive(horse)
            assert "Traceback" not in daemon.text()
        jobs.cancel("deaf")


def test_a_worker_that_dies_of_a_bug_says_so(server: Server, tmp_path: Path) -> None:
    with supervisor(server, tmp_path / "log", WORKERS_WITH_A_BUG) as daemon:
        daemon.await_line("a bug in mien: a stream worker ended error=ZeroDivisionError")
        daemon.await_line("in work")  # where it happened
        assert "hunter2" not in daemon.text()
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0


def test_a_worker_that_loses_its_server_says_that_it_has_ended(
    server: Server, tmp_path: Path
) -> None:
    with supervisor(server, tmp_path / "log", WORKERS_WITHOUT_A_SERVER) as daemon:
        daemon.await_line("a stream worker has ended: away")
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0


def test_the_metrics_survive_their_process_while_workers_end(
    server: Server, tmp_path: Path
) -> None:
    port = free_port()
    with stream_worker(server, tmp_path / "log", "--metrics-port", port) as daemon:
        wait_for(lambda: fetch(port, "/readyz")[0] == 200)
        serving, working = children(daemon.pid)
        wait_for(lambda: catches(working, signal.SIGTERM))  # it is there before it takes jobs
        os.kill(working, signal.SIGSTOP)  # as a worker whose job takes its time
        daemon.send(signal.SIGTERM)
        wait_for(lambda: fetch(port, "/readyz") == (503, "its workers were told to stop\n"))
        os.kill(serving, signal.SIGKILL)
        daemon.await_line("the process of the metrics ended")
        wait_for(lambda: fetch(port, "/readyz") == (503, "its workers were told to stop\n"))
        os.kill(working, signal.SIGCONT)
        assert daemon.wait() == 0
    assert "bug" not in daemon.text()
