"""What stream workers tell of all jobs."""

from dataclasses import replace
from pathlib import Path

import pytest
import redis

from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.queue import Jobs
from mien.jobs.record import State
from mien.jobs.stream_metrics import JobMetrics
from tests.servers import Server


def counts(server: Server) -> dict[str, float]:
    """Jobs by state; only states that some are in."""
    jobs, _ = JobMetrics(server.url).collect()
    return {one.labels["state"]: one.value for one in jobs.samples if one.value}


@pytest.mark.parametrize("state", ["running", "waiting for an analyzer"])
def test_a_job_that_waits_for_another_attempt_is_queued(
    jobs: Jobs, jobs_server: Server, client: redis.Redis, clip: Path, state: State
) -> None:
    wish = RunRequest(str(clip), AnalysisRequest(), (OutputSettings(clip.parent / "o.mp4", None),))
    record, _ = jobs.submit(wish, job="a")
    assert jobs.store.put(replace(record, state=state, attempts=1))
    assert counts(jobs_server) == {"queued": 1}
    client.delete("rq:queue:mien-streams")  # a worker has taken it
    assert counts(jobs_server) == {state: 1}


def test_a_job_that_is_over_is_not_queued_where_its_playlists_have_to_be_ended(
    jobs: Jobs, jobs_server: Server, clip: Path
) -> None:
    wish = RunRequest(str(clip), AnalysisRequest(), (OutputSettings(clip.parent / "o.mp4", None),))
    record, _ = jobs.submit(wish, job="a")
    assert jobs.store.put(replace(record, state="cancelled"))
    assert counts(jobs_server) == {"cancelled": 1}
