"""A soak's report sees what became worse, whatever it was."""

from typing import Any

from benchmarks.soak_report import report_lines, verdicts


def sample(at_s: float, **changes: Any) -> dict[str, Any]:
    return {
        "at_s": at_s, "state": "running", "frames": round(25 * at_s), "fps": 25.0, "drops": {},
        "latency_p50_s": 0.1, "latency_p95_s": 0.15, "latency_p99_s": 0.2, "trouble": "",
    } | changes  # fmt: skip


def soak(last: dict[str, Any], *, grown_mb: float = 0.0, back_s: float | None = None) -> Any:
    return {
        "machine": "a machine", "about": {"cameras": 1},
        "cameras": {"cam0": [sample(5.0), sample(60.0), sample(65.0), last]},
        "memory_mb": {"server": [(5.0, 10.0), (70.0, 20.0), (600.0, 20.0 + grown_mb)]},
        "outages_s": [] if back_s is None else [back_s], "ended": {}, "played": {},
    }  # fmt: skip


def worse(*arguments: Any, **settings: Any) -> list[str]:
    told = soak(*arguments, **settings)
    assert list(report_lines(told))
    return list(verdicts(told))


def test_a_quiet_night_is_told_as_one() -> None:
    assert worse(sample(600.0)) == []
    assert worse(sample(600.0, drops={"late": 5000}), grown_mb=5, back_s=590.0) == []


def test_what_became_worse_is_told() -> None:
    assert "p95" in worse(sample(600.0, latency_p95_s=0.4))[0]
    assert "frames/s" in worse(sample(600.0, fps=3.0))[0]
    assert "not written" in worse(sample(600.0, drops={"decoder behind": 13_000}))[0]
    assert "grew" in worse(sample(600.0), grown_mb=50)[0]
    assert "come back" in worse(sample(600.0), back_s=570.0)[0]
    waiting = {"at_s": 600.0, "state": "waiting for the source", "frames": 0, "trouble": "refused"}
    assert "waiting" in worse(waiting)[0]


def test_a_camera_that_never_ran_is_told() -> None:
    never = soak({"at_s": 600.0, "state": "queued", "frames": 0})
    never["cameras"]["cam0"] = never["cameras"]["cam0"][-1:]
    assert list(verdicts(never)) == ["cam0 is queued at the end"]
    assert any("queued" in line for line in report_lines(never))


SILENT = {"fps": 0.0, "latency_p50_s": None, "latency_p95_s": None, "latency_p99_s": None}
"""What a running camera's sample says after a minute in which nothing was written."""


def test_a_camera_that_wrote_nothing_in_its_last_minute_is_told() -> None:
    assert worse(sample(600.0, **SILENT)) == ["cam0: no picture was written in its last minute"]
    lines = list(report_lines(soak(sample(600.0, **SILENT))))
    assert any("last" in line and "none" in line for line in lines)
    assert "WORSE: cam0: no picture was written in its last minute" in lines


def test_a_camera_that_wrote_nothing_in_its_first_minute_is_told() -> None:
    told = soak(sample(600.0))
    told["cameras"]["cam0"] = [sample(5.0, **SILENT), sample(60.0, **SILENT), sample(600.0)]
    assert list(verdicts(told)) == ["cam0: no picture was written in its first minute"]
    assert list(report_lines(told))
