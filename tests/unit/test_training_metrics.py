"""Figures agree with scikit-learn's on random answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    recall_score,
)

from mien.contract.expressions import EXPRESSIONS
from training.figures import Figures, figures
from training.metrics import Counts, Float64s, percent
from training.reliability import calibration_error, error_by_chance, reliability, softmax

CLASSES = list(range(7))


def answers(seed: int, count: int, classes: int = 7) -> tuple[Counts, Float64s, Float64s]:
    """Labels of the first so many classes, and answers that lean towards them."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    logits = random.normal(size=(count, 7)) * 2
    logits[np.arange(count), labels] += 1.5
    return labels, softmax(logits, 1.3), softmax(logits)


def found(seed: int, count: int, classes: int = 7) -> tuple[Figures, Counts, Float64s]:
    labels, probabilities, uncalibrated = answers(seed, count, classes)
    return figures(labels, probabilities, uncalibrated), labels, probabilities


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 400), st.integers(1, 7))
def test_rates_are_those_of_scikit_learn(seed: int, count: int, classes: int) -> None:
    ours, labels, probabilities = found(seed, count, classes)
    told = probabilities.argmax(1)
    shared = {"labels": CLASSES, "zero_division": 0}
    assert ours.accuracy == pytest.approx(accuracy_score(labels, told))
    assert ours.macro_recall == pytest.approx(recall_score(labels, told, average="macro", **shared))
    assert ours.macro_f1 == pytest.approx(f1_score(labels, told, average="macro", **shared))
    assert np.array_equal(ours.confusion, confusion_matrix(labels, told, labels=CLASSES))
    precision, recall, f1, support = precision_recall_fscore_support(labels, told, **shared)
    for index, (name, score) in enumerate(ours.per_class.items()):
        assert name == EXPRESSIONS[index]
        assert score.count == support[index]
        assert (score.precision, score.recall, score.f1) == pytest.approx(
            (precision[index], recall[index], f1[index])
        )


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 400))
def test_scores_of_probabilities_are_those_of_scikit_learn(seed: int, count: int) -> None:
    labels, probabilities, uncalibrated = answers(seed, count)
    ours = figures(labels, probabilities, uncalibrated)
    assert ours.nll == pytest.approx(log_loss(labels, probabilities, labels=CLASSES))
    assert ours.nll_uncalibrated == pytest.approx(log_loss(labels, uncalibrated, labels=CLASSES))
    whole = {"labels": CLASSES, "scale_by_half": False}
    assert ours.brier == pytest.approx(brier_score_loss(labels, probabilities, **whole))
    assert ours.brier_uncalibrated == pytest.approx(brier_score_loss(labels, uncalibrated, **whole))


def test_the_calibration_error_is_that_of_a_plain_loop() -> None:
    ours, labels, probabilities = found(3, 500)
    said, told = probabilities.max(1), probabilities.argmax(1)
    expected = 0.0
    for number in range(15):
        inside = (said > number / 15) & (said <= (number + 1) / 15)
        if inside.any():
            gap = abs(said[inside].mean() - (told == labels)[inside].mean())
            expected += inside.mean() * gap
    assert ours.ece == pytest.approx(expected)
    assert sum(row.count for row in ours.reliability) == 500


def test_probabilities_that_mean_what_they_say_have_a_small_calibration_error() -> None:
    random = np.random.default_rng(0)
    probabilities = softmax(random.normal(size=(20_000, 7)) * 2)
    labels = (probabilities.cumsum(1) > random.random((20_000, 1))).argmax(1)
    honest = figures(labels, probabilities, probabilities)
    assert honest.ece < 0.012
    boastful = figures(labels, softmax(np.log(probabilities), 0.5), probabilities)
    assert boastful.ece > 0.1
    assert boastful.ece_uncalibrated == honest.ece


def test_the_error_of_perfect_answers_lies_where_chance_puts_it() -> None:
    random = np.random.default_rng(1)
    probabilities = softmax(random.normal(size=(1000, 7)) * 2)
    low, high = error_by_chance(probabilities)
    inside = 0
    for _ in range(200):
        labels = (probabilities.cumsum(1) > random.random((1000, 1))).argmax(1)
        inside += low <= calibration_error(reliability(probabilities, labels)) <= high
    assert 0.9 * 200 <= inside <= 0.99 * 200
    assert 0 < low < high < 0.08


def test_risk_falls_to_nothing_where_doubt_knows_the_mistakes() -> None:
    labels = np.zeros(10, np.int64)
    probabilities = np.full((10, 7), 0.01)
    probabilities[:8, 0] = np.linspace(0.9, 0.6, 8)
    probabilities[8:, 1] = 0.4  # the two most doubtful ones are the two mistakes
    ours = figures(labels, probabilities / probabilities.sum(1, keepdims=True), probabilities)
    by_coverage = {point.coverage: point for point in ours.risk_coverage}
    assert by_coverage[0.8].risk == 0
    assert by_coverage[1.0].risk == pytest.approx(0.2)
    assert ours.aurc == pytest.approx((1 / 9 + 2 / 10) / 10)
    assert by_coverage[0.8].threshold == pytest.approx(0.6 / 0.66)


def test_a_certain_answer_that_is_wrong_has_a_finite_likelihood() -> None:
    wrong = np.eye(7)[[0, 0]]
    ours = figures(np.array([0, 1]), wrong, wrong)
    assert np.isfinite(ours.nll)
    assert ours.brier == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("share", "text"),
    # 100 * .57 is a little less than 57
    [
        (0.69859, "69.85 %"),
        (0.57, "57.00 %"),
        (2513 / 3589, "70.01 %"),
        (0, "0.00 %"),
        (1, "100.00 %"),
    ],
)
def test_rates_are_cut_for_people(share: float, text: str) -> None:
    assert percent(share) == text
