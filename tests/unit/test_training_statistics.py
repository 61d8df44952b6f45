"""Intervals hold the truth as often as they say, and McNemar's test is the binomial one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from training.bootstrap import intervals
from training.mcnemar import compare, exact_p_value
from training.metrics import accuracy, confusion_matrix, macro_f1, macro_recall

SHARES = np.array([0.13, 0.02, 0.14, 0.25, 0.18, 0.11, 0.17])
"""Of the labels, as in FER2013."""


def drawn(random: np.random.Generator, count: int) -> np.ndarray:
    """A confusion matrix of answers that are right with a chance of .7."""
    labels = random.choice(7, count, p=SHARES)
    other = (labels + random.integers(1, 7, count)) % 7
    return confusion_matrix(labels, np.where(random.random(count) < 0.7, labels, other))


def test_an_interval_of_95_percent_holds_the_truth_in_about_95_of_100_samples() -> None:
    random = np.random.default_rng(0)
    found = [intervals(drawn(random, 800), draws=1000, seed=s).accuracy for s in range(300)]
    held = sum(low <= 0.7 <= high for low, high in found)
    assert 0.91 * 300 <= held <= 0.99 * 300


def test_the_interval_is_that_of_rows_drawn_one_by_one() -> None:
    random = np.random.default_rng(1)
    labels = random.choice(7, 600, p=SHARES)
    told = np.where(random.random(600) < 0.7, labels, (labels + 1) % 7)
    ours = intervals(confusion_matrix(labels, told))
    tables = []
    for _ in range(4000):
        rows = random.integers(0, 600, 600)
        tables.append(confusion_matrix(labels[rows], told[rows]))
    by_rows = np.stack(tables)
    for interval, rate in (
        (ours.accuracy, accuracy),
        (ours.macro_recall, macro_recall),
        (ours.macro_f1, macro_f1),
    ):
        assert interval == pytest.approx(np.percentile(rate(by_rows), [2.5, 97.5]), abs=0.004)


def test_the_same_seed_gives_the_same_interval() -> None:
    table = drawn(np.random.default_rng(2), 500)
    assert intervals(table) == intervals(table)
    assert intervals(table, seed=1) != intervals(table)


@settings(max_examples=50)
@given(st.integers(0, 400), st.integers(0, 400))
def test_the_exact_test_is_the_binomial_one(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert exact_p_value(first, second) == pytest.approx(expected, rel=1e-9)


def test_thousands_of_discordant_pairs_are_no_trouble() -> None:
    assert exact_p_value(1500, 1500) == 1.0
    assert 0 <= exact_p_value(0, 5000) < 1e-300


def test_pairs_are_counted_in_their_order() -> None:
    first = np.array([True, True, True, False, False])
    second = np.array([True, False, False, True, False])
    found = compare(first, second)
    assert (found.both_right, found.only_first_right) == (1, 2)
    assert (found.only_second_right, found.both_wrong) == (1, 1)
    assert found.p_value == 1.0
