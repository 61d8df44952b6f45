"""A real Prometheus looks at real workers while a camera's job runs, and answers an operator."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cameras import Camera
from tests.conftest import REPOSITORY
from tests.deployment import MIEN, Cli, Daemon
from tests.faces import make_face_clip
from tests.monitoring import Prometheus, fetch
from tests.servers import Server, free_port
from tests.waiting import wait_for

JOB = "door"
SECRET = {"MIEN_SECRET": "a long phrase"}

ALERTS = REPOSITORY / "deploy" / "prometheus" / "rules" / "alerts.yml"


@pytest.fixture(scope="module")
def camera(folder: Path) -> Iterator[Camera]:
    (folder / "camera").mkdir()
    make_face_clip(folder / "camera" / "clip.mp4", frames=50)
    with Camera(folder / "camera") as started:
        yield started


class Workers:
    """Real ones, each with its port."""

    def __init__(self, server: Server, folder: Path, kind: str, *options: object) -> None:
        self.port = free_port()
        self.daemon = Daemon(
            MIEN, "worker", kind, "--redis-url", server.url, "--metrics-port", self.port, *options,
            log=folder / f"{kind}-{self.port}.log", env=SECRET,
        )  # fmt: skip


@pytest.fixture(scope="module")
def stream(server: Server, folder: Path) -> Iterator[Workers]:
    started = Workers(server, folder, "stream")
    with started.daemon as daemon:
        daemon.await_line("waiting for jobs")
        yield started


@pytest.fixture(scope="module")
def analyzers(server: Server, folder: Path) -> Iterator[list[Workers]]:
    started = [Workers(server, folder, "analyzer", "--device", "cpu") for _ in range(2)]
    with started[0].daemon as one, started[1].daemon as other:
        one.await_line("analyzing")
        other.await_line("analyzing")
        yield started


@pytest.fixture(scope="module")
def prometheus(
    stream: Workers, analyzers: list[Workers], folder: Path
) -> Iterator[Prometheus]:  # fmt: skip
    targets = {"mien-stream": [stream.port], "mien-analyzer": [one.port for one in analyzers]}
    rules = re.sub(r"\bfor: \w+", "for: 1s", ALERTS.read_text())
    with Prometheus(folder / "prometheus", targets, rules) as started:
        yield started


@pytest.fixture(scope="module")
def cli(server: Server, folder: Path) -> Cli:
    return Cli(server, folder / "job")


@pytest.fixture(scope="module")
def job(cli: Cli, camera: Camera, prometheus: Prometheus) -> str:
    """A camera's job that runs."""
    done = cli(
        "submit", camera.url(), "-o", "out.mp4", "--report", "r.json", "--analyze-fps", "5",
        "--id", JOB, env=SECRET,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cli.await_state(JOB, "running")
    return JOB


def value_of(prometheus: Prometheus, query: str) -> float:
    """What is answered once there is one answer: a page that is late leaves a gap."""
    found: list[float] = []

    def is_there() -> bool:
        found[:] = prometheus.ask(query)
        return len(found) == 1

    wait_for(is_there)
    return found[0]


def test_prometheus_knows_throughput_and_latency(job: str, prometheus: Prometheus) -> None:
    wait_for(lambda: prometheus.ask("sum(rate(mien_frames_total[5s])) > 0"))
    wait_for(lambda: prometheus.ask('sum(mien_faces_total{expression="happy"}) > 0'))
    wait_for(lambda: prometheus.ask("sum(rate(mien_capture_to_result_seconds_count[10s])) > 0"))
    median_s = (
        "histogram_quantile(0.5, sum by (le) (rate(mien_capture_to_result_seconds_bucket[10s])))"
    )
    wait_for(lambda: prometheus.ask(f"0 < {median_s} <= 10"))
    wait_for(lambda: prometheus.ask('sum(mien_batch_frames_sum{job="mien-analyzer"}) > 0'))
    for stage in ("shrink", "encode", "detection", "classification"):
        query = f'sum(rate(mien_stage_seconds_sum{{stage="{stage}"}}[10s]))'
        wait_for(lambda: prometheus.ask(f"{query} > 0"))  # noqa: B023


def test_prometheus_knows_who_is_there(job: str, prometheus: Prometheus) -> None:
    wait_for(lambda: prometheus.ask("max(mien_analyzers)") == [2.0])
    ours = f'exported_job="{job}"'
    wait_for(lambda: prometheus.ask(f"mien_stream_up{{{ours}}}") == [1.0])
    wait_for(lambda: prometheus.ask(f'mien_output_up{{{ours},output="1"}}') == [1.0])
    wait_for(lambda: prometheus.ask(f"mien_stream_fps{{{ours}}} > 0"))
    models = 'sum(mien_model_info{device="cpu",weights="vgg19"})'
    wait_for(lambda: prometheus.ask(models) == [2.0])
    wait_for(lambda: prometheus.ask('max(mien_jobs{state="running"})') == [1.0])
    wait_for(lambda: prometheus.ask('0 < avg(mien_worker_busy_ratio{job="mien-analyzer"}) <= 1'))


def test_a_camera_that_is_off_is_seen_and_so_is_its_return(
    job: str, camera: Camera, prometheus: Prometheus
) -> None:
    up = f'mien_stream_up{{exported_job="{job}"}}'
    camera.kill()
    wait_for(lambda: prometheus.ask(up) == [0.0])
    camera.start()
    wait_for(lambda: prometheus.ask(up) == [1.0])
    wait_for(lambda: prometheus.ask("sum(mien_reconnects_total) > 0"))


@pytest.fixture(scope="module")
def dead(job: str, analyzers: list[Workers], prometheus: Prometheus) -> None:
    """All analyzers, from here on."""
    assert "MienWorkWithoutAnalyzer" not in prometheus.firing()
    for one in analyzers:
        one.daemon.signal(signal.SIGKILL)


@pytest.mark.usefixtures("dead")
def test_work_without_an_analyzer_raises_the_alarm(prometheus: Prometheus) -> None:
    wait_for(lambda: "MienWorkWithoutAnalyzer" in prometheus.firing())
    wait_for(lambda: prometheus.ask("max(mien_queue_frames) > 0"))


@pytest.mark.usefixtures("dead")
def test_a_camera_without_an_analyzer_goes_on_without_boxes(
    job: str, prometheus: Prometheus
) -> None:
    """There is nothing to wait for, and nothing to leave out."""
    wait_for(lambda: prometheus.ask("max(mien_analyzers)") == [0.0])
    shown, every = (
        f'sum(mien_frames_total{{kind="live", state=~"{states}"}})' for states in ("muxed-.+", ".+")
    )
    before, first = value_of(prometheus, shown), value_of(prometheus, every)
    wait_for(lambda: prometheus.ask(f"{every} > {first + 200}"))
    assert value_of(prometheus, shown) - before > 100
    wait_for(lambda: prometheus.ask(f'mien_stream_up{{exported_job="{job}"}}') == [1.0])


def test_series_of_a_job_vanish_with_it_and_its_counts_stay(
    job: str, cli: Cli, stream: Workers, prometheus: Prometheus
) -> None:
    text = fetch(stream.port, "/metrics")[1]
    assert f'job="{job}"' in text
    assert "hunter2" not in text
    assert cli("cancel", job).returncode == 0
    cli.await_state(job, "cancelled")
    wait_for(lambda: f'job="{job}"' not in fetch(stream.port, "/metrics")[1])
    wait_for(lambda: not prometheus.ask(f'mien_stream_up{{exported_job="{job}"}}'))
    report = json.loads((cli.folder / "r.json").read_text())
    frames = report["end"]["frame_count"] + report["end"]["corrupt"]
    wait_for(lambda: prometheus.ask('sum(mien_frames_total{job="mien-stream"})') == [frames])
    assert "hunter2" not in stream.daemon.text()
