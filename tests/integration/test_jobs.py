"""Jobs on a real server: what users do with them, and what is left of them."""

from dataclasses import replace
from pathlib import Path

import pytest
import redis

from mien.contract.errors import JobError, SourceError, UsageError
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs import horse
from mien.jobs.environment import OUTPUT_ROOT
from mien.jobs.following import follow
from mien.jobs.queue import Jobs
from mien.jobs.record import MOST_BYTES, JobRecord
from mien.jobs.store import PENDING_S
from mien.jobs.submission import absolute, check_submission
from mien.transport.redis_server import Unreachable
from tests.faces import make_face_clip
from tests.servers import Server, free_port
from workers.hls_playlist import RollingPlaylist, write_playlist

SECRET, PASSWORD = "the secret of the house", "hunter2"


def request(source: object, folder: Path) -> RunRequest:
    return RunRequest(str(source), AnalysisRequest(), (OutputSettings(folder / "out.mp4", None),))


def camera() -> str:
    """Of one that does not answer, with a password."""
    return f"rtsp://user:{PASSWORD}@127.0.0.1:{free_port()}/1"


def carry_out(jobs: Jobs, job: str) -> JobRecord:
    """What a work horse does."""
    horse.run(job)
    return jobs.find(job)


def everything(client: redis.Redis) -> str:
    """All that the server knows."""
    dumps = [client.dump(key) for key in client.scan_iter()]
    return repr(dumps) + repr([client.get(key) for key in client.scan_iter(_type="string")])


def test_a_new_job_waits_in_the_queue(jobs: Jobs, clip: Path) -> None:
    record, is_new = jobs.submit(request(clip, clip.parent))
    assert is_new
    assert record.status() == {
        "id": record.id, "state": "queued", "source": str(clip),
        "done": 0, "total": None, "fps": None, "eta_s": None,
        "attempts": 0, "exit_code": None, "error": None,
        "created_s": record.created_s, "started_s": None, "ended_s": None,
        "outputs": [], "live": None,
    }  # fmt: skip
    assert jobs.find(record.id) == record
    assert jobs.all() == [record]


def test_jobs_are_listed_by_age(jobs: Jobs, clip: Path) -> None:
    for name in "zyx":
        jobs.submit(request(clip, clip.parent), job=name)
    assert [record.id for record in jobs.all()] == ["z", "y", "x"]


def test_what_is_not_there_is_said(jobs: Jobs) -> None:
    with pytest.raises(UsageError, match="there is no job a"):
        jobs.find("a")


@pytest.mark.parametrize(
    "hook",
    ["ftp://a/b", "nonsense", "http://", "https://u:p@a/b", "http://a:b/", "http://a:99999/",
     "http://a/b c", "http://a/b\n", "http://a/é"],
)  # fmt: skip
def test_a_webhook_that_cannot_be_told_is_refused(jobs: Jobs, clip: Path, hook: str) -> None:
    with pytest.raises(UsageError, match="webhook"):
        jobs.submit(request(clip, clip.parent), webhook=hook)


def test_names_that_make_a_record_too_large_are_refused(jobs: Jobs, tmp_path: Path) -> None:
    long = tmp_path.joinpath(*["x" * 250] * 15)
    jobs.submit(request(long / "a.mp4", tmp_path), job="a")
    with pytest.raises(UsageError, match=r"names and addresses .* bytes too long"):
        jobs.submit(request(long / "a.mp4", long), job="b")
    with pytest.raises(UsageError, match=r"names and addresses .* bytes too long"):
        jobs.submit(request("a.mp4", tmp_path), job="b", webhook="http://a/" + "x" * MOST_BYTES)
    assert [record.id for record in jobs.all()] == ["a"]
    failed = carry_out(jobs, "a")
    assert failed.exit_code == SourceError.exit_code
    assert len(failed.to_json()) < MOST_BYTES


