"""Attempts share analyses as long as they read the same file."""

from dataclasses import replace
from pathlib import Path

from mien.contract.request_json import request_to_json
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.record import JobRecord
from mien.jobs.source_mark import source_mark, stream_name


def test_a_file_that_was_replaced_has_analyses_of_its_own(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"one")
    record = JobRecord("a1", request_to_json(RunRequest(str(clip), AnalysisRequest())))
    first = source_mark(str(clip))
    assert stream_name(record, first) == "a1"
    record = replace(record, source_mark=first)
    assert stream_name(record, source_mark(str(clip))) == "a1"
    clip.write_bytes(b"another")
    second = source_mark(str(clip))
    assert stream_name(record, second) == f"a1-{second}" != "a1"


def test_what_is_no_file_has_no_mark(tmp_path: Path) -> None:
    assert source_mark("rtsp://camera/1") is None
    assert source_mark(str(tmp_path / "missing.mp4")) is None
    record = JobRecord("a1", {}, source_mark="0" * 16)
    assert stream_name(record, None) == "a1"
