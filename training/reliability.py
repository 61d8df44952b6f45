"""Calibration: whether faces told with a probability of p are told right in a share p of cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.metrics import Counts, Float64s

BINS = 15
CHANCE_DRAWS = 500
CHANCE_SEED = 0


@dataclass(frozen=True, slots=True)
class Bin:
    """Faces whose likeliest expression got a probability above `low`, up to `high`."""

    low: float
    high: float
    count: int
    probability: float
    """Mean probability of the likeliest expression, 0-1; 0 where there is no face."""
    accuracy: float
    """Share told right, 0-1; 0 where there is no face."""


def softmax(logits: Float64s, temperature: float = 1.0) -> Float64s:
    """Logits (n, 7) -> probabilities (n, 7)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def negative_log_likelihood(probabilities: Float64s, labels: Counts) -> float:
    """Mean over the faces, in nats."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_truth, np.finfo(np.float64).tiny)).mean())


def brier_score(probabilities: Float64s, labels: Counts) -> float:
    """Mean squared distance to the truth over all classes, 0-2.

    Source: Brier, Verification of forecasts expressed in terms of probability, 1950.
    """
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(1).mean())


def reliability(probabilities: Float64s, labels: Counts, bins: int = BINS) -> tuple[Bin, ...]:
    """The faces by the probability of their likeliest expression, in bins of the same width."""
    said = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    place = _places(said, bins)
    counts = np.bincount(place, minlength=bins)
    most = np.maximum(counts, 1)
    means = np.bincount(place, weights=said, minlength=bins) / most
    shares = np.bincount(place, weights=right, minlength=bins) / most
    return tuple(
        Bin(index / bins, (index + 1) / bins, int(counts[index]), float(mean), float(share))
        for index, (mean, share) in enumerate(zip(means, shares, strict=True))
    )


def calibration_error(table: tuple[Bin, ...]) -> float:
    """The expected calibration error, 0-1: how far probability and accuracy of a bin are apart.

    The mean over the faces, each with the distance of its bin.

    Source: Guo et al., On calibration of modern neural networks, arXiv:1706.04599.
    """
    total = max(sum(row.count for row in table), 1)
    return sum(row.count * abs(row.probability - row.accuracy) for row in table) / total


def error_by_chance(probabilities: Float64s, bins: int = BINS) -> tuple[float, float]:
    """The 95 % interval of the calibration error of perfectly calibrated probabilities (n, 7).

    It is never 0 on few faces. Labels are drawn as the probabilities say, so that the error of each
    draw is chance alone.
    """
    said = probabilities.max(1)
    inside = np.eye(bins)[_places(said, bins)]
    right = np.random.default_rng(CHANCE_SEED).random((CHANCE_DRAWS, len(said))) < said
    errors = np.abs((right - said) @ inside).sum(1) / len(said)
    low, high = np.percentile(errors, [2.5, 97.5]).tolist()
    return low, high


def _places(said: Float64s, bins: int) -> Counts:
    return np.clip(np.ceil(said * bins).astype(np.int64) - 1, 0, bins - 1)
