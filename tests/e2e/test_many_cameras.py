"""Eight cameras on one stream worker: all go on, and nothing grows."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.jobs.queue import Jobs
from tests.agreement import lines_of
from tests.cameras import Camera, camera_clip
from tests.deployment import Cli, horses, nursery, stream_worker
from tests.e2e.forkserver import ForkServer
from tests.servers import Server
from tests.waiting import wait_for

CAMERAS = 8
SETTLE_FRAMES = 150
WATCHED_S = 20.0
GROWTH_MB = 12.0
"""What the allocator may still take in twenty seconds, a process."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    started = Server("valkey", tmp_path / "server").start()
    yield started
    started.remove()


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def test_eight_cameras_go_on_and_nothing_grows(
    forks: ForkServer, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    camera_clip(folder / "clip.mp4")
    cli = Cli(server, tmp_path / "job")
    names = [f"cam{number}" for number in range(CAMERAS)]
    with (
        Camera(folder) as camera,
        nursery(server, tmp_path / "analyzer.log", 1, "fake", -1, 5),
        stream_worker(server, tmp_path / "stream.log", "-c", CAMERAS) as worker,
        Jobs(server.url) as jobs,
    ):
        for name in names:
            url = camera.url().replace("me:hunter2@", "")
            done = forks.run(
                ["attach", url, "-o", f"{name}.mkv", "--results", f"{name}.jsonl", "--id", name,
                 "--preset", "ultrafast", "--redis-url", server.url], cli.folder,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        wait_for(lambda: all(cli.status(name)["done"] > SETTLE_FRAMES for name in names), 120)
        with server.client() as client:
            begin_mb = {pid: resident_mb(pid) for pid in horses(worker)}
            server_mb = client.info("memory")["used_memory"] / 1e6
            frames = {name: cli.status(name)["done"] for name in names}
            time.sleep(WATCHED_S)
            assert set(horses(worker)) == set(begin_mb)
            for pid, before in begin_mb.items():
                assert resident_mb(pid) < before + GROWTH_MB
            assert client.info("memory")["used_memory"] / 1e6 < server_mb + GROWTH_MB
        for name in names:
            status = cli.status(name)
            assert status["state"] == "running"
            assert status["done"] > frames[name] + 25
            assert status["live"]["outages"] == 0
        for name in names:
            jobs.cancel(name)
        for name in names:
            assert cli.await_state(name, "cancelled")["attempts"] == 1
    for name in names:
        lines = lines_of(cli.folder / f"{name}.jsonl")
        assert sum(bool(line["faces"]) for line in lines) > 25
