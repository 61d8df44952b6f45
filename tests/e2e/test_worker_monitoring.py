"""What workers tell at their ports and write into their logs, whoever dies meanwhile."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest

from mien.monitoring.cached_answer import MAX_AGE_S
from tests.deployment import (
    Cli,
    Daemon,
    analyzer,
    children,
    horses,
    nursery,
    state_of,
    stopping,
    stream_worker,
)
from tests.faces import make_face_clip
from tests.monitoring import fetch, samples, total
from tests.servers import Server, free_port
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
    with nursery(
        server, folder / "analyzers.log", 2, "fake", -1, IMAGE_MS, folder / STOP
    ) as daemon:
        yield daemon


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Cli:
    return Cli(server, tmp_path / "job")


def submit(cli: Cli, source: Path, job: str) -> str:
    done = cli("submit", source, "-o", f"{job}.mp4", "--analyze-fps", "all", "--id", job)
    assert done.returncode == 0, done.stderr
    return job


@contextmanager
def half_way(cli: Cli, clip: Path, analyzers: Daemon, port: int, job: str) -> Iterator[float]:
    """A job that is held up in its middle; how many frames its worker has counted by then."""
    with stopping(analyzers, analyzers.log.with_name(STOP)):
        submit(cli, clip, job)
        wait_for(lambda: state_of(analyzers.pid) == "T")
        counted = -1.0
        while counted != (now := total(port, "mien_frames_total")):
            counted = now
            time.sleep(2.5)  # longer than between two accounts
        yield counted


def test_a_jobs_counts_stand_at_its_workers_port_and_outlive_its_work_horse(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    port = free_port()
    with stream_worker(cli.server, tmp_path / "log", "--metrics-port", port):
        assert total(port, "mien_frames_total") == 0
        finished, ended, all_ended = ended_jobs(port)
        with half_way(cli, clip, analyzers, port, "counted") as before:
            assert 0 < before < FRAMES
            assert total(port, "mien_stream_up", job="counted") == 1
            assert total(port, "mien_worker_busy_ratio") == 1
            assert total(port, "mien_queue_frames") > 0
            assert total(port, "mien_queue_oldest_seconds", kind="file") > 1
            assert total(port, "mien_queue_oldest_seconds", kind="live") == 0
        cli.await_state("counted", "finished")
        wait_for(lambda: 'job="counted"' not in fetch(port, "/metrics")[1])
        assert total(port, "mien_frames_total", state="muxed-analysed", kind="file") == FRAMES
        assert total(port, "mien_frames_total") == FRAMES
        assert total(port, "mien_faces_total", expression="happy") == FRAMES
        assert total(port, "mien_stage_seconds_count", stage="encode") == FRAMES
        assert total(port, "mien_worker_busy_ratio") == 0
        wait_for(lambda: ended_jobs(port) == (finished + 1, ended + 1, all_ended + 1))


def ended_jobs(port: int) -> tuple[float, float, float]:
    """Finished ones of which the server has a record; finished and all that have ever ended."""
    return (
        total(port, "mien_jobs", state="finished"),
        total(port, "mien_jobs_ended_total", state="finished"),
        total(port, "mien_jobs_ended_total"),
    )


def test_a_killed_work_horse_keeps_what_it_told_and_nothing_counts_twice(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    port = free_port()
    log = tmp_path / "log"
    with stream_worker(cli.server, log, "--metrics-port", port, "--concurrency", 2) as worker:
        with half_way(cli, clip, analyzers, port, "killed") as before:
            (horse,) = horses(worker)
            os.kill(horse, signal.SIGKILL)
            wait_for(lambda: cli.status("killed")["attempts"] == 2)
            assert total(port, "mien_frames_total") >= before
        cli.await_state("killed", "finished")
        wait_for(lambda: 'job="killed"' not in fetch(port, "/metrics")[1])
        assert total(port, "mien_frames_total") == before + FRAMES


def test_the_process_of_the_metrics_is_started_again_and_counts_nothing_twice(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    port = free_port()
    with stream_worker(cli.server, tmp_path / "log", "--metrics-port", port) as worker:
        with half_way(cli, clip, analyzers, port, "anew") as before:
            serving = children(worker.pid)[0]  # it is born before the workers
            os.kill(serving, signal.SIGKILL)
            worker.await_line("the process of the metrics ended")
            wait_for(lambda: fetch(port, "/readyz")[0] == 200)
            wait_for(lambda: total(port, "mien_stream_up", job="anew") == 1)
            assert total(port, "mien_frames_total") == 0
        cli.await_state("anew", "finished")
        wait_for(lambda: 'job="anew"' not in fetch(port, "/metrics")[1])
        assert total(port, "mien_frames_total") == FRAMES - before
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0


def test_a_camera_that_is_waited_for_is_told_to_whoever_begins_to_count(
    cli: Cli, tmp_path: Path
) -> None:
    port, absent = free_port(), f"rtsp://127.0.0.1:{free_port()}/1"
    with stream_worker(cli.server, tmp_path / "log", "--metrics-port", port) as worker:

        def is_told() -> bool:
            return ("mien_stream_up", "waited") in {
                (name, dict(labels).get("job")) for name, labels in samples(port)
            }

        assert cli("attach", absent, "-o", "cam.mkv", "--id", "waited").returncode == 0
        wait_for(is_told)
        os.kill(children(worker.pid)[0], signal.SIGKILL)
        worker.await_line("the process of the metrics ended")
        wait_for(lambda: fetch(port, "/readyz")[0] == 200)
        wait_for(is_told)
        assert total(port, "mien_stream_up", job="waited") == 0
        assert total(port, "mien_worker_busy_ratio") == 1
        assert cli("cancel", "waited").returncode == 0
        cli.await_state("waited", "cancelled")


def test_a_worker_without_its_server_lives_and_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    server, ports = Server("valkey", tmp_path / "server").start(), [free_port(), free_port()]
    try:
        with (
            stream_worker(server, tmp_path / "stream", "--metrics-port", ports[0]),
            analyzer(server, tmp_path / "log", "--device", "cpu", "--metrics-port", ports[1]),
        ):
            for port in ports:
                wait_for(lambda: fetch(port, "/readyz") == (200, "ok\n"))  # noqa: B023
            server.kill()
            for port in ports:
                wait_for(lambda: fetch(port, "/readyz")[0] == 503)  # noqa: B023
                assert fetch(port, "/healthz") == (200, "ok\n")
                assert "mien_queue_frames 0" not in fetch(port, "/metrics")[1]
                assert fetch(port, "/elsewhere")[0] == 404
    finally:
        server.remove()


def test_a_scrape_is_answered_in_time_where_the_server_is_frozen(tmp_path: Path) -> None:
    """Prometheus waits for four seconds (deploy/prometheus); without an answer all is down."""
    (tmp_path / "server").mkdir()
    server, port = Server("valkey", tmp_path / "server").start(), free_port()
    try:
        with stream_worker(server, tmp_path / "stream", "--metrics-port", port):
            wait_for(lambda: "mien_jobs{" in fetch(port, "/metrics")[1])
            with server.client() as client:
                server_pid = int(client.info("server")["process_id"])
            os.kill(server_pid, signal.SIGSTOP)
            time.sleep(MAX_AGE_S + 0.5)  # what is known is too old to be told
            for _ in range(2):
                begin = time.monotonic()
                page = fetch(port, "/metrics")[1]
                assert time.monotonic() - begin < 3
                assert "mien_frames_total" in page
                assert "mien_queue_frames " not in page
                assert "mien_jobs{" not in page
            assert fetch(port, "/healthz") == (200, "ok\n")
            os.kill(server_pid, signal.SIGCONT)
            wait_for(lambda: "mien_jobs{" in fetch(port, "/metrics")[1])
    finally:
        server.remove()


@pytest.mark.parametrize("kind", ["stream", "analyzer"])
def test_a_taken_port_that_was_asked_for_is_told_in_one_line(cli: Cli, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = cli("worker", kind, "--metrics-port", taken.getsockname()[1])
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--metrics-port" in done.stderr


@pytest.mark.parametrize("kind", ["stream", "analyzer"])
def test_the_last_line_of_a_json_log_is_an_object_too(cli: Cli, kind: str) -> None:
    json_log, nowhere = {"MIEN_LOG_FORMAT": "json"}, f"redis://127.0.0.1:{free_port()}/0"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = cli("worker", kind, "--metrics-port", port, env=json_log)
    lost = cli("worker", kind, "--metrics-port", free_port(), env=json_log, url=nowhere)
    for done, code, words in ((refused, 2, "--metrics-port"), (lost, 5, "cannot reach the server")):
        assert done.returncode == code
        events = [json.loads(line) for line in done.stderr.splitlines()]
        assert (events[-1]["level"], events[-1]["exit_code"]) == ("error", code)
        assert words in events[-1]["event"]


def test_a_taken_default_port_is_passed_over(cli: Cli, tmp_path: Path) -> None:
    with (
        stream_worker(cli.server, tmp_path / "one") as one,
        stream_worker(cli.server, tmp_path / "other") as other,
    ):
        ports = {port_of(one), port_of(other)}
        assert len(ports) == 2
        assert all(9464 <= port < 9564 for port in ports)
        assert all(fetch(port, "/healthz")[0] == 200 for port in ports)


def test_json_logs_are_one_object_a_line_with_the_job_and_no_noise_of_ffmpeg(
    cli: Cli, analyzers: Daemon, clip: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(clip.read_bytes())
    for place in range(len(data) // 3, len(data) // 2, 50):
        data[place] ^= 0xFF
    damaged.write_bytes(data)
    log = tmp_path / "log"
    env = {"MIEN_LOG_FORMAT": "json", "TZ": "Pacific/Auckland"}
    with stream_worker(cli.server, log, env=env) as worker:
        submit(cli, clip, "fine")
        submit(cli, damaged, "bad")
        cli.await_state("fine", "finished")
        cli.await_state("bad", "finished", "failed")
        worker.send(signal.SIGTERM)
        worker.wait()
        events = [json.loads(line) for line in worker.text().splitlines()]
    for event in events:
        assert {"ts", "level", "event", "logger"} <= set(event)
        age_s = time.time() - datetime.fromisoformat(event["ts"]).timestamp()
        assert event["ts"].endswith("Z")
        assert 0 <= age_s < 120
    told = [event["event"] for event in events if event.get("job") == "fine"]
    assert told == ["the attempt begins", "the job is finished"]
    assert [event["job"] for event in events if "attempt begins" in event["event"]] == [
        "fine", "bad",
    ]  # fmt: skip
    (end,) = [e for e in events if e.get("job") == "fine" and "finished" in e["event"]]
    assert (end["frames"], end["exit_code"]) == (FRAMES, 0)


def port_of(worker: Daemon) -> int:
    worker.await_line("metrics are at port ")
    return int(worker.text().split("metrics are at port ")[1].split()[0])
