"""A camera's job goes on while the server is away or refuses: the camera does not wait."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from mien.contract.live import AWAY, BUSY
from tests.cameras import Camera, camera_clip
from tests.deployment import Cli, nursery, stream_worker
from tests.live_runs import lines_of
from tests.servers import Server
from tests.waiting import wait_for

AWAY_S = 8.0


@contextmanager
def killed(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@pytest.mark.parametrize(
    ("away", "reasons"),
    [
        pytest.param(killed, {AWAY}, id="killed"),
        # which still says what analyzers do
        pytest.param(partial(Server.refusing, setting="maxmemory"), {AWAY, BUSY}, id="refuses"),
    ],
)
def test_a_camera_is_recorded_while_the_server_is_away_and_its_job_goes_on(
    tmp_path: Path, away: Callable[[Server], AbstractContextManager[None]], reasons: set[str]
) -> None:
    folders = [tmp_path / name for name in ("server", "camera")]
    for folder in folders:
        folder.mkdir()
    server = Server("valkey", folders[0], persistent=True).start()
    camera_clip(folders[1] / "clip.mp4")
    cli = Cli(server, tmp_path / "job")

    def lines() -> list[dict[str, object]]:
        return lines_of(cli.folder)

    def goes_on() -> None:
        """New analyses come."""
        count = sum(bool(line["faces"]) for line in lines())
        wait_for(lambda: sum(bool(line["faces"]) for line in lines()) > count + 10)

    try:
        with (
            Camera(folders[1]) as camera,
            nursery(server, tmp_path / "analyzer.log", 1, "fake", -1, 20),
            stream_worker(server, tmp_path / "stream.log", env={"MIEN_SECRET": "the house's"}),
        ):
            done = cli(
                "attach", "-", "-o", "cam.mkv", "--results", "results.jsonl",
                stdin=camera.url() + "\n", env={"MIEN_SECRET": "the house's"},
            )  # fmt: skip
            job = done.stdout.strip()
            wait_for((cli.folder / "results.jsonl").exists)
            goes_on()
            with away(server):
                before = lines()
                time.sleep(AWAY_S)
                meanwhile = lines()[len(before) :]
            goes_on()
            wait_for(lambda: cli.status(job)["live"]["drops"].get(AWAY))
            status = cli.status(job)
            assert cli("cancel", job).returncode == 0
            ended = cli.await_state(job, "cancelled", "failed")
    finally:
        server.remove()
    assert len(meanwhile) > 5 * AWAY_S, "ten a second are wanted"
    found = {line["reason"] for line in meanwhile[20:]}
    assert AWAY in found
    assert found <= reasons
    assert (status["state"], status["attempts"], status["error"]) == ("running", 1, None)
    assert (ended["state"], ended["attempts"], ended["error"]) == ("cancelled", 1, None)
    assert not [line for line in lines() if "event" in line], "the camera was there all the time"
