"""`mien submit` and its kin as a user calls them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agreement import lines_of
from tests.deployment import MIEN, Cli, Daemon, nursery, stream_worker
from tests.faces import make_face_clip
from tests.servers import Server

KEYS = [
    "id", "state", "source", "done", "total", "fps", "eta_s", "attempts", "exit_code", "error",
    "created_s", "started_s", "ended_s", "outputs", "live",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    (folder / "server").mkdir()
    started = Server("valkey", folder / "server", password="hunter2").start()
    yield started
    started.remove()


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return make_face_clip(folder / "face.mp4", frames=10, size=(160, 120))


@pytest.fixture(scope="module")
def worker(server: Server, folder: Path) -> Iterator[Daemon]:
    """Of this test's folder, with an analyzer that sees a face everywhere."""
    with (
        nursery(server, folder / "analyzers.log", 1, "fake"),
        stream_worker(server, folder / "log", env={"MIEN_SECRET": "s3cret"}) as daemon,
    ):
        yield daemon


@pytest.fixture
def cli(server: Server, clip: Path, tmp_path: Path) -> Cli:
    cli = Cli(server, tmp_path / "job")
    (cli.folder / "face.mp4").symlink_to(clip)
    return cli


@pytest.fixture
def idle(clip: Path, tmp_path: Path) -> Iterator[Cli]:
    """With a server of its own, for which nobody works."""
    server = Server("valkey", tmp_path).start()
    cli = Cli(server, tmp_path / "idle")
    (cli.folder / "face.mp4").symlink_to(clip)
    yield cli
    server.remove()


def test_a_job_that_is_waited_for_ends_as_a_run_would(worker: Daemon, cli: Cli) -> None:
    done = cli("submit", "face.mp4", "-o", "out.mp4", "--results", "r.jsonl", "--wait")
    assert done.returncode == 0, done.stderr
    job = done.stdout.removesuffix("\n")
    assert job.isalnum()
    written = [str(cli.folder / name) for name in ("out.mp4", "r.jsonl")]
    assert done.stderr.splitlines()[-2:] == written
    assert len(lines_of(cli.folder / "r.jsonl")) == 4
    status = json.loads(cli("status", job, "--json").stdout)
    assert list(status) == KEYS
    assert (status["state"], status["outputs"]) == ("finished", written)
    assert (status["source"], status["exit_code"]) == (f"{cli.folder}/face.mp4", 0)
    assert 0 < status["created_s"] <= status["started_s"] <= status["ended_s"] <= time.time()
    assert status in json.loads(cli("jobs", "--json").stdout)
    lines = cli("status", job).stdout.splitlines()
    assert lines == [f"{job}  finished  {cli.folder}/face.mp4", *(f"  {name}" for name in written)]
    assert lines[0] in cli("jobs").stdout.splitlines()


def test_the_same_id_again_starts_nothing_and_ends_alike(worker: Daemon, cli: Cli) -> None:
    command = ("submit", "face.mp4", "-o", "out.mp4", "--id", "twice", "--wait", "-q")
    assert [cli(*command).returncode for _ in "12"] == [0, 0]
    assert cli(*command[:-1]).stderr.startswith("mien: job twice is there already: finished")
    assert cli.status("twice")["attempts"] == 1


def test_a_failure_is_told_in_one_sentence_with_the_code_of_a_run(worker: Daemon, cli: Cli) -> None:
    (cli.folder / "text.mp4").write_text("this is no video")
    done = cli("submit", "text.mp4", "-o", "out.mp4", "--wait", "-q", "--id", "text")
    run = cli("run", "text.mp4", "-o", "out.mp4")
    assert done.returncode == run.returncode == 3
    assert done.stderr.replace(f"{cli.folder}/", "") == run.stderr
    assert cli("status", "text").stdout.count("\n") == 1


