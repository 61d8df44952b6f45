"""An attempt at a file's job whose server goes away waits, asks for another, or hears the end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mien.contract.errors import Interrupted
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.attempt import carry_out
from mien.jobs.queue import Jobs
from mien.jobs.record import JobRecord
from mien.jobs.roots import Roots
from mien.jobs.store import JobStore
from mien.transport.redis import RedisTransport
from mien.transport.redis_server import RedisServer
from tests.servers import Server
from tests.waiting import wait_for


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One that does not forget; it may be killed."""
    (tmp_path / "server").mkdir()
    started = Server("valkey", tmp_path / "server", persistent=True).start()
    yield started
    started.remove()


def attempt(
    store: JobStore, job: str, clip: Path, transport: Server, patience_s: float
) -> JobRecord:
    request = RunRequest(
        str(clip), AnalysisRequest(), (OutputSettings(clip.parent / "out.mp4", None),)
    )
    record = JobRecord(job, {"source": str(clip)})
    assert store.create(record)
    return carry_out(
        record, request, store=store, roots=Roots(),
        open_transport=lambda: RedisTransport(transport.url, patience_s=patience_s),
    )  # fmt: skip


def is_muxing() -> bool:
    return any(thread.name == "muxer" for thread in threading.enumerate())


@contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Does it beside the block, once the job waits for an analysis."""

    def run() -> None:
        wait_for(is_muxing)
        action()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


def test_an_attempt_whose_server_is_away_for_too_long_asks_for_another(
    server: Server, clip: Path
) -> None:
    store = JobStore(RedisServer(server.url))

    def be_away() -> None:
        server.kill()
        wait_for(lambda: not is_muxing())
        server.start()

    with meanwhile(be_away), pytest.raises(Interrupted, match="server was away"):
        attempt(store, "away", clip, server, patience_s=0.5)
    record = store.get("away", 10)
    assert record is not None
    assert (record.over, record.attempts, record.error) == (False, 1, None)
    assert not (clip.parent / "out.mp4").exists()


def test_a_job_that_waits_for_its_server_can_be_cancelled(
    server: Server, jobs: Jobs, clip: Path
) -> None:
    """With its record on a server that is there."""

    def be_away() -> None:
        server.kill()
        jobs.store.wish_end("waits")

    with meanwhile(be_away):
        ended = attempt(jobs.store, "waits", clip, server, patience_s=600)
    assert (ended.state, ended.error) == ("cancelled", "cancelled; nothing was written")
