"""Bootstrap confidence intervals of the figures that a confusion matrix gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.metrics import Counts, Float64s, accuracy, macro_f1, macro_recall

DRAWS = 10_000
SEED = 0
COVER = 0.95
"""Confidence level: the share of the draws that lie within an interval."""

Interval = tuple[float, float]
"""Low and high, 0-1."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Percentile intervals, one a figure."""

    accuracy: Interval
    macro_recall: Interval
    macro_f1: Interval


def intervals(confusion: Counts, draws: int = DRAWS, seed: int = SEED) -> Intervals:
    """Bootstrap over the rows of a confusion matrix (7, 7); the same seed gives the same.

    Rows of one cell are alike, so drawing n rows with replacement is drawing the cells' counts
    from a multinomial: all draws at once, and no loop over rows.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    count = int(confusion.sum())
    chances = confusion.ravel() / count
    drawn = np.random.default_rng(seed).multinomial(count, chances, size=draws)
    tables = drawn.reshape(draws, *confusion.shape)
    return Intervals(
        accuracy=_middle(accuracy(tables)),
        macro_recall=_middle(macro_recall(tables)),
        macro_f1=_middle(macro_f1(tables)),
    )


def _middle(values: Float64s) -> Interval:
    edge = 50 * (1 - COVER)
    low, high = np.percentile(values, [edge, 100 - edge]).tolist()
    return low, high
