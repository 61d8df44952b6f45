"""A job over a server with three analyzers gives what `mien run` gives, whoever is killed."""

import os
import random
import signal
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.embedded import run as run_embedded
from tests.agreement import assert_agree
from tests.deployment import (
    Cli,
    Daemon,
    born,
    children,
    horses,
    is_alive,
    nursery,
    stream_worker,
)
from tests.faces import make_face_clip
from tests.servers import Server
from tests.waiting import wait_for

FRAMES = 120


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """With an append-only file: it may be killed and started again."""
    (folder / "server").mkdir()
    started = Server("valkey", folder / "server", persistent=True).start()
    yield started
    started.remove()


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return make_face_clip(folder / "face.mp4", frames=FRAMES, fps=Fraction(25))


@pytest.fixture(scope="module")
def wanted(clip: Path, folder: Path) -> Path:
    """What one process makes of the clip."""
    place = folder / "wanted"
    place.mkdir()
    run_embedded(
        RunRequest(
            str(clip),
            AnalysisRequest(analyze_fps=None),
            (OutputSettings(place / "out.mp4", None),),
            results=place / "results.jsonl",
            report=place / "report.json",
            device="cpu",
        )
    )
    return place


@pytest.fixture(scope="module")
def worker(server: Server, folder: Path) -> Iterator[Daemon]:
    with stream_worker(server, folder / "stream.log") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def analyzers(server: Server, folder: Path) -> Iterator[Daemon]:
    """Three of them; who is killed is born again at once."""
    with nursery(server, folder / "analyzers.log", 3, "real") as daemon:
        yield daemon


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Cli:
    return Cli(server, tmp_path / "job")


def submit(cli: Cli, clip: Path) -> str:
    done = cli(
        "submit", clip, "-o", "out.mp4", "--results", "results.jsonl", "--report", "report.json",
        "--analyze-fps", "all", "--id", cli.folder.parent.name,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def analysed(server: Server, job: str) -> int:
    """Frames that the log of a job's analyses holds."""
    with server.client() as client:
        return int(client.xlen(f"mien:log:{job}"))


def test_a_job_of_three_analyzers_gives_what_one_process_gives(
    worker: Daemon, analyzers: Daemon, cli: Cli, clip: Path, wanted: Path
) -> None:
    job = submit(cli, clip)
    status = cli.await_state(job, "finished", "failed")
    times = [status.pop(f"{name}_s") for name in ("created", "started", "ended")]
    assert times == sorted(times)
    assert status.pop("fps") > 0
    assert status == {
        "id": job, "state": "finished", "source": str(clip), "exit_code": 0,
        "done": FRAMES, "total": FRAMES, "attempts": 1,
        "eta_s": None, "error": None, "live": None,
        "outputs": [str(cli.folder / name) for name in ("out.mp4", "results.jsonl", "report.json")],
    }  # fmt: skip
    assert_agree(cli.folder, wanted)


def test_analyzers_killed_ten_times_cost_no_frame(
    worker: Daemon, analyzers: Daemon, cli: Cli, clip: Path, wanted: Path
) -> None:
    job, moments = submit(cli, clip), random.Random(1)
    for number in range(10):
        wait_for(lambda: analysed(cli.server, job) > number * FRAMES / 18)  # noqa: B023
        time.sleep(moments.uniform(0, 0.05))
        victim = moments.choice([pid for pid in born(analyzers) if is_alive(pid)])
        os.kill(victim, signal.SIGKILL)
        assert analysed(cli.server, job) < FRAMES
    assert cli.await_state(job, "finished", "failed")["state"] == "finished"
    assert_agree(cli.folder, wanted)


def test_a_killed_work_horse_is_followed_by_another_attempt(
    worker: Daemon, analyzers: Daemon, cli: Cli, clip: Path, wanted: Path
) -> None:
    job = submit(cli, clip)
    wait_for(lambda: analysed(cli.server, job) > 20)
    (horse,) = horses(worker)
    os.kill(horse, signal.SIGKILL)
    status = cli.await_state(job, "finished", "failed")
    assert (status["state"], status["attempts"]) == ("finished", 2)
    assert_agree(cli.folder, wanted)


def test_after_a_killed_stream_worker_its_analyses_are_used_again(
    worker: Daemon, analyzers: Daemon, cli: Cli, clip: Path, wanted: Path
) -> None:
    job = submit(cli, clip)
    wait_for(lambda: analysed(cli.server, job) > 40)
    analyzers.signal(signal.SIGSTOP)
    try:
        time.sleep(0.3)
        there = analysed(cli.server, job)
        (horse,) = horses(worker)
        process = next(pid for pid in children(worker.pid) if horse in children(pid))
        os.kill(process, signal.SIGKILL)
        wait_for(lambda: not is_alive(horse), 20)
        wait_for(lambda: cli.status(job)["attempts"] == 2, 30)
        # three analyzers hold four frames each, and what lies behind the first has to wait
        wait_for(lambda: cli.status(job)["done"] >= there - 12, 20)
    finally:
        analyzers.signal(signal.SIGCONT)
    assert cli.await_state(job, "finished", "failed")["state"] == "finished"
    assert_agree(cli.folder, wanted)
    assert not [path for path in cli.folder.iterdir() if "partial" in path.name]


def test_a_killed_server_that_kept_its_file_costs_no_frame(
    worker: Daemon, analyzers: Daemon, cli: Cli, clip: Path, wanted: Path
) -> None:
    job = submit(cli, clip)
    wait_for(lambda: analysed(cli.server, job) > 20)
    cli.server.kill()
    time.sleep(1)
    cli.server.start()
    status = cli.await_state(job, "finished", "failed")
    assert (status["state"], status["attempts"]) == ("finished", 1)
    assert_agree(cli.folder, wanted)


def test_a_poisonous_frame_costs_itself_and_no_other(
    worker: Daemon, analyzers: Daemon, cli: Cli, clip: Path, wanted: Path, folder: Path
) -> None:
    analyzers.signal(signal.SIGSTOP)
    try:
        with nursery(cli.server, folder / "poisonable.log", 2, "real", 33) as poisonable:
            job = submit(cli, clip)
            assert cli.await_state(job, "finished", "failed")["state"] == "finished"
            assert len(born(poisonable)) == 2 + 5
    finally:
        analyzers.signal(signal.SIGCONT)
    assert_agree(cli.folder, wanted, but=(33,))
