"""What stream workers and analyzers do when they are told to stop, and what they leave behind."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
import redis

from mien.jobs.queue import Jobs
from tests.agreement import lines_of, times_of
from tests.broadcast import Silent, served
from tests.deployment import (
    Cli,
    Daemon,
    analyzer,
    children,
    horses,
    is_alive,
    nursery,
    state_of,
    stopping,
    stream_worker,
)
from tests.faces import make_face_clip
from tests.servers import REFUSALS, Server
from tests.waiting import wait_for

FRAMES = 100
IMAGE_MS = 20
STOP = "stop"


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return make_face_clip(folder / "face.mp4", frames=FRAMES, fps=Fraction(25), size=(160, 120))


@pytest.fixture(scope="module")
def analyzers(server: Server, folder: Path) -> Iterator[Daemon]:
    """Two that see the same face everywhere, and take their time."""
    log = folder / "analyzers.log"
    with nursery(server, log, 2, "fake", -1, IMAGE_MS, folder / STOP) as daemon:
        yield daemon


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Cli:
    return Cli(server, tmp_path / "job")


def submit(cli: Cli, clip: Path | str) -> str:
    done = cli(
        "submit", clip, "-o", "out.mp4", "--results", "r.jsonl", "--analyze-fps", "all",
        "--id", cli.folder.parent.name,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def running(cli: Cli, clip: Path | str, analyzers: Daemon) -> Iterator[str]:
    """A job that has written frames and cannot write its last before the end of the block."""
    with stopping(analyzers, analyzers.log.with_name(STOP)):
        job = submit(cli, clip)
        wait_for(lambda: state_of(analyzers.pid) == "T")
        cli.await_state(job, "running")
        yield job


def assert_whole(cli: Cli, job: str, attempts: int = 1) -> None:
    status = cli.await_state(job, "finished", "failed")
    assert (status["state"], status["attempts"], status["error"]) == ("finished", attempts, None)
    assert [line["frame"] for line in lines_of(cli.folder / "r.jsonl")] == list(range(FRAMES))
    assert len(times_of(cli.folder / "out.mp4")) == FRAMES
    assert {path.name for path in cli.folder.iterdir()} == {"out.mp4", "r.jsonl"}


def works_of(client: redis.Redis, job: str) -> list[bytes]:
    """The keys of the streams on which a job puts out its pictures."""
    return list(client.scan_iter(f"mien:work:{job}:*"))


def was_told_to_stop(cli: Cli) -> bool:
    """Whether RQ's worker has taken note of it."""
    with cli.server.client() as client:
        workers = client.smembers("rq:workers")
        return any(client.hexists(name, "shutdown_requested_date") for name in workers)


def test_a_stream_worker_that_is_told_to_stop_finishes_its_job(
    analyzers: Daemon, cli: Cli, clip: Path, tmp_path: Path
) -> None:
    with stream_worker(cli.server, tmp_path / "log") as worker:
        with running(cli, clip, analyzers) as job:
            (horse,) = horses(worker)
            maps = Path(f"/proc/{horse}/maps").read_text()
            assert "libav" in maps
            assert "libtorch" not in maps
            worker.send(signal.SIGTERM)
            time.sleep(0.5)
            assert is_alive(horse)
        assert worker.wait() == 0
        assert "Traceback" not in worker.text()
    assert_whole(cli, job)


def test_a_stream_worker_that_is_told_twice_hands_its_job_back(
    analyzers: Daemon, cli: Cli, clip: Path, tmp_path: Path
) -> None:
    with (
        stream_worker(cli.server, tmp_path / "log") as worker,
        running(cli, clip, analyzers) as job,
    ):
        assert list(cli.folder.iterdir())
        worker.send(signal.SIGTERM)
        wait_for(lambda: was_told_to_stop(cli))
        time.sleep(1.2)  # RQ takes two signals within a second for one
        assert worker.is_running()
        worker.send(signal.SIGTERM)
        worker.wait()
        assert "Traceback" not in worker.text()
        assert list(cli.folder.iterdir()) == []
        assert cli.status(job)["state"] == "queued"
        with cli.server.client() as client:
            assert client.hget(f"rq:job:{job}", "retries_left") == b"3"
    with stream_worker(cli.server, tmp_path / "log"):
        assert_whole(cli, job, attempts=2)


