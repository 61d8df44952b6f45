"""A camera that is attached is watched until somebody ends it, whoever dies meanwhile."""

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from mien.contract.errors import JobError
from mien.jobs.queue import Jobs
from tests.broadcast import broadcasting
from tests.cameras import Camera, Porter, camera_clip
from tests.deployment import Cli, Daemon, horses, nursery, stream_worker
from tests.publishing import listening
from tests.servers import Server, free_port
from tests.waiting import wait_for

SECRET = {"MIEN_SECRET": "the secret of the house"}
IMAGE_MS = 20


@pytest.fixture(scope="module")
def camera(folder: Path) -> Iterator[Camera]:
    (folder / "camera").mkdir()
    camera_clip(folder / "camera" / "clip.mp4")
    with Camera(folder / "camera") as camera:
        yield camera


@pytest.fixture(scope="module")
def _analyzer(server: Server, folder: Path) -> Iterator[Daemon]:
    with nursery(server, folder / "analyzer.log", 1, "fake", -1, IMAGE_MS) as daemon:
        yield daemon


@pytest.fixture
def worker(server: Server, tmp_path: Path) -> Iterator[Daemon]:
    with stream_worker(server, tmp_path / "stream.log", env=SECRET) as daemon:
        yield daemon


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Cli:
    return Cli(server, tmp_path / "job")


def attach(cli: Cli, url: str, *options: object) -> str:
    """With the address on standard input, as a careful user gives it."""
    arguments = ("attach", "-", "--results", "r.jsonl", *options)
    done = cli(*arguments, stdin=url + "\n", env=SECRET)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def await_live(cli: Cli, job: str, frames: int) -> dict[str, Any]:
    wait_for(lambda: cli.status(job)["state"] == "running" and cli.status(job)["done"] > frames)
    return cli.status(job)


def cancel(cli: Cli, job: str) -> dict[str, Any]:
    with Jobs(cli.server.url) as jobs:
        jobs.cancel(job)
    return cli.await_state(job, "cancelled", "failed")