def test_relative_names_mean_the_callers_folder(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    relative = RunRequest(
        "face.mp4", AnalysisRequest(weights="w.safetensors"),
        (OutputSettings(Path("out.mp4"), None),), Path("r.csv"), Path("r.json"),
    )  # fmt: skip
    assert absolute(relative) == RunRequest(
        str(clip), AnalysisRequest(weights=str(clip.parent / "w.safetensors")),
        (OutputSettings(clip.parent / "out.mp4", None),),
        clip.parent / "r.csv", clip.parent / "r.json",
    )  # fmt: skip
    for name in ("rtsp://camera/1", "file:///a/b.mp4", "/dev/video0"):
        assert absolute(replace(relative, source=name)).source == name


def test_what_no_worker_could_do_is_not_submitted(clip: Path) -> None:
    check_submission(request(clip, clip.parent))
    with pytest.raises(SourceError, match="no such file"):
        check_submission(request(clip.parent / "missing.mp4", clip.parent))
    with pytest.raises(UsageError, match="there is no folder"):
        check_submission(request(clip, clip.parent / "missing"))


def test_a_password_is_sealed_on_the_server_and_told_nowhere(
    jobs: Jobs, client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_SECRET", SECRET)
    impatient = replace(request(camera(), tmp_path), give_up_after_s=0.5)
    record, _ = jobs.submit(impatient, secret=SECRET)
    assert PASSWORD not in everything(client)
    ended = carry_out(jobs, record.id)
    assert (ended.state, ended.exit_code) == ("failed", SourceError.exit_code)
    assert "connection was refused" in str(ended.error)
    assert PASSWORD not in everything(client) + repr(ended)
    assert SECRET not in everything(client)


@pytest.mark.parametrize("secret", [None, "another"])
def test_a_worker_without_the_secret_says_so(
    jobs: Jobs, tmp_path: Path, secret: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIEN_SECRET", raising=False)
    if secret:
        monkeypatch.setenv("MIEN_SECRET", secret)
    record, _ = jobs.submit(request(camera(), tmp_path), secret=SECRET)
    ended = carry_out(jobs, record.id)
    assert (ended.state, ended.exit_code) == ("failed", UsageError.exit_code)
    assert "MIEN_SECRET" in str(ended.error)
    assert ended.ended_s is not None
    assert ended.ended_s >= ended.created_s


def test_a_password_without_a_secret_is_refused(jobs: Jobs, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MIEN_SECRET"):
        jobs.submit(request(camera(), tmp_path))
    assert jobs.all() == []


@pytest.mark.parametrize("source", ["HTTP://example.org/a.mp4?", "/in/a?token=1.mp4"])
def test_an_address_without_a_password_needs_no_secret(
    jobs: Jobs, tmp_path: Path, source: str
) -> None:
    record, _ = jobs.submit(request(source, tmp_path))
    assert (record.source, record.sealed) == (source, None)


def test_roots_hold_for_jobs(
    jobs: Jobs, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("MIEN_INPUT_ROOT", str(tmp_path / "in"))
    monkeypatch.setenv("MIEN_OUTPUT_ROOT", str(tmp_path / "out"))
    (tmp_path / "in" / "b.mp4").symlink_to(clip)
    jobs.submit(request(tmp_path / "in" / "b.mp4", tmp_path / "out"), job="read")
    assert carry_out(jobs, "read").exit_code == SourceError.exit_code
    jobs.submit(request("http://127.0.0.1:1/a.mp4", tmp_path), job="write")
    assert carry_out(jobs, "write").exit_code == UsageError.exit_code
    assert {path.name for path in tmp_path.iterdir()} == {"face.mp4", "in", "out"}


def test_a_cancelled_job_is_not_begun(jobs: Jobs, client: redis.Redis, clip: Path) -> None:
    jobs.submit(request(clip, clip.parent), job="a")
    cancelled = jobs.cancel("a")
    assert (cancelled.state, cancelled.exit_code) == ("cancelled", JobError.exit_code)
    assert client.llen("rq:queue:mien-streams") == 0
    assert carry_out(jobs, "a") == cancelled
    assert jobs.cancel("a") == cancelled


def test_a_wish_to_cancel_is_none_of_a_later_job_of_the_same_id(
    jobs: Jobs, client: redis.Redis, clip: Path
) -> None:
    jobs.submit(request(clip, clip.parent), job="a")
    jobs.cancel("a")
    client.delete("mien:job:a")  # it has been kept for as long as it was asked for
    _, is_new = jobs.submit(request(clip, clip.parent), job="a")
    assert is_new
    assert not jobs.store.cancel_is_requested("a")


def test_a_job_that_a_worker_has_just_taken_is_cancelled_too(
    jobs: Jobs, client: redis.Redis, clip: Path
) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    jobs.store.request_cancel("a")
    assert int(client.ttl("mien:cancel:a")) > PENDING_S - 60, "it may be long until it is begun"
    assert carry_out(jobs, "a").state == "cancelled"
    assert record.state == "queued"


def test_a_job_that_begins_just_as_it_is_cancelled_is_not_told_to_be_over(
    jobs: Jobs, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    running, withdraw = replace(record, state="running", attempts=1), jobs._withdraw

    def begin_first(job: str) -> bool:
        jobs.store.put(running)
        return withdraw(job)

    monkeypatch.setattr(jobs, "_withdraw", begin_first)
    assert jobs.cancel("a") == running
    assert jobs.store.cancel_is_requested("a")


def test_a_failed_job_can_be_tried_again(jobs: Jobs, client: redis.Redis, tmp_path: Path) -> None:
    jobs.submit(request(tmp_path / "later.mp4", tmp_path), job="a")
    with pytest.raises(UsageError, match="not over"):
        jobs.retry("a")
    assert carry_out(jobs, "a").state == "failed"
    make_face_clip(tmp_path / "later.mp4", frames=3)
    again = jobs.retry("a")
    assert (again.state, again.error, again.attempts) == ("queued", None, 1)
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a"]
    assert jobs.find("a") == again


def test_a_cancelled_job_can_be_tried_again(jobs: Jobs, clip: Path) -> None:
    jobs.submit(request(clip, clip.parent), job="a")
    jobs.cancel("a")
    assert jobs.retry("a").state == "queued"
    assert not jobs.store.cancel_is_requested("a")


def test_a_finished_job_is_not_tried_again(jobs: Jobs, clip: Path) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    assert jobs.store.put(replace(record, state="finished", exit_code=0))
    with pytest.raises(UsageError, match="finished"):
        jobs.retry("a")


def recorded(jobs: Jobs, folder: Path) -> JobRecord:
    """The job of a camera whose attempt has recorded, and was told to leave."""
    outputs = tuple(OutputSettings(folder / name, None) for name in ("cam.mkv", "live.m3u8"))
    wish = RunRequest(camera(), AnalysisRequest(), outputs, folder / "r.jsonl", overwrite=True)
    record, _ = jobs.submit(wish, job="a", secret=SECRET)
    record = replace(record, attempts=1, owns_outputs=True, done=50, live={"fps": 25.0})
    assert jobs.store.put(record)
    (folder / "live-00000.ts").touch()
    playlist = RollingPlaylist(2)
    playlist.add("live-00000.ts", 2.0, 0.0, is_break=False)
    write_playlist(folder / "live.m3u8", playlist)
    return record


def is_ended(folder: Path) -> bool:
    return "#EXT-X-ENDLIST" in (folder / "live.m3u8").read_text()


def test_a_camera_that_is_cancelled_between_attempts_has_left_its_files(
    jobs: Jobs, client: redis.Redis, tmp_path: Path
) -> None:
    recorded(jobs, tmp_path)
    ended = jobs.cancel("a")
    assert (ended.state, ended.exit_code) == ("cancelled", 0)
    assert ended.error == "cancelled between two attempts"
    assert ended.outputs == [
        str(tmp_path / name) for name in ("cam-*.mkv", "live.m3u8", "r.jsonl")
    ]  # fmt: skip
    assert client.lrange("rq:queue:mien-streams", 0, -1) == [b"a"], "its playlist has to be ended"
    assert carry_out(jobs, "a") == ended
    assert is_ended(tmp_path)


def test_a_camera_whose_next_attempt_is_about_to_begin_is_ended_the_same(
    jobs: Jobs, tmp_path: Path
) -> None:
    recorded(jobs, tmp_path)
    jobs.store.request_cancel("a")
    ended = carry_out(jobs, "a")
    assert (ended.state, ended.exit_code, len(ended.outputs)) == ("cancelled", 0, 3)
    assert is_ended(tmp_path)


def test_a_playlist_outside_of_the_worker_s_folder_is_not_touched(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(jobs, tmp_path)
    monkeypatch.setenv(OUTPUT_ROOT, str(tmp_path / "other"))
    jobs.cancel("a")
    assert carry_out(jobs, "a").state == "cancelled"
    assert not is_ended(tmp_path)


def test_what_a_camera_has_recorded_stays_its_own_when_it_is_tried_again(
    jobs: Jobs, tmp_path: Path
) -> None:
    recorded(jobs, tmp_path)
    jobs.cancel("a")
    again = jobs.retry("a")
    assert (again.state, again.owns_outputs, again.error) == ("queued", True, None)
    assert jobs.cancel("a").error == "cancelled between two attempts"


def test_a_request_of_another_version_fails_once_and_says_so(jobs: Jobs, clip: Path) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    jobs.store.put(replace(record, request={"source": "a.mp4"}))
    ended = carry_out(jobs, "a")
    assert (ended.state, ended.exit_code) == ("failed", UsageError.exit_code)
    assert "another version" in str(ended.error)


def test_a_record_that_cannot_be_read_hides_no_other(
    jobs: Jobs, client: redis.Redis, clip: Path
) -> None:
    for name in "ab":
        jobs.submit(request(clip, clip.parent), job=name)
    client.set("mien:job:a", "nonsense", ex=60)
    assert [record.id for record in jobs.all()] == ["b"]
    with pytest.raises(JobError, match="record of job a"):
        jobs.find("a")


def test_a_job_between_its_record_and_the_queue_is_not_lost(
    jobs: Jobs, client: redis.Redis, clip: Path
) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    client.delete("rq:job:a", "rq:queue:mien-streams")
    assert jobs.find("a") == record
    client.expire("mien:job:a", PENDING_S - 11)
    lost = jobs.find("a")
    assert (lost.state, lost.exit_code) == ("failed", JobError.exit_code)
    assert "forgotten" in str(lost.error)
    assert jobs.retry("a").state == "queued"


def test_a_running_job_that_the_queue_forgot_goes_on(
    jobs: Jobs, client: redis.Redis, clip: Path
) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    running = replace(record, state="running", attempts=1)
    jobs.store.put(running)
    client.delete("rq:job:a", "rq:queue:mien-streams")
    client.expire("mien:job:a", PENDING_S - 60)
    assert jobs.find("a") == running
    client.expire("mien:job:a", PENDING_S - 700)
    assert jobs.find("a").state == "failed"


def test_a_server_without_memory_is_not_told_to_be_away(
    jobs: Jobs, jobs_server: Server, clip: Path
) -> None:
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    jobs.cancel("a")
    with jobs_server.refusing("maxmemory"), pytest.raises(Unreachable, match="refuses: "):
        jobs._enqueue(record)


def test_who_follows_a_job_waits_for_the_server_and_not_for_ever(
    jobs: Jobs, client: redis.Redis, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.jobs.following.POLL_S", 0.01)
    monkeypatch.setattr("mien.jobs.following.FORGOTTEN_S", 0.1)
    record, _ = jobs.submit(request(clip, clip.parent), job="a")
    seen: list[str] = []

    def on_change(shown: JobRecord) -> None:
        seen.append(shown.state)
        if len(seen) == 1:
            jobs.store.put(replace(record, state="running", attempts=1))
        else:
            client.flushall()

    with pytest.raises(JobError, match="forgotten"):
        follow(jobs, "a", on_change)
    assert seen[0] == "queued"
