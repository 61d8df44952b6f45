"""One line an event, its job beside it, in UTC."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien import logs
from mien.contract.outputs import OutputSettings
from mien.contract.request_json import request_to_json
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.leftovers import clean_up
from mien.jobs.record import JobRecord
from mien.jobs.roots import Roots

PASSWORD = "hunter2"

_log = logging.getLogger("mien.test")


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:  # else they would be closed
        root.removeHandler(handler)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_has_the_event_and_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    _log.warning("its %s is dead", "worker", extra={"job": "17", "frames": 3})
    event = json.loads(capsys.readouterr().err)
    assert event.pop("ts").endswith("Z")
    assert event == {
        "level": "warning", "event": "its worker is dead", "logger": "mien.test",
        "job": "17", "frames": 3,
    }  # fmt: skip


def test_text_has_the_same_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text")
    _log.warning("it broke", extra={"job": "17", "error": "no\nroom", "trace": None})
    time, _, rest = capsys.readouterr().err.partition(" ")
    assert time.endswith("Z")
    assert rest == 'WARNING job 17: it broke error="no\\nroom"\n'


@pytest.mark.parametrize("form", ["text", "json"])
def test_whatever_happens_is_one_line(
    capsys: pytest.CaptureFixture[str], form: logs.LogFormat
) -> None:
    logs.set_up(form)
    _log.info("several\nlines\r\nof %s", "somebody else")
    try:
        raise ValueError(f"rtsp://me:{PASSWORD}@camera")
    except ValueError:
        _log.exception("it broke")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "several | lines | of somebody else" in lines[0]
    assert "ValueError" in lines[1]
    assert "test_whatever_happens_is_one_line" in lines[1]
    assert PASSWORD not in lines[1]


def test_a_work_horse_says_its_job_with_everything(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    _log.info("before")
    logs.about("17")
    logging.getLogger("elsewhere").warning("after")
    before, after = map(json.loads, capsys.readouterr().err.splitlines())
    assert "job" not in before
    assert after["job"] == "17"


def test_why_files_stay_as_they_were_left_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    logs.set_up("json")
    outputs = (OutputSettings(tmp_path / "live.m3u8", None),)
    request = RunRequest("rtsp://camera/1", AnalysisRequest(), outputs)
    record = JobRecord("17", request_to_json(request), owns_outputs=True)
    clean_up(record, Roots(write=tmp_path / "other"))
    event = json.loads(capsys.readouterr().err)
    assert (event["event"], event["job"]) == ("files stay as they were left", "17")
    assert "live.m3u8 lies outside of" in event["error"]