def shown(path: Path) -> int:
    """How many pictures a player sees."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def results(cli: Cli) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (cli.folder / "r.jsonl").read_text().splitlines()]


def recordings(cli: Cli) -> list[Path]:
    return sorted(cli.folder.glob("cam-*.mkv"))


def is_ended(cli: Cli) -> bool:
    """Whether players are told that nothing more will come."""
    return "#EXT-X-ENDLIST" in (cli.folder / "live.m3u8").read_text()


def in_place(cli: Cli, *names: str) -> list[str]:
    return [str(cli.folder / name) for name in names]


def assert_time_goes_forward(lines: list[dict[str, Any]]) -> None:
    for before, after in pairwise(lines):
        assert before["time_s"] <= after["time_s"]
        assert before["epoch"] <= after["epoch"]
        assert before["utc"] <= after["utc"]


@pytest.mark.usefixtures("_analyzer", "worker")
def test_a_camera_is_watched_until_it_is_cancelled(cli: Cli, camera: Camera) -> None:
    address = f"rtsp://127.0.0.1:{free_port()}/out"
    with listening(address) as listener:
        listener.wait_until_it_listens()
        target = address.replace("//", "//me:hunter3@")
        job = attach(cli, camera.url(), "-o", "cam.mkv", "-o", "live.m3u8", "-o", target)
        status = await_live(cli, job, 75)
        line = cli("status", job).stdout
        listener.wait_for(25)
        assert cli("cancel", job).stdout == f"{job} is being cancelled\n"
        ended = cli.await_state(job, "cancelled", "failed")
    assert (ended["state"], ended["error"]) == ("cancelled", None)
    assert status["live"]["fps"] > 0
    assert status["live"]["latency_p95_s"] > 0
    assert "latency" in line
    assert "hunter" not in line + json.dumps(status) + json.dumps(ended)
    assert shown(cli.folder / "live.m3u8") > 0
    (recording,) = recordings(cli)
    assert shown(recording) >= 75
    assert str(cli.folder / "cam-*.mkv") in ended["outputs"]
    assert_time_goes_forward(results(cli))
    with cli.server.client() as client:
        everything = b"".join(client.dump(key) or b"" for key in client.scan_iter())
    assert b"hunter" not in everything


@pytest.mark.usefixtures("_analyzer", "worker")
def test_who_follows_a_camera_s_job_to_its_cancel_exits_as_from_a_run_that_was_ended(
    cli: Cli, camera: Camera
) -> None:
    options = ("-o", "cam.mkv", "--id", "followed", "--wait")
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(attach, cli, camera.url(), *options)
        with Jobs(cli.server.url) as jobs:
            wait_for(lambda: jobs.has("followed"))
        await_live(cli, "followed", 25)
        cancel(cli, "followed")
        assert following.result().splitlines()[0] == "followed"
    (recording,) = recordings(cli)
    assert shown(recording) >= 25


@pytest.mark.usefixtures("_analyzer", "worker")
def test_a_live_playlist_is_watched_as_a_camera_is(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "broadcast").mkdir()
    with broadcasting(tmp_path / "broadcast", 40) as address:
        job = attach(cli, address, "-o", "cam.mkv")
        await_live(cli, job, 75)
        ended = cancel(cli, job)
    assert (ended["state"], ended["error"]) == ("cancelled", None)
    (recording,) = recordings(cli)
    assert shown(recording) >= 75
    assert_time_goes_forward(results(cli))


@pytest.mark.usefixtures("_analyzer")
def test_the_death_of_its_worker_is_an_outage_and_no_more(
    cli: Cli, camera: Camera, worker: Daemon, server: Server, tmp_path: Path
) -> None:
    job = attach(cli, camera.url(), "-o", "cam.mkv")
    await_live(cli, job, 50)
    for pid in (*horses(worker), worker.pid):
        os.kill(pid, signal.SIGKILL)
    before = len(results(cli))
    with stream_worker(server, tmp_path / "second.log", env=SECRET):
        wait_for(lambda: cli.status(job)["attempts"] == 2)
        await_live(cli, job, 50)
        cancel(cli, job)
    lines = results(cli)
    assert len(lines) > before
    assert_time_goes_forward(lines)
    assert {line["epoch"] for line in lines} == {0, 1}
    assert [line["event"] for line in lines if "event" in line] == ["outage"]
    first, second = recordings(cli)
    assert shown(first) > 25
    assert shown(second) > 25


@pytest.mark.usefixtures("_analyzer")
def test_a_worker_that_is_told_to_stop_hands_its_camera_on(
    cli: Cli, camera: Camera, worker: Daemon, server: Server, tmp_path: Path
) -> None:
    outputs = ("-o", "cam.mp4", "-o", "live.m3u8", "--report", "r.json")
    job = attach(cli, camera.url(), *outputs)
    await_live(cli, job, 75)
    worker.send(signal.SIGTERM)
    assert worker.wait(20) == 0
    status = cli.status(job)
    assert status["state"] == "queued"
    assert status["outputs"] == in_place(cli, "cam-*.mp4", "live.m3u8", "r.jsonl", "r.json")
    (first,) = cli.folder.glob("cam-*.mp4")
    assert shown(first) > 25
    assert not is_ended(cli), "players wait for the next attempt"
    with stream_worker(server, tmp_path / "second.log", env=SECRET):
        wait_for(lambda: cli.status(job)["attempts"] == 2)  # until then it tells of the first
        await_live(cli, job, 25)
        assert cancel(cli, job)["attempts"] == 2
    assert is_ended(cli)
    assert (cli.folder / "live.m3u8").read_text().count("#EXT-X-DISCONTINUITY\n") == 1
    assert_time_goes_forward(results(cli))


@pytest.mark.usefixtures("_analyzer", "worker")
@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_a_camera_s_job_that_is_tried_again_goes_on_with_its_own(
    cli: Cli, camera: Camera, options: tuple[str, ...]
) -> None:
    outputs = ("-o", "cam.mkv", "-o", "live.m3u8", "--report", "r.json")
    job = attach(cli, camera.url(), *outputs, *options)
    await_live(cli, job, 75)
    cancel(cli, job)
    before = results(cli)
    with Jobs(cli.server.url) as jobs:
        jobs.retry(job)
    await_live(cli, job, 75)
    ended = cancel(cli, job)
    assert (ended["state"], ended["error"], ended["attempts"]) == ("cancelled", None, 2)
    assert results(cli)[: len(before)] == before
    assert_time_goes_forward(results(cli))
    assert {line["epoch"] for line in results(cli)} == {0, 1}
    assert len(recordings(cli)) == 2
    assert (cli.folder / "live.m3u8").read_text().count("#EXT-X-DISCONTINUITY\n") == 1
    assert is_ended(cli)


@pytest.mark.usefixtures("_analyzer", "worker")
def test_a_camera_that_is_given_up_has_failed_and_leaves_all_it_showed(
    cli: Cli, folder: Path
) -> None:
    with Camera(folder / "camera") as camera:
        wish = ("-o", "cam.mkv", "-o", "live.m3u8", "--give-up-after", "2")
        job = attach(cli, camera.url(), *wish)
        await_live(cli, job, 75)
        camera.kill()
        ended = cli.await_state(job, "failed", "finished", "cancelled")
    assert ended["state"] == "failed"
    assert str(ended["error"]).startswith("given up: rtsp://")
    assert "gave no picture for 2 s (" in str(ended["error"])
    assert "hunter" not in json.dumps(ended)
    with Jobs(cli.server.url) as jobs:
        assert jobs.find(job).exit_code == JobError.exit_code
    assert ended["outputs"] == in_place(cli, "cam-*.mkv", "live.m3u8", "r.jsonl")
    assert is_ended(cli)
    assert shown(cli.folder / "live.m3u8") >= 75


@pytest.mark.usefixtures("_analyzer")
def test_a_camera_s_job_that_is_cancelled_while_it_waits_again_is_ended_as_a_whole(
    cli: Cli, folder: Path, worker: Daemon, server: Server, tmp_path: Path
) -> None:
    with Camera(folder / "camera") as camera:
        job = attach(cli, camera.url(), "-o", "cam.mkv", "-o", "live.m3u8")
        await_live(cli, job, 75)
        camera.kill()
        for pid in (*horses(worker), worker.pid):
            os.kill(pid, signal.SIGKILL)
        assert not is_ended(cli)
        with stream_worker(server, tmp_path / "second.log", env=SECRET):
            cli.await_state(job, "waiting for the source")
            ended = cancel(cli, job)
            wait_for(lambda: is_ended(cli))
    assert (ended["state"], ended["error"]) == ("cancelled", "cancelled between two attempts")
    assert ended["outputs"] == in_place(cli, "cam-*.mkv", "live.m3u8", "r.jsonl")


@pytest.mark.usefixtures("_analyzer", "worker")
def test_a_camera_that_is_not_there_yet_is_said_to_be_waited_for(cli: Cli, folder: Path) -> None:
    later = Camera(folder / "camera")
    job = attach(cli, later.url(), "-o", "cam.mkv")
    status = cli.await_state(job, "waiting for the source")
    assert "refused" in status["live"]["trouble"]
    assert "refused" in cli("jobs").stdout
    later.start()
    try:
        await_live(cli, job, 25)
        assert cancel(cli, job)["state"] == "cancelled"
    finally:
        later.kill()


@pytest.mark.usefixtures("worker")
def test_a_wrong_password_is_said_at_once_and_tried_again_slowly(cli: Cli, camera: Camera) -> None:
    with Porter("401 Unauthorized") as porter:
        job = attach(cli, camera.url(port=porter.port), "-o", "cam.mkv")
        status = cli.await_state(job, "waiting for the source")
        asked = porter.requests
        time.sleep(3)
        assert porter.requests == asked
    assert "(401)" in status["live"]["trouble"]
    assert "hunter2" not in json.dumps(status)
    began_s = time.monotonic()
    ended = cancel(cli, job)
    assert time.monotonic() - began_s < 10
    assert ended["state"] == "cancelled"
    assert [path.name for path in cli.folder.iterdir()] == []


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        ("clip.mp4", ["-o", "a.mp4"], "mien submit"),
        ("rtsp://me:hunter2@host/1", ["-o", "a.mp4"], "MIEN_SECRET"),
        ("rtsp://host/1", ["-o", "rtsp://me:hunter2@host/out"], "MIEN_SECRET"),
        ("rtsp://host/1", ["-o", "a.gif"], "a.gif"),
        ("rtsp://host/1", ["-o", "missing/a.mp4"], "there is no folder"),
        ("rtsp://host/1", ["--no-video", "--results", "r.parquet"], "Parquet"),
        ("http://host/live.m3u8", ["--no-video", "--results", "r.parquet"], "Parquet"),
        ("rtsp://host/1", ["-o", "a.mp4", "--segment", "0.5"], "segments last"),
        ("rtsp://host/1", ["--no-video", "--results", "notes.jsonl"], "no camera's results"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_queued(
    cli: Cli, source: str, options: list[str], sentence: str
) -> None:
    (cli.folder / "clip.mp4").touch()
    notes = cli.folder / "notes.jsonl"
    notes.write_text('{"precious": 1}')
    with Jobs(cli.server.url) as jobs:
        before = jobs.all()
    done = cli("attach", source, *options, env={"MIEN_SECRET": ""})
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "hunter2" not in done.stderr
    assert notes.read_text() == '{"precious": 1}'
    with Jobs(cli.server.url) as jobs:
        assert jobs.all() == before
