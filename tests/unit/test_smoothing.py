"""Labels are steady, and yet follow the face."""

from itertools import pairwise

import numpy as np

from mien.contract.analyses import Floats
from mien.contract.expressions import EXPRESSIONS
from workers.smoothing import READABLE_STEP, Smoother

STEP_NS = 100_000_000
HAPPY, SAD = EXPRESSIONS.index("happy"), EXPRESSIONS.index("sad")


def sure_of(expression: int, share: float = 0.9) -> Floats:
    probabilities = np.full(7, (1 - share) / 6, np.float32)
    probabilities[expression] = share
    return probabilities


def test_a_single_outlier_does_not_change_the_label() -> None:
    smoother = Smoother(0.5)
    looks = [HAPPY] * 5 + [SAD] + [HAPPY] * 5
    shown = [smoother.update(1, sure_of(e), i * STEP_NS).shown for i, e in enumerate(looks)]
    assert shown == [HAPPY] * 11


def test_a_lasting_change_is_shown_within_a_second() -> None:
    smoother = Smoother(0.5)
    looks = [HAPPY] * 10 + [SAD] * 10
    shown = [smoother.update(1, sure_of(e), i * STEP_NS).shown for i, e in enumerate(looks)]
    assert shown[9] == HAPPY
    assert shown[-1] == SAD
    assert sorted(shown, key=shown.index) == shown  # it changes once


def test_two_expressions_in_the_balance_do_not_flicker() -> None:
    smoother = Smoother(0.5)
    random = np.random.default_rng(0)
    shown = []
    for step in range(100):
        probabilities = np.full(7, 0.02, np.float32)
        probabilities[HAPPY] = 0.45 + random.normal(0, 0.08)
        probabilities[SAD] = 0.9 - probabilities[HAPPY]
        shown.append(smoother.update(1, probabilities, step * STEP_NS).shown)
    assert sum(a != b for a, b in pairwise(shown)) <= 1


def test_where_nothing_is_likely_the_label_still_follows_what_is_likeliest() -> None:
    smoother = Smoother(0.5)
    flat = np.array([0.12, 0.12, 0.12, 0.28, 0.12, 0.12, 0.12], np.float32)
    smoother.update(1, sure_of(SAD, 0.4), 0)
    shown = [smoother.update(1, flat, i * STEP_NS).shown for i in range(1, 30)]
    assert shown[-1] == HAPPY


def test_the_number_on_a_label_follows_in_steps_that_can_be_read() -> None:
    smoother = Smoother(0.5)
    shares = [0.9 - i / 100 for i in range(40)]
    told = [
        smoother.update(1, sure_of(HAPPY, share), i * STEP_NS).told
        for i, share in enumerate(shares)
    ]
    lag = 0.05  # so far the average is behind where a share falls by 0.1 a second
    assert all(
        -1e-6 < t - share < READABLE_STEP + lag for t, share in zip(told, shares, strict=True)
    )
    assert len(set(told)) < 8


def test_a_new_label_comes_with_its_own_number() -> None:
    smoother = Smoother(0.5)
    looks = [HAPPY] * 10 + [SAD] * 10
    steps = [smoother.update(1, sure_of(e), i * STEP_NS) for i, e in enumerate(looks)]
    (change,) = (after for before, after in pairwise(steps) if before.shown != after.shown)
    assert 0.5 < change.told < 0.7, "the old label's number was below, or 0.9"


def test_without_smoothing_every_frame_speaks_for_itself() -> None:
    smoother = Smoother(0)
    looks = [HAPPY, SAD, HAPPY, SAD]
    shown = [smoother.update(1, sure_of(e), i * STEP_NS).shown for i, e in enumerate(looks)]
    assert shown == looks


def test_tracks_do_not_mix() -> None:
    smoother = Smoother(5)
    for step in range(5):
        smoother.update(1, sure_of(HAPPY), step * STEP_NS)
        steady = smoother.update(2, sure_of(SAD), step * STEP_NS)
    assert steady.shown == SAD
    assert np.isclose(steady.told, sure_of(SAD)[SAD])
