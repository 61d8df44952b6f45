"""Histograms of stages: what goes in comes out, and differences add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.contract.histogram import Histogram, HistogramCounts
from mien.contract.stage import StageClock


def test_an_observation_at_a_bound_lies_below_it() -> None:
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 2, 2.5):
        histogram.observe(value)
    assert histogram.counts() == HistogramCounts((2, 2, 1), 7.5)


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)))
def test_what_came_since_a_moment_and_what_was_before_are_all(
    first: list[int], then: list[int]
) -> None:
    histogram = Histogram((1, 2, 4))
    for value in first:
        histogram.observe(value)
    before = histogram.counts()
    for value in then:
        histogram.observe(value)
    after = histogram.counts()
    since = after.minus(before)
    assert before.plus(since) == after
    assert sum(since.counts) == len(then)
    assert since.total == sum(then)


def test_a_clock_keeps_sums_and_single_pieces() -> None:
    clock = StageClock()
    clock.add("encode", 0.02)
    clock.add("encode", 0.2)
    with clock.time("decode"):
        pass
    histograms = clock.histograms()
    assert clock.as_dict()["encode"] == pytest.approx(0.22)
    assert sum(histograms["encode"].counts) == 2
    assert histograms["encode"].total == pytest.approx(0.22)
    assert sum(histograms["decode"].counts) == 1
