"""What one network, or several that vote, say of the faces of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from mien.contract.analyses import Views
from mien.contract.errors import check_range, unknown_choice
from mien.contract.pictures import Pixels
from model.classifier import Classifier
from model.out_of_memory import out_of_memory_as_usage_error
from model.preprocessing import VIEW_COUNTS, VIEWS
from model.vgg import INPUT_SIZES_PX
from model.weights_file import WeightsInfo, load_weights, weights_path
from training.fer2013 import Split
from training.metrics import Float64s
from training.reliability import softmax

Averaging = Literal["probabilities", "logits"]
"""What of several networks is averaged; either way each has its own temperature first."""

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""`fp32` gives the same figures on all machines, to the last face or nearly so; `bf16` is what
`mien run` uses where the hardware has it, in half the time."""

OnPictures = Callable[[int], None]
"""Is told how many more pictures, views counted, have been looked at."""

_FACES_AT_ONCE = {"cpu": 64, "cuda": 1024}
"""So that a bar moves, and no pass is smaller than suits the device."""


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """How a network looks at faces."""

    views: Views = "single"
    device: str = "cpu"
    """As torch names it."""
    precision: str = "fp32"
    """One of PRECISIONS."""
    batch: int | None = None
    """Pictures in one pass of the network, views counted; None is what suits the device."""
    input_size_px: int | None = None
    """Side to which faces are resampled; None is what the weights say."""

    def __post_init__(self) -> None:
        """Raises `UsageError` for a value that makes no sense."""
        if self.views not in VIEWS:
            raise unknown_choice("views", self.views, VIEWS)
        if self.precision not in PRECISIONS:
            raise unknown_choice("precision", self.precision, PRECISIONS)
        if self.batch is not None:
            check_range("batch", self.batch, 1)
        if self.input_size_px is not None:
            check_range("input_size_px", self.input_size_px, INPUT_SIZES_PX[0], INPUT_SIZES_PX[-1])

    def described(self, info: WeightsInfo) -> WeightsInfo:
        """What weights say of themselves at this input size; temperatures hold for one alone."""
        if self.input_size_px in (None, info.input_size_px):
            return info
        return replace(info, input_size_px=self.input_size_px, temperatures={})

    def numerics(self) -> dict[str, str]:
        """What besides weights and faces has a say in the last digits; it names no machine."""
        return {
            "device": torch.device(self.device).type,
            "dtype": str(PRECISIONS[self.precision]).removeprefix("torch."),
            "torch": torch.__version__,
        }


@dataclass(frozen=True, slots=True)
class Predictions:
    """What one network says of every face of a split."""

    name: str
    """File name of the weights."""
    info: WeightsInfo
    temperature: float
    """Its weights' own for these views; 1 where they have none."""
    logits: Float64s
    """float64 (n, 7): the mean over the views, in the split's order."""


def ask(
    weights: str | Path,
    images: Pixels,
    options: ScoringOptions,
    on_pictures: OnPictures | None = None,
) -> Predictions:
    """Shows crops (n, 48, 48) to weights, by name or file, as `mien run` would.

    Raises:
        WeightsError: the weights are missing, damaged or foreign.
        UsageError: there is no room on the device.
    """
    network, info = load_weights(weights)
    info = options.described(info)
    device, dtype = torch.device(options.device), PRECISIONS[options.precision]
    at_once = max(_FACES_AT_ONCE[device.type], options.batch or 0)
    parts = [np.zeros((0, len(info.labels)), np.float32)]
    with out_of_memory_as_usage_error(device, "a smaller batch (`mien evaluate --batch`)"):
        classifier = Classifier(network, info, options.views, device, dtype, options.batch)
        for start in range(0, len(images), at_once):
            parts.append(classifier.logits(images[start : start + at_once]))
            if on_pictures is not None:
                on_pictures(len(parts[-1]) * VIEW_COUNTS[options.views])
    logits = np.concatenate(parts).astype(np.float64)
    return Predictions(weights_path(weights).name, info, classifier.temperature, logits)


def vote(
    predictions: Sequence[Predictions],
    average: Averaging = "probabilities",
    *,
    calibrated: bool = True,
) -> Float64s:
    """Probabilities (n, 7) of all networks together; of one alone they are its own.

    calibrated: every network's logits are divided by its temperature before they are averaged.

    Raises:
        UsageError: there is no such way to average.
    """
    if average not in get_args(Averaging):
        raise unknown_choice("average", average, get_args(Averaging))
    scaled = [one.logits / (one.temperature if calibrated else 1.0) for one in predictions]
    if average == "logits":
        return softmax(np.mean(scaled, axis=0))
    return np.asarray(np.mean([softmax(logits) for logits in scaled], axis=0))


def rows_sha256(rows: Split) -> str:
    """Hex digest of a split's pixels and labels in their order, whatever file they came from."""
    digest = hashlib.sha256(np.ascontiguousarray(rows.images).tobytes())
    digest.update(rows.labels.astype(np.uint8).tobytes())
    return digest.hexdigest()
