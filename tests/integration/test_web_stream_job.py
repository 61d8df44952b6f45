"""The job of a stream without an end on a web server, which nobody knows by its address."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.contract.errors import Interrupted, JobError
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.interrupts import HAND_OVER
from mien.jobs import horse
from mien.jobs.queue import Jobs
from mien.jobs.record import JobRecord, failed
from mien.transport.ports import Superseded
from tests.broadcast import photographing
from tests.live import settings_for


def as_soon_as(
    jobs: Jobs, is_so: Callable[[JobRecord], bool], action: Callable[[], object]
) -> None:
    """Do it while the job runs."""

    def watch() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            record = jobs.store.get("a")  # as it lies there: no worker has it
            if record is not None and is_so(record):
                break
            time.sleep(0.05)
        action()

    threading.Thread(target=watch, daemon=True).start()


def test_a_stream_that_was_recorded_is_waited_for_and_its_playlist_ended(
    jobs: Jobs, tmp_path: Path
) -> None:
    path = tmp_path / "live.m3u8"
    with photographing(10) as (address, _):
        jobs.submit(RunRequest(address, AnalysisRequest(), tuple(settings_for(path))), job="a")
        as_soon_as(jobs, lambda job: job.done > 0, lambda: os.kill(os.getpid(), HAND_OVER))
        with pytest.raises(Interrupted):
            horse.run("a")
    assert jobs.find("a").playlists == [path]
    as_soon_as(
        jobs,
        lambda job: job.state == "waiting for the source",
        lambda: jobs.store.request_cancel("a"),
    )
    horse.run("a")  # the server is gone, and a file's job would have failed
    ended = jobs.find("a")
    assert (ended.state, ended.exit_code, ended.outputs) == ("cancelled", 0, [str(path)])
    assert path.read_text().endswith("#EXT-X-ENDLIST\n")


def test_an_attempt_that_others_took_for_dead_leaves_no_playlist_without_an_end(
    jobs: Jobs, tmp_path: Path
) -> None:
    path = tmp_path / "live.m3u8"

    def give_up() -> None:
        last = failed(jobs.find("a"), "lost", JobError.exit_code, time.time())
        assert jobs.store.put(last, unless_over=True)

    with photographing(10) as (address, _):
        jobs.submit(RunRequest(address, AnalysisRequest(), tuple(settings_for(path))), job="a")
        as_soon_as(jobs, lambda _: path.exists(), give_up)
        with pytest.raises(Superseded):
            horse.run("a")
    assert jobs.find("a").error == "lost"
    assert path.read_text().endswith("#EXT-X-ENDLIST\n")
