"""What becomes of a submission: its id, and its place in the queue."""

from dataclasses import replace
from pathlib import Path

import pytest
import redis

from mien.contract.errors import JobError, UsageError
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.queue import Jobs
from mien.jobs.store import PENDING_S
from tests.servers import free_port


def request(source: object, folder: Path) -> RunRequest:
    return RunRequest(str(source), AnalysisRequest(), (OutputSettings(folder / "out.mp4", None),))


def test_a_camera_does_not_wait_for_the_files(jobs: Jobs, client: redis.Redis, clip: Path) -> None:
    jobs.submit(request(clip, clip.parent), job="file")
    jobs.submit(request(f"rtsp://127.0.0.1:{free_port()}/1", clip.parent), job="camera")
    jobs.submit(replace(request("http://a/b", clip.parent), attached=True), job="attached")
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"attached", b"camera", b"file"]


def test_the_same_id_is_not_started_twice(jobs: Jobs, client: redis.Redis, clip: Path) -> None:
    first, _ = jobs.submit(request(clip, clip.parent), job="a")
    again, is_new = jobs.submit(request(clip, clip.parent), job="a")
    assert (again, is_new) == (first, False)
    assert client.llen("rq:queue:mien-streams") == 1


def test_the_id_of_another_job_is_refused(jobs: Jobs, clip: Path) -> None:
    wish = replace(request("rtsp://me:hunter2@127.0.0.1:1/1", clip.parent), attached=True)
    first, _ = jobs.submit(wish, job="a", secret="of the house")
    assert jobs.submit(wish, job="a", secret="of the house") == (first, False), "sealed otherwise"
    for other in (
        request(clip, clip.parent),
        replace(wish, outputs=()),
        replace(wish, analysis=AnalysisRequest(min_face_px=100)),
    ):
        with pytest.raises(UsageError, match="job a is another one, of rtsp://"):
            jobs.submit(other, job="a", secret="of the house")
    assert jobs.all() == [first]


def test_the_same_job_is_known_by_what_it_is_to_make(jobs: Jobs, clip: Path) -> None:
    wish = request(clip, clip.parent)
    first, _ = jobs.submit(wish, job="a")
    weights, output = replace(wish.analysis, weights="vgg19"), wish.outputs[0]
    for same in (
        replace(wish, batch=16),
        replace(wish, device="cuda"),
        replace(wish, analysis=weights),
        replace(wish, overwrite=True, outputs=(replace(output, overwrite=True),)),
    ):
        assert jobs.submit(same, job="a") == (first, False)


def test_a_job_whose_request_this_version_finds_senseless_is_the_one_of_its_id(
    jobs: Jobs, clip: Path
) -> None:
    wish = request(clip, clip.parent)
    first, _ = jobs.submit(wish, job="a")
    analysis = {**first.request["analysis"], "detector": "one of another version"}
    odd = replace(first, request={**first.request, "analysis": analysis})
    jobs.store.put(odd)
    assert jobs.submit(wish, job="a") == (odd, False)


def test_addresses_that_differ_where_they_are_hidden_are_those_of_another_job(jobs: Jobs) -> None:
    def camera(session: str, key: str) -> RunRequest:
        channel = OutputSettings(f"rtmp://127.0.0.1/live/{key}", None)
        source = f"http://127.0.0.1:1/live.ts?session={session}"
        return RunRequest(source, AnalysisRequest(), (channel,), attached=True)

    first, _ = jobs.submit(camera("AAA", "KEY1"), job="a", secret="of the house")
    assert jobs.submit(camera("AAA", "KEY1"), job="a", secret="of the house") == (first, False)
    plain = replace(camera("AAA", "KEY1"), source=first.source, outputs=())
    for other in (camera("BBB", "KEY1"), camera("AAA", "KEY2"), plain):
        with pytest.raises(UsageError, match="job a is another one"):
            jobs.submit(other, job="a", secret="of the house")
    with pytest.raises(UsageError, match="another MIEN_SECRET"):
        jobs.submit(camera("AAA", "KEY1"), job="a", secret="of another house")


def test_a_webhook_that_would_hear_nothing_is_refused(jobs: Jobs, clip: Path) -> None:
    wish, hook = request(clip, clip.parent), "http://127.0.0.1/1"
    jobs.submit(wish, job="a", webhook=hook)
    assert not jobs.submit(wish, job="a", webhook=hook).is_new
    for other in (None, "http://127.0.0.1/2"):
        with pytest.raises(UsageError, match="different webhook"):
            jobs.submit(wish, job="a", webhook=other)


@pytest.mark.parametrize("is_judged", [False, True], ids=["at once", "found forgotten"])
def test_a_submission_that_was_cut_off_is_made_good_by_the_next_of_its_id(
    jobs: Jobs, client: redis.Redis, clip: Path, is_judged: bool
) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    client.delete("rq:job:a", "rq:queue:mien-streams")  # as if it had never come there
    if is_judged:
        client.expire("mien:job:a", PENDING_S - 11)
        assert jobs.find("a").state == "failed"
    for _ in range(2):
        again, is_new = jobs.submit(request(clip, clip.parent), job="a")
        assert (again.state, is_new) == ("queued", False)
        assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a"]
    jobs._enqueue(record)  # the first submitter was only slow
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a"]


def test_a_job_that_has_ended_is_not_begun_again_by_its_id(
    jobs: Jobs, client: redis.Redis, clip: Path
) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    client.delete("rq:job:a", "rq:queue:mien-streams")
    for ended in (
        replace(record, state="failed", exit_code=UsageError.exit_code),
        replace(record, state="failed", exit_code=JobError.exit_code, attempts=4),
        replace(record, state="cancelled", exit_code=JobError.exit_code, attempts=4),
    ):
        jobs.store.put(ended)
        assert jobs.submit(request(clip, clip.parent), job="a") == (ended, False)
        assert client.llen("rq:queue:mien-streams") == 0


@pytest.mark.parametrize("job", ["", "a b", "a:b", "é", "x" * 65])
def test_an_id_that_is_none_is_refused(jobs: Jobs, clip: Path, job: str) -> None:
    with pytest.raises(UsageError, match="an id has"):
        jobs.find(job)
