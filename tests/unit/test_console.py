"""What a person reads while a run lasts and at its end."""

import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from mien.console import Console, job_line, live_lines, state_line, summary_lines
from mien.contract.frames import SECOND_NS, EndOfStream, EndReason, SourceInfo
from mien.contract.pictures import Colour
from mien.contract.stage import Progress
from mien.jobs.record import JobRecord
from mien.stream import Outcome
from workers.sink import OutputSummary
from workers.summary import TrackSummary

INFO = SourceInfo(
    "clip.mp4", "video", 640, 360, Colour(), Fraction(24), Fraction(1, 24), 20 * SECOND_NS, 480, 0,
    "h264", "yuv420p", 0,
)  # fmt: skip


def outcome(
    *tracks: TrackSummary,
    reason: EndReason = "end of file",
    corrupt: int = 0,
    missing_s: float = 0,
) -> Outcome:
    output = OutputSummary(
        Path("out.webm"), 480, 20 * SECOND_NS, None, ["aac transcoded to opus"], "libvpx-vp9"
    )
    end = EndOfStream(480, corrupt, 20 * SECOND_NS, reason)
    return Outcome(
        INFO,
        end,
        Progress(480),
        list(tracks),
        [output],
        Path("r.csv"),
        None,
        {"wall": 10.0},
        round(missing_s * SECOND_NS),
    )


def track(number: int, **shown_s: float) -> TrackSummary:
    shown = Counter({name: round(s * SECOND_NS) for name, s in shown_s.items()})
    return TrackSummary(number, 0, 0, shown)


def test_progress_tells_frames_speed_time_left_and_detections() -> None:
    line = state_line(INFO, Progress(240, 10 * SECOND_NS, 99), passed_s=5)
    assert line == "frame 240/480 · 2.0x real time · 5.0 s left · 99 detections"


def test_progress_says_what_is_waited_for() -> None:
    assert state_line(INFO, Progress(), 3) == "loading the networks"
    assert state_line(INFO, Progress(240, stopping=True), 3) == "stopping ..."


def test_a_terminal_shows_the_state_in_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Console(quiet=False).progress() as tell:
        assert tell is not None
        tell(INFO, Progress(240, stopping=True))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "stopping ..." in shown.err
    record = JobRecord("a1", {"source": "a.mp4"}, state="running", done=240, total=480)
    with Console(quiet=False).job_progress() as tell_job:
        tell_job(record)
    assert job_line(record) in capsys.readouterr().err


def test_the_summary_names_faces_files_speed_and_what_is_unexpected() -> None:
    lines = summary_lines(outcome(track(2, happy=3.0, sad=12.5), track(1, happy=20.0)))
    assert lines == [
        "face  seen     showed",
        "   1  20.0 s   happy 20.0 s",
        "   2  15.5 s   sad 12.5 s, happy 3.0 s",
        "",
        "annotated  out.webm",
        "results    r.csv",
        "took       10.0 s for 480 frames: 48.0 frames/s, 2.0x real time",
        "note       sound: aac transcoded to opus",
    ]


def test_glimpses_are_counted_and_not_listed() -> None:
    lines = summary_lines(outcome(track(1, happy=20.0), track(2, sad=0.1), track(3, fear=0.1)))
    assert lines[2] == "      and 2 more, seen for a shorter time"
    assert "   2  0.1 s    sad 0.1 s" in summary_lines(outcome(track(2, sad=0.1)))


def test_a_video_without_faces_says_so() -> None:
    assert summary_lines(outcome())[0] == "no face was found"


def test_damage_is_told() -> None:
    lines = summary_lines(outcome(reason="damaged", corrupt=3, missing_s=1.44))
    assert "note       3 damaged packets gave no picture" in lines
    assert "note       the file is damaged: about 1.4 s of it are missing" in lines
    assert "note       the source ended early: damaged" in lines


def test_what_a_camera_went_through_is_told_each_by_itself() -> None:
    job = JobRecord("a1", {"source": "rtsp://host/1"})
    counts = {"drops": {}, "outages": 0, "reconnects": 0, "size_changes": 0, "outputs": []}
    told = {
        "reconnects": "reconnects: 3",
        "size_changes": "changes of size: 3",
        "outages": "outages: 3",
    }
    for name, line in told.items():
        assert live_lines(replace(job, live={**counts, name: 3})) == [line]
    assert live_lines(replace(job, live=counts)) == []
    everything = live_lines(replace(job, live={**counts, **dict.fromkeys(told, 1)}))
    assert everything == ["outages: 1, reconnects: 1, changes of size: 1"]
