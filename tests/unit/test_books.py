"""A stream worker's books: exact, whatever is told twice, late or never."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.account import StreamAccount, account_from_json, short_reason
from mien.contract.histogram import HistogramCounts
from mien.jobs.books import Books

ACCOUNT = StreamAccount(
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
"""Later than any books of these tests began."""


def account(
    horse: int, told: StreamAccount, job: str = "a", worker: int = 1, *,
    began_s: float = BEGAN_S, live: bool = False,
) -> bytes:  # fmt: skip
    return message(
        what="account", horse=horse, worker=worker, job=job, source=f"{job}.mp4", kind="file",
        began_s=began_s, live=live, account=told.to_json(),
    )  # fmt: skip


def message(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def frames(count: int) -> StreamAccount:
    return StreamAccount(frames={("muxed-held", ""): count})


def test_an_account_survives_its_way() -> None:
    assert account_from_json(json.loads(json.dumps(ACCOUNT.to_json()))) == ACCOUNT


def test_what_is_told_twice_counts_once() -> None:
    books = Books()
    for _ in range(3):
        books.read(account(7, ACCOUNT))
    totals = books.totals()
    for name in ("frames", "faces", "reconnects", "stages", "latency"):
        assert getattr(totals, name) == getattr(ACCOUNT, name)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 50), st.booleans())))
def test_sums_are_those_of_the_last_accounts_of_all_horses(
    steps: list[tuple[int, int, bool]],
) -> None:
    """Each step: a horse goes on by so many frames and tells it, and dies or not."""
    books, running, ended = Books(), {1: 0, 2: 0, 3: 0}, 0
    for horse, more, dies in steps:
        running[horse] += more
        books.read(account(horse, frames(running[horse])))
        if dies:
            ended += running[horse]
            running[horse] = 0
            books.read(message(what="gone", horse=horse))
        assert sum(books.totals().frames.values()) == ended + sum(running.values())


def test_with_a_horse_goes_what_is_of_the_moment_and_its_counts_stay() -> None:
    books = Books()
    books.read(account(7, ACCOUNT, job="a", worker=1))
    books.read(account(8, ACCOUNT, job="b", worker=2))
    assert {one.job for one in books.running()} == {"a", "b"}
    books.read(message(what="gone", horse=7))
    books.read(message(what="died", worker=2))
    assert books.running() == []
    assert books.totals().faces == {"happy": 14}


def test_a_process_number_may_come_again() -> None:
    books = Books()
    books.read(account(7, frames(10), job="a"))
    books.read(account(7, frames(4), job="b"))  # that the first one is gone was never told
    assert sum(books.totals().frames.values()) == 14


def test_another_attempt_at_a_job_may_have_the_same_process_number() -> None:
    books = Books()
    books.read(account(7, frames(10)))
    books.read(account(7, frames(4), began_s=BEGAN_S + 1))
    assert sum(books.totals().frames.values()) == 14


def test_frames_of_cameras_and_of_files_are_told_apart() -> None:
    books = Books()
    books.read(account(7, StreamAccount(up=False)))  # before it has seen its source
    books.read(account(7, frames(10), live=True))
    books.read(account(8, frames(4), job="b"))
    assert books.frames() == {("muxed-held", "", "live"): 10, ("muxed-held", "", "file"): 4}
    assert books.totals().frames == {("muxed-held", ""): 14}


def test_books_that_are_begun_anew_count_no_frame_of_a_running_attempt_again() -> None:
    first, second = Books(lambda: 0.0), Books(lambda: 100.0)
    first.read(account(7, ACCOUNT, began_s=50.0))
    second.read(account(7, ACCOUNT, began_s=50.0))
    totals = second.totals()
    assert not any(totals.frames.values())
    assert not any(totals.faces.values())
    assert sum(totals.stages["encode"].counts) == 0
    assert [one.job for one in second.running()] == ["a"]
    grown = replace(ACCOUNT, frames={("muxed-analysed", ""): 8, ("dropped", "late"): 1})
    second.read(account(7, grown, began_s=50.0))
    assert sum(second.totals().frames.values()) == 3
    second.read(account(8, frames(5), job="b", began_s=101.0))
    assert sum(second.totals().frames.values()) == 8


def test_workers_are_heard_until_they_die() -> None:
    now = [0.0]
    books = Books(lambda: now[0])
    books.read(message(what="pulse", worker=1))
    now[0] = 3.0
    books.read(message(what="pulse", worker=2))
    assert books.silent_s() == [3.0, 0.0]
    books.read(message(what="died", worker=1))
    assert books.silent_s() == [0.0]


@pytest.mark.parametrize(
    "noise", [b"", b"[]", b"\xff", b"{}", b'{"what": "account"}', b'{"what": "gone"}', b'{"what"']
)
def test_what_is_no_message_is_passed_over(noise: bytes) -> None:
    books = Books()
    books.read(noise)
    assert books.totals() == StreamAccount()


def test_reasons_become_few_words() -> None:
    assert short_reason(None) == ""
    assert short_reason("late") == "late"
    assert short_reason("given up after 5 attempts to analyse it") == "given up"
    assert short_reason("an analysis image arrived damaged: 17") == "analysis failed"


def test_an_account_is_told_in_one_message() -> None:
    """With more series than a stream has."""
    many = HistogramCounts((10**9,) * 16, 1e9)
    large = replace(ACCOUNT, stages={f"stage {n}": many for n in range(20)}, outputs=(True,) * 16)
    assert len(account(10**7, large, job="j" * 64)) < 16_384
