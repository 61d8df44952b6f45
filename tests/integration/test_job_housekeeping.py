"""What stream workers do about jobs whose attempts end, and what they must not do."""

import os
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from mien.contract.errors import Interrupted, JobError
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs import horse
from mien.jobs.queue import Jobs
from mien.jobs.record import State, record_from_json
from mien.jobs.rq_queue import stream_queue
from mien.jobs.stream_worker import StreamWorker
from mien.transport.ports import Superseded
from mien.transport.redis_server import Unreachable
from tests.cameras import Proxy
from tests.servers import REFUSALS, Server
from tests.waiting import wait_for

CAMERA = "rtsp://127.0.0.1:1/1"


def request(clip: Path, folder: Path) -> RunRequest:
    return RunRequest(str(clip), AnalysisRequest(), (OutputSettings(folder / "out.mp4", None),))


def rq_entry(client: redis.Redis, job: str) -> Job:
    return Job.fetch(job, client, serializer=JSONSerializer)


def die_with(worker: StreamWorker, client: redis.Redis, job: str) -> None:
    """What a worker leaves behind that takes a job and dies."""
    entry = rq_entry(client, job)
    assert client.lpop("rq:queue:mien-streams") == job.encode()
    execution = worker.prepare_execution(entry)
    entry.set_status(JobStatus.STARTED)
    client.zadd("rq:wip:mien-streams", {execution.composite_key: 1})  # long ago


def beside_a_dead_one(jobs: Jobs, client: redis.Redis, clip: Path) -> StreamWorker:
    """A worker beside the one of job `a`, which has died."""
    worker = StreamWorker(stream_queue(client), client, [].append)
    jobs.submit(request(clip, clip.parent), job="a")
    die_with(worker, client, "a")
    return worker


