"""Jobs that have ended: each counts once, whoever writes it, and is remembered for a while."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mien.jobs.record import JobRecord, State
from mien.jobs.store import ENDED_S, PENDING_S, JobStore
from mien.transport.redis_server import RedisServer
from tests.servers import KINDS, Server
from tests.waiting import wait_for


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    started = Server(request.param, tmp_path_factory.mktemp("server")).start()
    yield started
    started.remove()


@pytest.fixture
def store(server: Server, tmp_path: Path) -> Iterator[JobStore]:
    connection = RedisServer(server.url)
    yield JobStore(connection, f"{tmp_path.name}:")
    connection.close()


def job(name: str, state: State = "queued") -> JobRecord:
    return JobRecord(name, {"source": "a.mp4"}, state=state)


def test_every_end_counts_once(store: JobStore) -> None:
    assert store.ended() == {"cancelled": 0, "failed": 0, "finished": 0}
    for name in "ab":
        store.create(job(name))
        store.put(job(name, "running"))
    assert not any(store.ended().values())
    for _ in range(3):  # an answer that got lost is asked for again
        store.put(job("a", "failed"))
    store.put(job("b", "finished"))
    assert store.ended() == {"cancelled": 0, "failed": 1, "finished": 1}


def test_a_job_that_is_tried_again_fails_again(store: JobStore) -> None:
    for state in ("failed", "queued", "running", "failed"):
        store.put(job("a", state))
    assert store.ended()["failed"] == 2


def test_what_an_overtaken_attempt_says_does_not_count(store: JobStore) -> None:
    newer = replace(job("a", "running"), attempts=2)
    assert store.put(replace(newer, attempts=1))
    assert store.put(newer)
    assert not store.put(replace(newer, attempts=1, done=7))
    assert not store.put(replace(job("a", "failed"), attempts=1))
    assert store.ended()["failed"] == 0
    assert store.get("a") == newer


def test_who_thinks_a_job_lost_does_not_end_it_a_second_time(store: JobStore) -> None:
    store.put(job("a", "finished"))
    assert not store.put(job("a", "failed"), unless_over=True)
    assert store.ended() == {"cancelled": 0, "failed": 0, "finished": 1}
    assert store.get("a") == job("a", "finished")
    assert store.put(job("b", "failed"), unless_over=True)
    assert store.ended()["failed"] == 1


def test_the_end_of_a_job_that_was_forgotten_counts_and_outlives_its_record(
    store: JobStore, server: Server, tmp_path: Path
) -> None:
    prefix = tmp_path.name
    store.put(job("a", "cancelled"))
    with server.client() as client:
        assert 0 < int(client.ttl(f"{prefix}:ended")) <= ENDED_S
        client.delete(f"{prefix}:job:a")
    assert store.all() == []
    assert store.ended()["cancelled"] == 1


def test_jobs_are_counted_by_state(store: JobStore) -> None:
    for name, state in (("a", "queued"), ("b", "running"), ("c", "failed"), ("d", "running")):
        store.create(job(name))
        store.put(job(name, state))
    assert +store.states() == {"queued": 1, "running": 2, "failed": 1}
    assert +store.states({"a", "b", "c"}) == {"queued": 2, "running": 1, "failed": 1}
    store.put(job("c", "queued"))
    store.put(job("d", "finished"))
    assert +store.states() == {"queued": 2, "running": 1, "finished": 1}


def test_a_record_that_has_lived_out_its_time_counts_no_more_and_is_swept_up(
    store: JobStore, server: Server, tmp_path: Path
) -> None:
    """Where nobody ever lists them."""
    store.put(replace(job("a", "finished"), keep_s=1))
    store.put(job("b", "finished"))
    assert store.states()["finished"] == 2
    wait_for(lambda: store.get("a") is None)
    assert store.states()["finished"] == 1
    store.create(job("c"))
    with server.client() as client:
        assert client.zrange(f"{tmp_path.name}:state:finished", 0, -1) == [b"b"]


def test_a_record_is_kept_from_the_end_of_its_job(
    store: JobStore, server: Server, tmp_path: Path
) -> None:
    prefix = tmp_path.name
    with server.client() as client:

        def lives(name: str, about_s: int) -> bool:
            return about_s - 60 < int(client.ttl(f"{prefix}:{name}")) <= about_s

        for name, keep_s in (("a", 86_400), ("b", 1000)):
            waiting = replace(job(name), keep_s=keep_s)
            store.create(waiting)
            assert lives(f"job:{name}", PENDING_S), "it may wait for weeks"
            assert store.silent_s(waiting) < 60
            running = replace(waiting, state="running")
            store.put(running)
            assert lives(f"job:{name}", PENDING_S)
            store.put(replace(running, state="finished"))
            assert lives(f"job:{name}", keep_s)
        assert lives("state:finished", 86_400), "as long as the last of them"
        client.delete(f"{prefix}:job:b")
        assert [record.id for record in store.all()] == ["a"]
