"""Scores weights on one split of FER2013, and fits the temperatures that calibrate them."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from mien.contract.errors import UsageError
from mien.contract.expressions import EXPRESSIONS
from model.checkpoint import WeightsInfo, load_weights, save_weights, weights_path
from model.preprocessing import VIEW_COUNTS, VIEWS, Normalisation, average_views, prepare
from model.vgg import VGG
from training.fer2013 import SPLITS, Split, load_split


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One expression's figures."""

    expression: str
    count: int
    """Rows of the split with this label."""
    right: int
    """Of these, rows that were told so."""
    recall: float
    """0-1; 0 where the split has no such row."""
    precision: float
    """0-1; 0 where the expression was never told."""
    f1: float
    """0-1."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of one pass over a split."""

    weights: str
    """File name of the weights."""
    tensor_sha256: str
    split: str
    views: str
    count: int
    """Rows of the split."""
    accuracy: float
    """0-1."""
    macro_recall: float
    """Mean of the classes' recalls, 0-1."""
    macro_f1: float
    """Mean of the classes' F1 scores, 0-1."""
    temperature: float
    """What the logits were divided by."""
    nll: float
    """Mean negative log likelihood, in nats, at that temperature."""
    nll_uncalibrated: float
    """The same at temperature 1."""
    classes: tuple[ClassScore, ...]
    """In FER2013's order."""
    confusion: tuple[tuple[int, ...], ...]
    """(7, 7) counts: rows are the labels, columns the answers."""

    def to_json(self) -> str:
        """Indented, with a newline at the end; rates in full precision."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def table(self) -> str:
        """The figures in a few lines of text for people."""
        head = (
            f"{self.weights} on {self.split}, {self.views}: accuracy {100 * self.accuracy:.2f} % "
            f"({sum(c.right for c in self.classes)}/{self.count}), "
            f"macro recall {100 * self.macro_recall:.2f} %, NLL {self.nll:.4f}"
        )
        rows = [f"{'expression':<10} {'rows':>5} {'right':>5} {'recall':>7} {'prec.':>7} {'F1':>7}"]
        rows += [
            f"{c.expression:<10} {c.count:>5} {c.right:>5} "
            f"{100 * c.recall:>6.2f}% {100 * c.precision:>6.2f}% {100 * c.f1:>6.2f}%"
            for c in self.classes
        ]
        return "\n".join([head, *rows])


def evaluate(
    weights: str | Path,
    data: Path,
    split: str = "PublicTest",
    views: str = "single",
    device: str = "cpu",
    batch: int = 128,
) -> Evaluation:
    """Scores weights, by name or file, on an official split.

    `batch` counts faces; the network sees `VIEW_COUNTS[views]` pictures of each.

    Raises:
        UsageError: an unknown split or views, or a batch below 1.
        SourceError: the data set is missing or damaged, or has no such split.
        WeightsError: the weights are missing, damaged or foreign.
    """
    for value, allowed in ((split, SPLITS), (views, VIEWS)):
        if value not in allowed:
            raise UsageError(f"{value} is none of {', '.join(allowed)}")
    if batch < 1:
        raise UsageError(f"a batch needs at least 1 face, not {batch}")
    path = weights_path(weights)
    model, info = load_weights(path, device)
    rows = load_split(data, split)
    logits = split_logits(model, info, rows, views, device, batch)
    temperature = info.temperatures.get(views, 1.0)
    return score(path.name, info.tensor_sha256, split, views, rows.labels, logits, temperature)


@torch.inference_mode()
def split_logits(
    model: VGG, info: WeightsInfo, rows: Split, views: str, device: str, batch: int = 128
) -> torch.Tensor:
    """Mean logits over the views, (n, 7) float32 on the host, in the split's order."""
    normalisation = Normalisation(info.mean, info.std)
    per_pass = max(1, batch // VIEW_COUNTS[views])
    parts = []
    for start in range(0, len(rows.labels), per_pass):
        crops = torch.from_numpy(rows.images[start : start + per_pass]).to(device)
        images = prepare(crops, info.input_size_px, normalisation, views)
        answers = model(images.contiguous(memory_format=torch.channels_last))
        parts.append(average_views(answers.float(), views).cpu())
    return torch.cat(parts)


def score(
    weights: str,
    tensor_sha256: str,
    split: str,
    views: str,
    labels: npt.NDArray[np.int64],
    logits: torch.Tensor,
    temperature: float,
) -> Evaluation:
    """The figures of logits (n, 7) against labels (n,); pure, for tests and ensembles."""
    size = len(EXPRESSIONS)
    answers = logits.argmax(1).numpy()
    confusion = np.bincount(labels * size + answers, minlength=size**2).reshape(size, size)
    classes = tuple(_class_score(index, confusion) for index in range(size))
    truth = torch.from_numpy(labels)
    return Evaluation(
        weights=weights,
        tensor_sha256=tensor_sha256,
        split=split,
        views=views,
        count=len(labels),
        accuracy=float((answers == labels).mean()),
        macro_recall=sum(c.recall for c in classes) / size,
        macro_f1=sum(c.f1 for c in classes) / size,
        temperature=temperature,
        nll=float(cross_entropy(logits / temperature, truth)),
        nll_uncalibrated=float(cross_entropy(logits, truth)),
        classes=classes,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
    )


def _class_score(index: int, confusion: npt.NDArray[np.int64]) -> ClassScore:
    right = int(confusion[index, index])
    count, told = int(confusion[index].sum()), int(confusion[:, index].sum())
    recall, precision = right / max(count, 1), right / max(told, 1)
    f1 = 2 * right / max(count + told, 1)
    return ClassScore(EXPRESSIONS[index], count, right, recall, precision, f1)


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


def calibrate(
    weights: str | Path,
    data: Path,
    out: Path,
    views: tuple[str, ...] = VIEWS,
    device: str = "cpu",
    batch: int = 128,
    metrics: Mapping[str, Any] | None = None,
) -> WeightsInfo:
    """Writes the weights to `out` with a temperature for each of the views.

    The temperatures are fitted on every other row of PublicTest, so that the rest still tells how
    good they are; `metrics` are added to the file's own. The tensors stay bit for bit the same.

    Raises:
        SourceError: the data set is missing or damaged.
        WeightsError: the weights are missing, damaged or foreign.
        OutputError: `out` cannot be written.
    """
    model, info = load_weights(weights, device)
    public = load_split(data, "PublicTest")
    half = Split(public.images[::2], public.labels[::2])
    labels = torch.from_numpy(half.labels)
    temperatures = dict(info.temperatures)
    for name in views:
        logits = split_logits(model, info, half, name, device, batch)
        temperatures[name] = round(fit_temperature(logits, labels), 4)
    described = dataclasses.replace(
        info, temperatures=temperatures, metrics={**info.metrics, **(metrics or {})}
    )
    return save_weights(out, model, described)
