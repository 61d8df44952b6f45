"""An attempt at a file's job whose server goes away waits, asks for another, or hears the end.

The next attempt replaces what it may have put in place.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mien.contract.errors import Interrupted
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.contract.stage import StageClock
from mien.jobs.attempt import carry_out
from mien.jobs.queue import Jobs
from mien.jobs.record import JobRecord
from mien.jobs.roots import Roots
from mien.jobs.store import JobStore
from mien.transport.ports import Superseded
from mien.transport.redis import RedisTransport
from mien.transport.redis_server import RedisServer
from tests.pipelines import OneFace
from tests.servers import Server
from tests.waiting import wait_for
from workers.analyzer import Analyzer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One that does not forget; it may be killed."""
    (tmp_path / "server").mkdir()
    started = Server("valkey", tmp_path / "server", persistent=True).start()
    yield started
    started.remove()


def request_for(clip: Path) -> RunRequest:
    outputs = (OutputSettings(clip.parent / "out.mp4", None),)
    return RunRequest(str(clip), AnalysisRequest(), outputs)


def attempt(
    store: JobStore, record: JobRecord, request: RunRequest, transport: Server, patience_s: float
) -> JobRecord:
    return carry_out(
        record, request, store=store, roots=Roots(),
        open_transport=lambda: RedisTransport(transport.url, patience_s=patience_s),
    )  # fmt: skip


def submitted(store: JobStore, job: str, clip: Path) -> JobRecord:
    record = JobRecord(job, {"source": str(clip)})
    assert store.create(record)
    return record


@contextmanager
def analyzer(server: Server) -> Iterator[None]:
    transport = RedisTransport(server.url)
    worker = Analyzer(transport.work(), lambda _: OneFace(), batch=4, clock=StageClock())
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        transport.close()
        thread.join()


def muxers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "muxer"}


@contextmanager
def meanwhile(action: Callable[[threading.Thread], None]) -> Iterator[None]:
    """Does it beside the block, once the job waits for an analysis in a thread of its own."""
    others = muxers()

    def run() -> None:
        wait_for(lambda: muxers() - others)
        action(*(muxers() - others))

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


def test_an_attempt_whose_server_is_away_for_too_long_asks_for_another(
    server: Server, clip: Path
) -> None:
    store = JobStore(RedisServer(server.url))

    def be_away(muxer: threading.Thread) -> None:
        server.kill()
        wait_for(lambda: not muxer.is_alive())
        server.start()

    with meanwhile(be_away), pytest.raises(Interrupted, match="server was away"):
        attempt(store, submitted(store, "away", clip), request_for(clip), server, patience_s=0.5)
    record = store.get("away", 10)
    assert record is not None
    assert (record.over, record.attempts, record.error) == (False, 1, None)
    assert not (clip.parent / "out.mp4").exists()


def test_a_job_that_waits_for_its_server_can_be_cancelled(
    server: Server, jobs: Jobs, clip: Path
) -> None:
    """With its record on a server that is there."""

    def be_away(_: threading.Thread) -> None:
        server.kill()
        jobs.store.request_cancel("waits")

    with meanwhile(be_away):
        record = submitted(jobs.store, "waits", clip)
        ended = attempt(jobs.store, record, request_for(clip), server, patience_s=600)
    assert (ended.state, ended.error) == ("cancelled", "cancelled; nothing was written")


def test_an_attempt_that_was_given_up_meanwhile_ends(
    jobs: Jobs, server: Server, clip: Path
) -> None:
    """Whoever had not heard of it for long may have said that the job is lost."""
    store = jobs.store
    record = submitted(store, "lost", clip)

    def give_up(muxer: threading.Thread) -> None:
        lost = replace(record, state="failed", attempts=1, error="given up")
        assert store.put(lost, unless_over=True)
        wait_for(lambda: not muxer.is_alive() or store.get("lost") != lost)
        store.request_cancel("lost")

    with meanwhile(give_up), pytest.raises(Superseded, match="given up"):
        attempt(store, record, request_for(clip), server, patience_s=60)
    ended = store.get("lost")
    assert ended is not None
    assert (ended.state, ended.error, store.ended()["failed"]) == ("failed", "given up", 1)


@pytest.mark.parametrize("overwrite", [True, False])
def test_another_attempt_at_a_file_replaces_what_stands_under_the_names_of_its_files(
    server: Server, clip: Path, overwrite: bool
) -> None:
    """Results of before, or those of an attempt that died before it could say that it was done."""
    store, folder = JobStore(RedisServer(server.url)), clip.parent
    names = {"results": folder / "results.jsonl", "report": folder / "report.json"}
    request = replace(request_for(clip), **names, overwrite=overwrite)  # type: ignore[arg-type]
    for path in (folder / "out.mp4", *names.values()):
        path.write_text("of before")
    record = replace(submitted(store, "again", clip), attempts=1, owns_outputs=True)
    with analyzer(server):
        ended = attempt(store, record, request, server, patience_s=60)
    assert (ended.state, ended.exit_code, ended.error) == ("finished", 0, None)
    assert ended.written == ("output", "results", "report")
    lines = names["results"].read_text().splitlines()
    assert json.loads(lines[0])["frame"] == 0
    for path in (folder / "out.mp4", *names.values()):
        assert b"of before" not in path.read_bytes()
