"""A server with an empty queue of jobs, a clip to submit, and a camera."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from mien.jobs.queue import Jobs
from tests.cameras import Camera, camera_clip
from tests.faces import make_face_clip
from tests.live_runs import RUNNING
from tests.servers import Server


@pytest.fixture(autouse=True)
def _no_run_goes_on() -> Iterator[None]:
    """A test that fails in the middle of a live run leaves no thread to those after it."""
    yield
    for run in list(RUNNING):
        run.abort()


@pytest.fixture(scope="module")
def jobs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server("valkey", tmp_path_factory.mktemp("server")).start()
    yield started
    started.remove()


@pytest.fixture
def client(jobs_server: Server) -> Iterator[redis.Redis]:
    with jobs_server.client() as opened:
        opened.flushall()
        yield opened


@pytest.fixture
def jobs(
    jobs_server: Server, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Jobs]:
    monkeypatch.setenv("MIEN_REDIS_URL", jobs_server.url)
    with Jobs(jobs_server.url) as opened:
        yield opened


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_face_clip(tmp_path / "face.mp4", frames=3)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return camera_clip(tmp_path_factory.mktemp("film") / "clip.mp4")


@pytest.fixture
def camera(film: Path, tmp_path: Path) -> Iterator[Camera]:
    """One that serves a bright clip of 320x180 at 25 frames a second."""
    folder = tmp_path / "camera"
    folder.mkdir()
    shutil.copy(film, folder)
    with Camera(folder) as camera:
        yield camera
