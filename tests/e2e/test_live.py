"""`mien run` on a camera, as a user meets it."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.broadcast import broadcasting
from tests.cameras import Camera, Porter
from tests.e2e.conftest import Mien, command
from tests.faces import make_face_clip

SIZE = (320, 240)


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Camera]:
    """One that shows a face."""
    folder = tmp_path / "camera"
    folder.mkdir()
    make_face_clip(folder / "clip.mp4", frames=50, size=SIZE)
    with Camera(folder) as camera:
        yield camera


def start(camera: Camera, folder: Path, *options: str) -> subprocess.Popen[str]:
    """A run that has begun to write results."""
    run = subprocess.Popen(
        command("run", camera.url(), "--results", "r.jsonl", *options),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while len(lines_of(folder)) < 20:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline, "no results came"
        time.sleep(0.05)
    return run


def lines_of(folder: Path) -> list[str]:
    path = folder / "r.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def test_ctrl_c_finishes_what_a_camera_showed(camera: Camera, tmp_path: Path) -> None:
    run = start(camera, tmp_path, "-o", "out.mp4", "--report", "r.json")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 0, err
    assert "hunter2" not in out + err
    with av.open(tmp_path / "out.mp4") as container:
        shown = sum(1 for _ in container.decode(video=0))
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["end"]["reason"] == "stopped"
    assert shown == report["outputs"][0]["frames"]
    assert "hunter2" not in (tmp_path / "r.json").read_text()
    faces = [json.loads(line)["faces"] for line in lines_of(tmp_path)]
    assert any(faces)


def test_a_killed_run_leaves_the_results_so_far(camera: Camera, tmp_path: Path) -> None:
    run = start(camera, tmp_path, "--no-video")
    run.kill()
    run.communicate()
    lines = [json.loads(line) for line in lines_of(tmp_path)]
    assert len(lines) >= 20
    assert {line["epoch"] for line in lines} == {0}


def test_a_live_playlist_on_the_web_is_watched_like_a_camera(mien: Mien, tmp_path: Path) -> None:
    with broadcasting(tmp_path, 15) as address:
        done = mien("run", address, "--results", "r.jsonl", "-o", "out.mp4")
    assert done.returncode == 0
    lines = [json.loads(line) for line in lines_of(tmp_path) if "frame" in line]
    assert len(lines) > 50
    assert all(line["utc"].endswith("Z") and line["epoch"] == 0 for line in lines)
    with av.open(tmp_path / "out.mp4") as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert shown > 150


def test_what_cannot_be_is_refused_with_its_code(mien: Mien, camera: Camera) -> None:
    done = mien("run", camera.url(), "--no-video", "--results", "r.parquet", check=False)
    assert done.returncode == 2
    assert "Parquet" in done.stderr
    with Porter("401 Unauthorized") as porter:
        url = camera.url(port=porter.port)
        done = mien("run", url, "--no-video", "--give-up-after", "1h", check=False)
    assert done.returncode == 3
    assert "(401)" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("options", [(), ("--give-up-after", "1h")])
def test_a_camera_that_the_server_does_not_know_is_said_in_a_sentence(
    mien: Mien, camera: Camera, options: tuple[str, ...]
) -> None:
    url = camera.url("other.mp4")
    done = mien("run", url, "--no-video", "--results", "r.jsonl", *options, check=False)
    assert done.returncode == 3
    shown = f"rtsp://me@127.0.0.1:{camera.port}/other.mp4"
    line = done.stderr.splitlines()[-1]
    assert shown in line
    assert "not found (404)" in line
    assert "hunter2" not in done.stderr
