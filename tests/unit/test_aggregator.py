"""Totals of a stream worker: exact, whatever is reported twice, late or never."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.contract.histogram import HistogramCounts
from mien.jobs.aggregator import MetricsAggregator
from mien.stream_stats import StreamStats, short_reason, stats_from_json

STATS = StreamStats(
    frames={("muxed-analysed", ""): 5, ("dropped", "late"): 1},
    faces={"happy": 7},
    reconnects={"silent": 1},
    stages={"encode": HistogramCounts((1, 2, 3), 0.5)},
    latency=HistogramCounts((0, 4), 1.5),
    up=True,
    fps=24.9,
    window_bytes=12,
    outputs=(True, False),
)


BEGAN_S = 1e12
"""Later than any aggregator of these tests was made."""


def report(
    horse: int, stats: StreamStats, job: str = "a", worker: int = 1, *,
    began_s: float = BEGAN_S, live: bool = False,
) -> bytes:  # fmt: skip
    return message(
        what="account", horse=horse, worker=worker, job=job, source=f"{job}.mp4", kind="file",
        began_s=began_s, live=live, account=stats.to_json(),
    )  # fmt: skip


def message(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def frames(count: int) -> StreamStats:
    return StreamStats(frames={("muxed-held", ""): count})


def test_stats_survive_their_way() -> None:
    assert stats_from_json(json.loads(json.dumps(STATS.to_json()))) == STATS


def test_what_is_reported_twice_counts_once() -> None:
    aggregator = MetricsAggregator()
    for _ in range(3):
        aggregator.receive(report(7, STATS))
    totals = aggregator.totals()
    for name in ("frames", "faces", "reconnects", "stages", "latency"):
        assert getattr(totals, name) == getattr(STATS, name)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 50), st.booleans())))
def test_totals_are_those_of_the_last_reports_of_all_horses(
    steps: list[tuple[int, int, bool]],
) -> None:
    """Each step: a horse goes on by so many frames and reports them, and dies or not."""
    aggregator, running, ended = MetricsAggregator(), {1: 0, 2: 0, 3: 0}, 0
    for horse, more, dies in steps:
        running[horse] += more
        aggregator.receive(report(horse, frames(running[horse])))
        if dies:
            ended += running[horse]
            running[horse] = 0
            aggregator.receive(message(what="gone", horse=horse))
        assert sum(aggregator.totals().frames.values()) == ended + sum(running.values())


def test_with_a_horse_goes_what_is_of_the_moment_and_its_counts_stay() -> None:
    aggregator = MetricsAggregator()
    aggregator.receive(report(7, STATS, job="a", worker=1))
    aggregator.receive(report(8, STATS, job="b", worker=2))
    assert {one.job for one in aggregator.running()} == {"a", "b"}
    aggregator.receive(message(what="gone", horse=7))
    aggregator.receive(message(what="died", worker=2))
    assert aggregator.running() == []
    assert aggregator.totals().faces == {"happy": 14}


def test_a_process_number_may_come_again() -> None:
    aggregator = MetricsAggregator()
    aggregator.receive(report(7, frames(10), job="a"))
    aggregator.receive(report(7, frames(4), job="b"))  # the end of the first one was never reported
    assert sum(aggregator.totals().frames.values()) == 14


def test_another_attempt_at_a_job_may_have_the_same_process_number() -> None:
    aggregator = MetricsAggregator()
    aggregator.receive(report(7, frames(10)))
    aggregator.receive(report(7, frames(4), began_s=BEGAN_S + 1))
    assert sum(aggregator.totals().frames.values()) == 14


def test_frames_of_cameras_and_of_files_are_told_apart() -> None:
    aggregator = MetricsAggregator()
    aggregator.receive(report(7, StreamStats(up=False)))  # before it has seen its source
    aggregator.receive(report(7, frames(10), live=True))
    aggregator.receive(report(8, frames(4), job="b"))
    assert aggregator.frames() == {("muxed-held", "", "live"): 10, ("muxed-held", "", "file"): 4}
    assert aggregator.totals().frames == {("muxed-held", ""): 14}


def test_an_aggregator_that_is_made_anew_counts_no_frame_of_a_running_attempt_again() -> None:
    first, second = MetricsAggregator(lambda: 0.0), MetricsAggregator(lambda: 100.0)
    first.receive(report(7, STATS, began_s=50.0))
    second.receive(report(7, STATS, began_s=50.0))
    totals = second.totals()
    assert not any(totals.frames.values())
    assert not any(totals.faces.values())
    assert sum(totals.stages["encode"].counts) == 0
    assert [one.job for one in second.running()] == ["a"]
    grown = replace(STATS, frames={("muxed-analysed", ""): 8, ("dropped", "late"): 1})
    second.receive(report(7, grown, began_s=50.0))
    assert sum(second.totals().frames.values()) == 3
    second.receive(report(8, frames(5), job="b", began_s=101.0))
    assert sum(second.totals().frames.values()) == 8


def test_workers_have_heartbeats_until_they_die() -> None:
    now = [0.0]
    aggregator = MetricsAggregator(lambda: now[0])
    aggregator.receive(message(what="pulse", worker=1))
    now[0] = 3.0
    aggregator.receive(message(what="pulse", worker=2))
    assert aggregator.silent_s() == [3.0, 0.0]
    aggregator.receive(message(what="died", worker=1))
    assert aggregator.silent_s() == [0.0]


@pytest.mark.parametrize(
    "noise", [b"", b"[]", b"\xff", b"{}", b'{"what": "account"}', b'{"what": "gone"}', b'{"what"']
)
def test_what_is_no_message_is_ignored(noise: bytes) -> None:
    aggregator = MetricsAggregator()
    aggregator.receive(noise)
    assert aggregator.totals() == StreamStats()


def test_reasons_become_few_words() -> None:
    assert short_reason(None) == ""
    assert short_reason("late") == "late"
    assert short_reason("given up after 5 attempts to analyse it") == "given up"
    assert short_reason("an analysis image arrived damaged: 17") == "analysis failed"


def test_a_report_fits_into_one_message() -> None:
    """With more series than a stream has."""
    many = HistogramCounts((10**9,) * 16, 1e9)
    large = replace(STATS, stages={f"stage {n}": many for n in range(20)}, outputs=(True,) * 16)
    assert len(report(10**7, large, job="j" * 64)) < 16_384
