"""Temperature scaling: one divisor of the logits for each of the views calibrates probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from mien.contract.analyses import Views
from model.preprocessing import VIEW_COUNTS, VIEWS
from model.weights_file import WeightsInfo, describe_anew, read_info
from training.fer2013 import load_split
from training.metrics import Counts, Float64s
from training.reliability import calibration_error, negative_log_likelihood, reliability, softmax
from training.scoring import OnPictures, ScoringOptions, ask

SEEN = slice(0, None, 2)
"""The rows of PublicTest that temperatures are fitted on: every other one."""
UNSEEN = slice(1, None, 2)
"""The rows that they are judged on."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One temperature, and how good it is on the half that it has not seen."""

    views: Views
    temperature: float
    accuracy: float
    """Of both halves, 0-1; no temperature changes it."""
    ece: float
    """On the unseen half, 0-1."""
    ece_uncalibrated: float
    """The same at temperature 1."""
    nll: float
    """On the unseen half, in nats."""
    nll_uncalibrated: float

    def metrics(self) -> dict[str, float]:
        """What weights keep of it, by names that end in the views."""
        kept = {
            "public_accuracy": self.accuracy,
            "ece_unseen_half": self.ece,
            "ece_unseen_half_uncalibrated": self.ece_uncalibrated,
            "nll_unseen_half": self.nll,
        }
        return {f"{name}_{self.views}": round(value, 5) for name, value in kept.items()}

    def text(self) -> str:
        """One line for people."""
        return (
            f"{self.views:<8} temperature {self.temperature:.4f}; on the unseen half ECE "
            f"{self.ece:.4f} ({self.ece_uncalibrated:.4f} before), "
            f"NLL {self.nll:.4f} ({self.nll_uncalibrated:.4f})"
        )


def calibrate(
    weights: str | Path,
    data: Path,
    out: Path,
    options: ScoringOptions | None = None,
    *,
    overwrite: bool = True,
    on_start: Callable[[int], OnPictures] | None = None,
) -> list[Calibration]:
    """Writes the weights to `out`, with a temperature for each of the views and how good it is.

    The views of `options` do not matter; their size of input, where they have one, is the weights'
    from then on. The tensors stay bit for bit the same.

    Raises:
        SourceError: the data set is missing or damaged.
        WeightsError: the weights are missing, damaged or foreign.
        UsageError: `out` is there and may not be replaced.
        OutputError: `out` cannot be written.
    """
    info = read_info(weights)
    public = load_split(data, "PublicTest")
    options = options or ScoringOptions()
    on_pictures = (
        None if on_start is None else on_start(len(public.labels) * sum(VIEW_COUNTS.values()))
    )
    found = []
    for views in VIEWS:
        scored_with = dataclasses.replace(options, views=views)
        logits = ask(weights, public.images, scored_with, on_pictures).logits
        found.append(judge(views, logits, public.labels))
    described = _described(options.described(info), found)
    describe_anew(weights, out, described, overwrite=overwrite)
    return found


def judge(views: Views, logits: Float64s, labels: Counts) -> Calibration:
    """Fits a temperature on one half of logits (n, 7) and labels (n,), judges it on the other."""
    fitted = fit_temperature(torch.from_numpy(logits[SEEN]), torch.from_numpy(labels[SEEN]))
    temperature, truth = round(fitted, 4), labels[UNSEEN]
    before, after = softmax(logits[UNSEEN]), softmax(logits[UNSEEN], temperature)
    return Calibration(
        views=views,
        temperature=temperature,
        accuracy=float((logits.argmax(1) == labels).mean()),
        ece=calibration_error(reliability(after, truth)),
        ece_uncalibrated=calibration_error(reliability(before, truth)),
        nll=negative_log_likelihood(after, truth),
        nll_uncalibrated=negative_log_likelihood(before, truth),
    )


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The one divisor of logits (n, 7) that makes the labels (n,) most likely; within .05-20.

    Golden section on its logarithm: the likelihood has a single minimum there.
    Source: Guo et al., arXiv:1706.04599.
    """
    golden = (5**0.5 - 1) / 2
    low, high = float(np.log(0.05)), float(np.log(20.0))

    def nll(log_temperature: float) -> float:
        return float(cross_entropy(logits.double() / np.exp(log_temperature), labels))

    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = nll(left), nll(right)
    while high - low > 1e-5:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = nll(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = nll(right)
    return float(np.exp((low + high) / 2))


def _described(info: WeightsInfo, found: list[Calibration]) -> WeightsInfo:
    temperatures: dict[str, float] = {one.views: one.temperature for one in found}
    own = {name: value for one in found for name, value in one.metrics().items()}
    return dataclasses.replace(
        info,
        temperatures={**info.temperatures, **temperatures},
        metrics={**info.metrics, **own},
    )