def test_a_job_whose_workers_die_is_given_up_in_the_end(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    worker = StreamWorker(stream_queue(client), client, partial(horse.give_up, jobs.store))
    jobs.submit(request(clip, clip.parent), job="a")
    for _ in range(4):
        assert jobs.find("a").state == "queued"
        die_with(worker, client, "a")
        worker.clean_registries()
    text = client.get("mien:job:a")
    assert isinstance(text, bytes)
    ended = record_from_json(text)  # as it lies there, before anybody judges
    assert (ended.state, ended.exit_code) == ("failed", JobError.exit_code)
    assert "given up" in str(ended.error)
    assert 0 < int(client.ttl("rq:job:a")) <= 3600
    assert jobs.retry("a").state == "queued"


@pytest.mark.parametrize(("source", "is_seen"), [("http://host/live.ts", True), (CAMERA, False)])
def test_a_stream_without_an_end_is_tried_for_ever_once_it_is_known(
    jobs: Jobs, client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    source: str, is_seen: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    worker = StreamWorker(
        stream_queue(client), client, [].append, partial(horse.is_endless, jobs.store)
    )
    wish = RunRequest(source, AnalysisRequest(), results=tmp_path / "r.jsonl")
    record, _ = jobs.submit(wish, job="a")
    jobs.store.put(replace(record, attempts=1, is_live=is_seen))
    for _ in range(5):
        die_with(worker, client, "a")
        worker.clean_registries()
        assert jobs.find("a").state == "queued"
    for _ in range(5):
        entry = rq_entry(client, "a")
        assert client.lpop("rq:queue:mien-streams") == b"a"
        execution = worker.prepare_execution(entry)
        worker.handle_job_failure(entry, worker.queues[0], execution=execution)
        assert jobs.find("a").state == "queued"


def test_a_camera_gets_the_attempts_back_at_which_its_record_could_not_be_looked_at(
    jobs: Jobs, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    answers = iter([False, False, False, True, False, False, False])
    worker = StreamWorker(stream_queue(client), client, [].append, lambda _: next(answers))
    jobs.submit(RunRequest(CAMERA, AnalysisRequest()), job="a")
    for _ in range(7):
        die_with(worker, client, "a")
        worker.clean_registries()
        assert jobs.find("a").state == "queued"


def test_a_job_whose_worker_died_is_the_next(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has waited for its turn."""
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    worker = beside_a_dead_one(jobs, client, clip)
    jobs.submit(request(clip, clip.parent), job="b")
    worker.clean_registries()
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a", b"b"]


def test_a_job_whose_worker_has_just_died_is_cancelled_and_tried_again(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    worker = StreamWorker(stream_queue(client), client, partial(horse.give_up, jobs.store))
    jobs.submit(request(clip, clip.parent), job="a")
    die_with(worker, client, "a")
    worker.clean_registries()
    assert client.delete(*client.scan_iter("rq:execution:a:*")), "it lives for 8 s"
    assert client.zcard("rq:executions:a"), "which lists it a minute longer"
    assert jobs.cancel("a").state == "cancelled"
    assert not list(client.scan_iter("rq:*:a"))
    assert client.llen("rq:queue:mien-streams") == 0
    assert jobs.retry("a").state == "queued"


def test_a_job_that_was_given_up_just_now_is_tried_again(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    worker = StreamWorker(stream_queue(client), client, partial(horse.give_up, jobs.store))
    jobs.submit(request(clip, clip.parent), job="a")
    for _ in range(4):
        die_with(worker, client, "a")
        worker.clean_registries()
    assert client.delete(*client.scan_iter("rq:execution:a:*"))
    assert client.zcard("rq:executions:a")
    assert jobs.retry("a").state == "queued"
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a"]


def test_a_lost_job_that_cannot_be_told_now_is_told_later(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    troubles, told = [Unreachable("away"), JobError("its record is damaged")], []

    def give_up(job: str) -> None:
        told.append(job)
        if troubles:
            raise troubles.pop(0)

    worker = StreamWorker(stream_queue(client), client, give_up)
    jobs.submit(request(clip, clip.parent), job="a")
    for _ in range(4):
        die_with(worker, client, "a")
        worker.clean_registries()
    assert told == ["a"]
    for _ in range(2):
        worker.clean_registries()
    assert told == ["a", "a"], "and what cannot be read is let go"


def test_a_webhook_that_takes_long_is_no_server_that_stalls(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.WORKER_LIFE_S", 16)  # of which it waits for 1 s
    worker = StreamWorker(stream_queue(client), client, lambda job: time.sleep(3))
    worker._lost.append("a")
    worker._give_up_lost()
    worker.heartbeat()
    assert worker._troubled_s < 0


def test_a_job_is_given_up_by_the_worker_and_not_by_its_work_horse(
    jobs: Jobs, client: redis.Redis, clip: Path
) -> None:
    """What the work horse could not tell is lost with it, and it knows of others' as well."""
    told: list[str] = []
    worker = StreamWorker(stream_queue(client), client, told.append)
    worker._lost.append("b")
    jobs.submit(request(clip, clip.parent), job="a")
    entry = rq_entry(client, "a")
    entry.retries_left = 0
    execution = worker.prepare_execution(entry)
    worker.handle_job_failure(entry, worker.queues[0], execution=execution)  # in the work horse
    assert told == []
    worker._horse_pid = os.spawnlp(os.P_NOWAIT, "true", "true")  # noqa: S606 - it has ended well
    worker.monitor_work_horse(entry, worker.queues[0], execution)
    assert told == ["b", "a"]


def test_an_attempt_that_begins_while_the_server_is_away_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server("valkey", tmp_path)
    monkeypatch.setenv("MIEN_REDIS_URL", server.url)
    starter = threading.Timer(0.5, server.start)
    starter.start()
    horse.run("a")
    assert "forgotten the job's record" in caplog.text
    starter.join()
    server.remove()


def test_a_job_that_died_before_it_began_is_found(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    monkeypatch.setattr("mien.jobs.rq_queue.STUCK_S", 0.05)
    worker = StreamWorker(stream_queue(client), client, [].append)
    jobs.submit(request(clip, clip.parent), job="a")
    client.lmove("rq:queue:mien-streams", "rq:queue:mien-streams:intermediate")
    worker.clean_registries()
    time.sleep(0.1)
    worker.clean_registries()
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a"]


def test_a_job_that_died_as_it_began_is_put_back_once(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    monkeypatch.setattr("mien.jobs.rq_queue.STUCK_S", 0.05)
    worker = beside_a_dead_one(jobs, client, clip)
    client.lpush("rq:queue:mien-streams:intermediate", "a")  # its work horse had said nothing yet
    for _ in range(3):
        worker.clean_registries()
        time.sleep(0.1)
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a"]
    assert client.llen("rq:queue:mien-streams:intermediate") == 0


def test_a_job_whose_record_was_forgotten_is_told(
    jobs: Jobs, client: redis.Redis, clip: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs.submit(request(clip, clip.parent), job="a")
    client.delete("mien:job:a")
    horse.run("a")
    assert "forgotten the job's record" in caplog.text


@pytest.mark.parametrize(("state", "found"), [("running", "queued"), ("cancelled", "cancelled")])
def test_a_job_that_the_server_has_forgotten_is_found_when_its_worker_dies(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch,
    state: State, found: State,
) -> None:  # fmt: skip
    """Its attempt has written the record again; where it is over there is nothing to find."""
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 0)
    worker = StreamWorker(
        stream_queue(client), client, [].append, is_open=partial(horse.is_open, jobs.store)
    )
    worker.register_birth()
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    entry = rq_entry(client, "a")
    execution = worker.prepare_execution(entry)
    client.flushall()
    worker.maintain_heartbeats(entry, execution)
    assert not client.exists("rq:job:a")
    jobs.store.put(replace(record, state=state, attempts=1))
    client.hset("rq:job:a", "last_heartbeat", "2026-01-01T00:00:00Z")  # by RQ
    worker.maintain_heartbeats(entry, execution)
    client.zadd("rq:wip:mien-streams", {execution.composite_key: 1}, xx=True)  # long ago
    worker.clean_registries()
    assert jobs.find("a").state == found
    assert client.lrange("rq:queue:mien-streams", 0, -1) == ([b"a"] if found == "queued" else [])


def test_a_server_that_has_just_come_back_knows_no_dead(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.stream_worker.SETTLE_S", 1e9)
    worker = beside_a_dead_one(jobs, client, clip)
    worker.clean_registries()
    assert client.llen("rq:queue:mien-streams") == 0


def test_who_was_killed_while_it_looked_for_the_dead_stops_no_other(
    jobs: Jobs, client: redis.Redis
) -> None:
    queue = stream_queue(client)
    assert queue.acquire_maintenance_lock()
    assert not queue.acquire_maintenance_lock()
    assert 0 < int(client.ttl(queue.registry_cleaning_key)) <= 10


def test_a_worker_may_say_twice_that_it_is_there(client: redis.Redis) -> None:
    """Where the server's first answer gets lost."""
    worker = StreamWorker(stream_queue(client), client, [].append)
    for _ in range(2):
        worker.register_birth()
    assert client.exists(worker.key)


@pytest.mark.parametrize("setting", REFUSALS)
def test_a_server_that_refuses_as_a_worker_looks_for_work_is_borne(
    jobs_server: Server, client: redis.Redis, setting: str
) -> None:
    worker = StreamWorker(stream_queue(client), client, [].append)
    worker.register_birth()
    with jobs_server.refusing(setting):
        worker.check_for_suspension(burst=False)
    assert worker._troubled_s > 0, "noted, so that nobody is taken for dead"


def test_a_server_that_answers_a_waiting_worker_late_is_noted(
    jobs: Jobs,
    jobs_server: Server,
    client: redis.Redis,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has heard of no pulse of the others meanwhile."""
    monkeypatch.setattr("mien.jobs.stream_worker.WORKER_LIFE_S", 16)  # of which it waits for 1 s
    worker = StreamWorker(stream_queue(client), client, [].append)
    dequeue = worker.dequeue_job_and_maintain_ttl
    waiting = threading.Thread(target=dequeue, args=(1,), daemon=True)
    waiting.start()
    wait_for(lambda: worker.last_cleaned_at)
    with jobs_server.hanging():
        time.sleep(3)
    wait_for(lambda: worker._troubled_s > 0, 10)
    jobs.submit(request(clip, clip.parent), job="a")  # which ends the wait
    waiting.join()


def test_a_server_that_is_away_ends_no_worker_and_is_noted(tmp_path: Path) -> None:
    server = Server("valkey", tmp_path).start()
    once = Retry(NoBackoff(), 0)
    with redis.Redis.from_url(server.unix_url, protocol=2, retry=once) as connection:
        worker = StreamWorker(stream_queue(connection), connection, [].append)
        server.remove()
        worker.heartbeat()
        worker.run_maintenance_tasks()
    assert worker._troubled_s > 0
    assert worker.max_connection_wait_time < 5, "and is asked again soon"


def test_a_worker_finds_another_primary_at_the_same_address(
    jobs_server: Server, client: redis.Redis, tmp_path: Path
) -> None:
    """Though the former one, a replica now, leaves its connections open."""
    former = Server("valkey", tmp_path).start()
    with (
        Proxy(former.port) as address,
        redis.Redis(port=address.port, protocol=2) as connection,
    ):
        worker = StreamWorker(stream_queue(connection), connection, [].append)
        worker.heartbeat()
        with former.demoted(jobs_server):
            address.target = jobs_server.port
            for _ in range(2):
                worker.heartbeat()
            assert client.exists(worker.key)
    former.remove()


@pytest.mark.parametrize(
    ("cause", "waiting"), [(Superseded("x"), 0), (Interrupted("x"), 1), (Unreachable("x"), 1)]
)
def test_an_attempt_asks_for_another_only_where_there_is_none(
    jobs: Jobs, client: redis.Redis, clip: Path, cause: Exception, waiting: int
) -> None:
    worker = StreamWorker(stream_queue(client), client, [].append)
    jobs.submit(request(clip, clip.parent), job="a")
    entry = rq_entry(client, "a")
    client.delete("rq:queue:mien-streams")
    execution = worker.prepare_execution(entry)
    worker.handle_exception(entry, type(cause), cause, None)
    worker.handle_job_failure(entry, worker.queues[0], execution=execution)
    assert client.exists("rq:wip:mien-streams") == 0
    assert client.llen("rq:queue:mien-streams") == waiting
    assert rq_entry(client, "a").retries_left == 3
