"""Risk against coverage: how many mistakes are left when the least certain faces get no answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.metrics import Counts, Float64s

COVERAGES = tuple(percent / 100 for percent in range(5, 101, 5))


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """One way to set `--abstain`, and what comes of it."""

    coverage: float
    """Share of the faces that get an answer, 0-1."""
    risk: float
    """Share of wrong answers among these, 0-1."""
    threshold: float
    """The lowest probability that is answered, 0-1."""


def risk_curve(probabilities: Float64s, labels: Counts) -> Float64s:
    """(n,): the share of mistakes among the 1, 2, ... n surest faces of probabilities (n, 7)."""
    order = np.argsort(-probabilities.max(1), kind="stable")
    wrong = (probabilities.argmax(1) != labels)[order]
    return np.asarray(np.cumsum(wrong) / np.arange(1, len(labels) + 1))


def area_under(curve: Float64s) -> float:
    """Mean risk over all coverages, 0-1: lower is better.

    Source: Geifman et al., Bias-reduced uncertainty estimation, arXiv:1805.08206.
    """
    return float(curve.mean())


def risk_points(probabilities: Float64s, labels: Counts) -> tuple[RiskPoint, ...]:
    """The curve at every twentieth of the coverage."""
    curve = risk_curve(probabilities, labels)
    said = np.sort(probabilities.max(1))[::-1]
    kept = [max(1, round(coverage * len(curve))) for coverage in COVERAGES]
    return tuple(
        RiskPoint(coverage, float(curve[count - 1]), float(said[count - 1]))
        for coverage, count in zip(COVERAGES, kept, strict=True)
    )
