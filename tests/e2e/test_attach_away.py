"""A camera's job goes on while the server is away: the camera does not wait."""

import time
from pathlib import Path

from tests.cameras import Camera, camera_clip
from tests.deployment import Cli, nursery, stream_worker, wait_for
from tests.live_runs import lines_of
from tests.servers import Server

AWAY_S = 8.0


def test_a_camera_is_recorded_while_the_server_is_away_and_its_job_goes_on(tmp_path: Path) -> None:
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
            server.kill()
            before = lines()
            time.sleep(AWAY_S)
            meanwhile = lines()[len(before) :]
            server.start()
            goes_on()
            wait_for(lambda: cli.status(job)["live"]["drops"].get("server away"))
            status = cli.status(job)
            assert cli("cancel", job).returncode == 0
            ended = cli.await_state(job, "cancelled", "failed")
    finally:
        server.remove()
    assert len(meanwhile) > 5 * AWAY_S, "ten a second are wanted"
    assert {line["reason"] for line in meanwhile[20:]} == {"server away"}
    assert (status["state"], status["attempts"], status["error"]) == ("running", 1, None)
    assert (ended["state"], ended["attempts"], ended["error"]) == ("cancelled", 1, None)
    assert not [line for line in lines() if "event" in line], "the camera was there all the time"