def test_what_cannot_be_done_is_refused_at_once(cli: Cli) -> None:
    for arguments, code in (
        (("missing.mp4", "-o", "out.mp4"), 3),
        (("face.mp4", "-o", "missing/out.mp4"), 2),
        (("face.mp4",), 2),
        (("face.mp4", "-o", "out.mp4", "--weights", "missing"), 4),
        (("face.mp4", "-o", "out.mp4", "--id", "a b"), 2),
        (("face.mp4", "-o", "out.mp4", "--webhook", "nonsense"), 2),
        (("rtsp://u:pw@127.0.0.1:1/", "-o", "out.mp4"), 2),
        (("-", "-o", "out.mp4"), 2),
    ):
        done = cli("submit", *arguments, env={"MIEN_SECRET": ""})
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("mien: ")
        assert done.stderr.count("\n") == 1


def test_a_password_from_standard_input_appears_nowhere(worker: Daemon, cli: Cli) -> None:
    done = cli(
        "submit", "-", "-o", "out.mp4", "--wait", "--id", "camera",
        stdin="rtsp://user:tr0ub4dor@127.0.0.1:1/live\n", env={"MIEN_SECRET": "s3cret"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "camera\n")
    told = [
        done.stderr,
        worker.text(),
        cli("status", "camera", "--json").stdout,
        cli("jobs").stdout,
    ]
    assert "rtsp://user@127.0.0.1:1/live" in told[0]
    assert not any("tr0ub4dor" in text for text in told)


def test_who_stops_waiting_does_not_stop_the_job(idle: Cli) -> None:
    command = [MIEN, "submit", "face.mp4", "-o", "out.mp4", "--wait", "--id", "alone"]
    environment = {**os.environ, "MIEN_REDIS_URL": idle.server.url}
    with subprocess.Popen(
        command, cwd=idle.folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "queued\n"
        time.sleep(0.1)
        waiting.send_signal(signal.SIGINT)
        said = waiting.stderr.read()
    assert waiting.returncode == 130
    assert "mien cancel alone" in said
    assert idle("cancel", "alone").stdout == "alone cancelled\n"
    done = idle("submit", "face.mp4", "-o", "out.mp4", "--wait", "--id", "alone", "-q")
    assert done.returncode == 7
    assert "cancelled before it began" in done.stderr


@pytest.mark.parametrize("command", ["status", "cancel", "retry"])
def test_a_wrong_id_is_said_in_one_line(cli: Cli, command: str) -> None:
    done = cli(command, "nosuch")
    assert done.returncode == 2
    assert done.stderr.startswith("mien: there is no job nosuch")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["jobs"], ["status", "a"], ["cancel", "a"], ["retry", "a"]])
def test_a_server_that_is_down_or_shut_is_said_in_one_line(
    server: Server, cli: Cli, command: list[str]
) -> None:
    for url, words in (
        ("redis://127.0.0.1:1/0", "cannot reach the server at 127.0.0.1:1"),
        (server.url.replace("hunter2", "wrong"), "refuses the password"),
    ):
        done = cli(*command, url=url)
        assert done.returncode == 5
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert "wrong" not in done.stderr


def test_a_server_without_jobs_says_so(idle: Cli) -> None:
    done = idle("jobs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no jobs\n")
    assert idle("jobs", "--json").stdout == "[]\n"


def test_names_that_are_no_proper_text_are_listed_as_they_are(idle: Cli) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    (idle.folder / name).symlink_to(idle.folder / "face.mp4")
    job = idle("submit", name, "-o", "o.mp4").stdout.strip()
    strict = {**os.environ, "MIEN_REDIS_URL": idle.server.url, "PYTHONIOENCODING": "utf-8:strict"}
    for command in (["jobs"], ["status", job]):
        done = subprocess.run([MIEN, *command], env=strict, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.strip().endswith(b"caf\xe9.mp4")


def test_options_of_the_analyzers_are_taken_and_told(idle: Cli) -> None:
    done = idle("submit", "face.mp4", "-o", "o.mp4", "--device", "cpu", "--batch", 4)
    assert done.returncode == 0
    assert done.stderr == "mien: --device and --batch: the analyzers have their own\n"
