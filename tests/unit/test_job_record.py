"""The record of a job is small, and tells what is known of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.console import job_line
from mien.contract.request_json import request_to_json
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.record import (
    LONGEST_ERROR_BYTES,
    MOST_BYTES,
    JobRecord,
    cancelled,
    failed,
    largest_bytes,
    record_from_json,
)
from mien.jobs.secrets import hide

REQUEST = request_to_json(RunRequest("/in/a.mp4", AnalysisRequest()))
QUEUED = JobRecord("a1", REQUEST, created_s=1.7e9)


def test_a_record_survives_the_way_and_a_name_that_is_no_proper_text() -> None:
    record = replace(QUEUED, request={**REQUEST, "source": "/in/\udcff é.mp4"}, written=("report",))
    assert record_from_json(record.to_json()) == record


def test_a_record_of_a_later_version_is_read_without_what_is_new() -> None:
    text = QUEUED.to_json().replace(b'{"id"', b'{"colour":1,"id"')
    assert record_from_json(text) == QUEUED


@pytest.mark.parametrize("text", [b"", b"1", b"{}", b"nonsense", b'{"id":"a"}'])
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the reason
        record_from_json(text)


@given(st.text(), st.integers(0, 4000))
def test_no_failure_makes_a_record_larger_than_was_foretold(error: str, more: int) -> None:
    record = failed(replace(QUEUED, done=10**8), error + '\x1b"é' * more, 7, 1.7e9)
    assert len(record.to_json()) <= largest_bytes(QUEUED) <= MOST_BYTES
    assert record_from_json(record.to_json()) == record


def test_a_short_failure_is_told_whole_and_a_long_one_is_cut() -> None:
    assert failed(QUEUED, "no space\n left", 6, 1.0).error == "no space left"
    cut = failed(QUEUED, "x" * 9999, 6, 1.0).error
    assert cut is not None
    assert cut.endswith("…")
    assert LONGEST_ERROR_BYTES / 2 < len(cut) <= LONGEST_ERROR_BYTES


def test_outputs_are_named_when_they_are_in_place() -> None:
    request = {**REQUEST, "outputs": [{"target": "/out/a.mp4"}], "results": "/out/a.csv"}
    record = replace(QUEUED, request=request)
    assert record.outputs == []
    assert replace(record, written=("output", "results")).outputs == ["/out/a.mp4", "/out/a.csv"]


def test_a_status_has_the_promised_keys() -> None:
    assert list(QUEUED.status()) == [
        "id", "state", "source", "done", "total", "fps", "eta_s", "attempts", "exit_code", "error",
        "created_s", "started_s", "ended_s", "outputs", "live",
    ]  # fmt: skip


def test_a_status_tells_whose_it_is_when_and_with_which_code_it_has_ended() -> None:
    ended = failed(replace(QUEUED, started_s=1.7e9 + 5), "no space left", 6, 1.7e9 + 60).status()
    assert (ended["source"], ended["exit_code"]) == ("/in/a.mp4", 6)
    times = [ended[f"{name}_s"] for name in ("created", "started", "ended")]
    assert times == [1.7e9, 1.7e9 + 5, 1.7e9 + 60]
    queued = QUEUED.status()
    assert (queued["exit_code"], queued["started_s"], queued["ended_s"]) == (None, None, None)


def test_a_status_shows_no_password() -> None:
    asked = RunRequest("rtsp://user:hunter2@camera/1?token=hunter2", AnalysisRequest())
    shown, sealed = hide(asked, "the secret of the house")
    record = JobRecord("a1", request_to_json(shown), sealed)
    assert record.status()["source"] == "rtsp://user@camera/1?token=***"
    assert "hunter2" not in str(record.status())


def test_a_job_is_told_in_a_line() -> None:
    assert job_line(QUEUED) == "queued"
    running = replace(QUEUED, state="running", done=240, total=472, fps=31.0, eta_s=7.5)
    assert job_line(running) == "running  frame 240/472 · 31.0 frames/s · 7.5 s left"
    assert job_line(replace(running, total=None, eta_s=None)) == (
        "running  frame 240 · 31.0 frames/s"
    )
    assert job_line(failed(QUEUED, "no such file", 3, 1.0)) == "failed: no such file"


def camera_record(folder: str = "/out", **changes: object) -> JobRecord:
    """Of a camera that an attempt has recorded."""
    outputs = [{"target": f"{folder}/{name}"} for name in ("cam.mkv", "live.m3u8")]
    outputs.append({"target": "rtsp://host/live.m3u8"})
    request = {
        **REQUEST, "source": "rtsp://host/1", "outputs": outputs,
        "results": f"{folder}/r.jsonl", "report": f"{folder}/r.json",
    }  # fmt: skip
    return replace(QUEUED, request=request, attempts=1, owns_outputs=True, **changes)  # type: ignore[arg-type]


def test_a_camera_s_job_that_is_cancelled_between_attempts_tells_what_they_left() -> None:
    ended = cancelled(camera_record(), 1.0)
    assert (ended.state, ended.exit_code, ended.ended_s) == ("cancelled", 0, 1.0)
    assert job_line(ended) == "cancelled: between two attempts"
    assert ended.outputs == [
        "/out/cam-*.mkv", "/out/live.m3u8", "rtsp://host/live.m3u8", "/out/r.jsonl"
    ]  # fmt: skip
    assert ended.playlists == [Path("/out/live.m3u8")]
    handed_on = camera_record(written=("output", "results", "report"))
    assert cancelled(handed_on, 1.0).outputs[-1] == "/out/r.json"
    assert failed(camera_record(), "no space left", 6, 1.0).outputs == ended.outputs


def test_a_stream_on_a_web_server_stays_one_between_two_attempts() -> None:
    waiting = camera_record(live={"trouble": "the connection was refused"})
    waiting = replace(waiting, request={**waiting.request, "source": "http://host/1"}, attempts=2)
    assert failed(waiting, "no space left", 6, 1.0).outputs == []
    known = replace(waiting, is_live=True)
    assert known.playlists == [Path("/out/live.m3u8")]
    assert failed(known, "no space left", 6, 1.0).written == ("output", "results")


@pytest.mark.parametrize(("live", "is_camera"), [({"fps": 25.0}, True), ({}, False)])
def test_a_record_of_an_earlier_version_tells_a_stream_by_its_rate(
    live: dict[str, object], is_camera: bool
) -> None:
    plain = json.loads(replace(QUEUED, live=live).to_json())
    del plain["is_live"]
    assert record_from_json(json.dumps(plain).encode()).is_camera == is_camera


def test_a_job_that_has_left_nothing_says_so() -> None:
    for record in (
        replace(camera_record(), owns_outputs=False),
        replace(QUEUED, request={**REQUEST, "outputs": [{"target": "/out/a.mp4"}]}),
    ):
        ended = cancelled(record, 1.0)
        assert (ended.exit_code, ended.outputs, ended.playlists) == (7, [], [])
        assert job_line(ended) == "cancelled: before it began"
        assert failed(record, "no space left", 6, 1.0).outputs == []
    file = cancelled(replace(QUEUED, attempts=1, owns_outputs=True), 1.0)
    assert (file.exit_code, file.outputs) == (7, [])
    assert job_line(file) == "cancelled: between two attempts"
