"""What killed attempts have half written goes with their job, where nobody tries again."""

from dataclasses import replace
from pathlib import Path

import pytest
import redis

from mien.contract.atomic import AtomicFile
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs import horse
from mien.jobs.environment import OUTPUT_ROOT
from mien.jobs.queue import Jobs


@pytest.fixture
def left(jobs: Jobs, tmp_path: Path) -> list[Path]:
    """The partial files of job `a`, whose attempt was killed and whose source is gone."""
    output = OutputSettings(tmp_path / "out.mp4", None)
    results, report = tmp_path / "r.jsonl", tmp_path / "r.json"
    source = str(tmp_path / "gone.mp4")
    request = RunRequest(source, AnalysisRequest(), (output,), results, report)
    record, _ = jobs.submit(request, job="a")
    jobs.store.put(replace(record, attempts=1, owns_outputs=True))
    partials = []
    for path in request.files:
        partials.append(path.with_name(f".{path.stem}.1-abcdef.partial{path.suffix}"))
        partials[-1].touch()
    return partials


def ended(jobs: Jobs) -> str:
    return f"{jobs.find('a').state}: {jobs.find('a').error}"


def test_of_a_job_that_is_cancelled_between_two_attempts(
    jobs: Jobs, client: redis.Redis, left: list[Path]
) -> None:
    jobs.cancel("a")
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a"], "a worker has to clean up"
    horse.run("a")
    assert ended(jobs) == "cancelled: cancelled between two attempts"
    assert not any(path.exists() for path in left)


def test_of_a_job_that_is_given_up(jobs: Jobs, left: list[Path], tmp_path: Path) -> None:
    living = AtomicFile(tmp_path / "out.mp4", overwrite=False)  # its writer removes one
    left[0].touch()
    horse.give_up(jobs.store, "a")
    assert ended(jobs).startswith("failed: given up")
    assert not any(path.exists() for path in left)
    assert living.partial.exists()
    living.abort()


def test_of_a_job_whose_next_attempt_fails_before_it_writes(jobs: Jobs, left: list[Path]) -> None:
    horse.run("a")
    assert ended(jobs).endswith("gone.mp4: no such file")
    assert not any(path.exists() for path in left)


def test_but_not_outside_of_the_worker_s_folder(
    jobs: Jobs, left: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OUTPUT_ROOT, str(tmp_path / "other"))
    horse.give_up(jobs.store, "a")
    assert all(path.exists() for path in left)


def test_but_not_those_of_an_attempt_that_has_begun_meanwhile(
    jobs: Jobs, left: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = jobs.find("a")
    monkeypatch.setattr(jobs.store, "get", lambda *_: before)
    jobs.store.put(replace(before, attempts=2, state="running"))
    horse.give_up(jobs.store, "a")
    monkeypatch.undo()
    assert jobs.store.get("a").attempts == 2
    assert all(path.exists() for path in left)
