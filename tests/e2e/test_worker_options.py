"""What a stream worker is started with holds for its work horses."""

from pathlib import Path

import pytest

from tests.deployment import Cli, stream_worker
from tests.faces import make_face_clip
from tests.servers import Server
from tests.waiting import wait_for


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Cli:
    return Cli(server, tmp_path / "job")


def submit(cli: Cli, source: Path, output: Path, job: str) -> None:
    done = cli("submit", source, "-o", output, "--id", job)
    assert done.returncode == 0, done.stderr


def test_a_worker_with_roots_refuses_a_job_that_reads_or_writes_elsewhere(
    cli: Cli, tmp_path: Path
) -> None:
    inside, outside, elsewhere = (tmp_path / name for name in ("in", "out", "elsewhere"))
    for folder in (inside, outside, elsewhere):
        folder.mkdir()
    make_face_clip(inside / "clip.mp4", frames=3)
    make_face_clip(elsewhere / "clip.mp4", frames=3)
    roots = "--input-root", inside, "--output-root", outside
    with stream_worker(cli.server, tmp_path / "log", *roots):
        submit(cli, elsewhere / "clip.mp4", outside / "out.mp4", "reads")
        submit(cli, inside / "clip.mp4", elsewhere / "out.mp4", "writes")
        for job in ("reads", "writes"):
            status = cli.await_state(job, "failed")
            assert str(elsewhere) in status["error"]
    assert [path.name for path in (*outside.iterdir(), *elsewhere.iterdir())] == ["clip.mp4"]


def test_pictures_travel_as_the_worker_was_told(cli: Cli, tmp_path: Path) -> None:
    clip = make_face_clip(tmp_path / "clip.mp4", frames=3)
    for wire, is_jpeg in (("jpeg", True), ("raw", False)):
        with (
            stream_worker(cli.server, tmp_path / f"{wire}.log", "--wire", wire),
            cli.server.client() as client,
        ):
            submit(cli, clip, tmp_path / f"{wire}.mp4", wire)
            wait_for(lambda: list(client.scan_iter(f"mien:images:{wire}:*")))  # noqa: B023
            (images,) = client.scan_iter(f"mien:images:{wire}:*")
            for image in client.hvals(images):
                assert (b"\xff\xd8\xff" in image) is is_jpeg
            assert cli("cancel", wire).returncode == 0
            cli.await_state(wire, "cancelled")