def test_with_the_first_process_of_a_stream_worker_all_die(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    worker = stream_worker(cli.server, tmp_path / "log", "--concurrency", 2)
    with worker, running(cli, clip, analyzers) as job:
        family = [*children(worker.pid), *horses(worker)]
        assert len(family) == 4  # two workers, the horse of one, and who serves the metrics
        worker.send(signal.SIGKILL)
        wait_for(lambda: not any(map(is_alive, family)), 5)
    with stream_worker(cli.server, tmp_path / "log"):
        assert_whole(cli, job, attempts=2)


def test_an_attempt_that_was_overtaken_ends_quietly(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    """A worker that was cut off wakes up when its job is with another."""
    with stream_worker(cli.server, tmp_path / "log", "--concurrency", 2) as worker:
        with running(cli, clip, analyzers) as job:
            (horse,) = horses(worker)
            asleep = [next(pid for pid in children(worker.pid) if horse in children(pid)), horse]
            for pid in asleep:
                os.kill(pid, signal.SIGSTOP)
            wait_for(lambda: cli.status(job)["attempts"] == 2, 30)
            for pid in asleep:
                os.kill(pid, signal.SIGCONT)
            wait_for(lambda: not is_alive(horse), 20)
        assert_whole(cli, job, attempts=2)
        assert "taken over" in worker.text()
        assert "Traceback" not in worker.text()


def test_a_server_that_forgets_everything_costs_no_frame_of_a_running_job(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    with stream_worker(cli.server, tmp_path / "log"):
        with running(cli, clip, analyzers) as job:
            cli.server.kill()
            time.sleep(0.5)
            cli.server.start()
            with Jobs(cli.server.url) as jobs:
                wait_for(jobs.all, 20)
        assert_whole(cli, job)


@pytest.mark.parametrize("setting", REFUSALS)
def test_a_server_that_refuses_ends_no_job_and_no_worker(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path, setting: str
) -> None:
    log = tmp_path / "log"
    with stream_worker(cli.server, log, "--concurrency", 2) as worker:
        with running(cli, clip, analyzers) as job:
            family = {*children(worker.pid), *horses(worker)}
            with cli.server.refusing(setting):
                time.sleep(10)  # longer than who says nothing is taken for alive
            cli.await_state(job, "running")
            time.sleep(3)
            assert family == {*children(worker.pid), *horses(worker)}
        assert_whole(cli, job)
        assert "Traceback" not in worker.text()


def test_a_running_job_is_cancelled_and_leaves_nothing_but_its_record(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    with stream_worker(cli.server, tmp_path / "log"):
        with running(cli, clip, analyzers) as job:
            assert cli("cancel", job).stdout == f"{job} is being cancelled\n"
            status = cli.await_state(job, "cancelled", timeout_s=10)
            assert status["error"] == "cancelled; nothing was written"
            assert list(cli.folder.iterdir()) == []
        assert cli("retry", job).returncode == 0
        assert_whole(cli, job, attempts=2)
    with cli.server.client() as client:
        mine = {key.decode(): int(client.ttl(key)) for key in client.scan_iter(f"*{job}*")}
        assert client.strlen(f"mien:job:{job}") < 4000
    assert mine.pop(f"mien:job:{job}") > 600_000
    assert all(0 < ttl_s <= 3600 for ttl_s in mine.values())


@pytest.mark.parametrize("place", ["disk", "web"])
def test_a_video_that_was_replaced_before_a_retry_is_analysed_anew(
    cli: Cli, analyzers: Daemon, tmp_path: Path, place: str
) -> None:
    def make(size: tuple[int, int]) -> Path:
        return make_face_clip(tmp_path / "mine.mkv", frames=FRAMES, fps=Fraction(25), size=size)

    mine = make((160, 120))
    with (
        served(partial(Silent, directory=tmp_path)) as host,
        stream_worker(cli.server, tmp_path / "log"),
        cli.server.client() as client,
        Jobs(cli.server.url) as jobs,
    ):
        source = f"http://{host}/mine.mkv" if place == "web" else mine
        with running(cli, source, analyzers) as job:
            jobs.cancel(job)
            cli.await_state(job, "cancelled", timeout_s=10)
        ((last, _),) = client.xrevrange(f"mien:log:{job}", count=1)
        make((176, 144))
        jobs.retry(job)
        assert_whole(cli, job, attempts=2)
        ((first, _),) = client.xrange(f"mien:log:{job}", count=1)
        assert client.xlen(f"mien:log:{job}") == FRAMES
    assert first > last, "what was analysed before is not there any more"


def test_an_analyzer_that_is_told_to_stop_finishes_or_hands_back_what_it_took(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    analyzers.signal(signal.SIGSTOP)  # so that the real one has all the work
    try:
        with (
            stream_worker(cli.server, tmp_path / "stream") as worker,
            analyzer(cli.server, tmp_path / "log", "--device", "cpu") as real,
            cli.server.client() as client,
        ):
            real.signal(signal.SIGSTOP)
            job = submit(cli, clip)
            wait_for(lambda: any(client.xlen(work) == FRAMES for work in works_of(client, job)))
            (horse,) = horses(worker)
            os.kill(horse, signal.SIGSTOP)  # so that the job cannot end before it is looked at
            try:
                real.signal(signal.SIGCONT)
                wait_for(lambda: client.xlen(f"mien:log:{job}"))
                real.send(signal.SIGTERM)
                assert real.wait() == 0
                assert "Traceback" not in real.text()
                (work,) = works_of(client, job)
                assert client.xpending(work, "analyzers")["pending"] <= 8  # the sleepers' own
            finally:
                os.kill(horse, signal.SIGCONT)
            analyzers.signal(signal.SIGCONT)
            assert_whole(cli, job)
    finally:
        analyzers.signal(signal.SIGCONT)


@pytest.mark.parametrize("kind", ["stream", "analyzer"])
def test_a_worker_without_a_server_says_so_in_one_line(cli: Cli, kind: str) -> None:
    done = cli("worker", kind, url="redis://127.0.0.1:1/0")
    assert done.returncode == 5
    assert done.stderr.count("\n") == 1
    assert "cannot reach the server at 127.0.0.1:1" in done.stderr


def test_an_analyzer_for_a_device_that_is_not_there_takes_no_work(cli: Cli) -> None:
    done = cli("worker", "analyzer", "--device", "cuda:99")
    assert (done.returncode, done.stderr) == (2, "mien: this machine has no cuda:99\n")


def test_a_stream_worker_whose_root_is_missing_says_so(cli: Cli) -> None:
    done = cli("worker", "stream", "--input-root", "missing")
    assert done.returncode == 2
    assert "missing" in done.stderr
