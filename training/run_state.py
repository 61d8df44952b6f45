"""What a training run must not lose: saved whole and often, so a killed run goes on exactly."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mien.contract.atomic import write_whole
from mien.contract.errors import WeightsError
from model.torch_files import UNREADABLE
from model.vgg import VGG
from model.weights_file import fill_model
from training.config import Recipe

RUN_FILE = "run.pt"
"""Name of the run's own checkpoint in its folder."""

ALWAYS = frozenset(
    {"recipe", "model", "average", "optimizer", "step", "loss_sum", "hits", "history", "best"}
)
"""What checkpoints have had from the first on."""

FIXED = (
    "architecture", "batch", "drop_black", "fold", "keep_rest", "mean", "merge_copies", "seed",
    "selection_views", "std",
)  # fmt: skip
"""What a resumed run must have as it began: the steps already done were counted in these, and its
epochs compared by them."""

NEUTRAL = ("ema_norms", "name")
"""Keys that change no step. `compiled` does: see there."""


@dataclass(slots=True)
class Best:
    """The epoch that weights are made of."""

    accuracy: float
    """On PublicTest, 0-1."""
    epoch: int
    """Counted from 1."""
    size_px: int
    averaged: bool
    """Whether these are the averaged weights."""
    tensors: dict[str, torch.Tensor]


@dataclass(slots=True)
class RunState:
    """Everything that changes while a run goes on.

    There is no state of random generators: every step seeds its own from the recipe's seed and the
    step's number, so that a resumed step draws what it would have drawn.
    """

    model: VGG
    average: VGG
    """The weights' moving average; as good as `model` until the averaging starts."""
    optimizer: torch.optim.SGD
    loss_sum: torch.Tensor
    """Of the current epoch's steps; a scalar on the model's device, so that none waits for it."""
    hits: torch.Tensor
    """Of the current epoch's steps: share of right answers, summed over steps; likewise."""
    step: int = 0
    """Steps done, over all epochs."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One row an epoch, as in metrics.csv."""
    best: Best | None = None
    origin: dict[str, str] = field(default_factory=dict)
    """`init` and `init_sha256`: the weights that the run began with, and their tensors' digest."""
    data: dict[str, str] = field(default_factory=dict)
    """`rows_sha256` and `public_sha256`: what is learned from, and what the epoch is chosen by."""
    recipes: list[tuple[int, str]] = field(default_factory=list)
    """The step from which on each recipe was followed, and that recipe's sha256. Where there are
    several, none of them alone leads to these tensors."""

    def is_sound(self) -> bool:
        """Whether the loss and the network are still finite; waits for the device."""
        found = [
            self.loss_sum,
            *(v for v in self.model.state_dict().values() if v.is_floating_point()),
        ]
        return all(bool(torch.isfinite(value).all()) for value in found)


@dataclass(frozen=True, slots=True)
class Restored:
    """How a run that goes on differs from the one that was stopped."""

    changed: tuple[str, ...]
    """Keys of the recipe."""
    old_epochs: int
    """That the recipe had before."""
    old_ema_share: float
    """Likewise."""

    @property
    def leads_elsewhere(self) -> bool:
        """Whether the steps to come are others than they would have been."""
        return any(key not in NEUTRAL for key in self.changed)


def save_run(folder: Path, recipe: Recipe, state: RunState) -> None:
    """Replaces the run's checkpoint.

    Raises:
        OutputError: it cannot be written.
    """
    best = state.best
    buffer = io.BytesIO()
    torch.save(
        {
            "recipe": recipe.canonical(),
            "model": state.model.state_dict(),
            "average": state.average.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "step": state.step,
            "loss_sum": float(state.loss_sum),
            "hits": float(state.hits),
            "origin": state.origin,
            "data": state.data,
            "recipes": state.recipes,
            "history": state.history,
            "best": None
            if best is None
            else {
                "accuracy": best.accuracy,
                "epoch": best.epoch,
                "size_px": best.size_px,
                "averaged": best.averaged,
                "tensors": best.tensors,
            },
        },
        buffer,
    )
    write_whole(folder / RUN_FILE, buffer.getvalue(), overwrite=True)


def restore_run(folder: Path, recipe: Recipe, state: RunState) -> Restored:
    """Fills a fresh state with the folder's checkpoint; tells what has changed in the recipe.

    A recipe that is quite the same continues bit for bit. One with other stages or another learning
    rate takes effect from here on, which shortens a run that is late; that stands in `recipes`.

    Raises:
        WeightsError: there is none, it is damaged, one of `FIXED` has changed, or the data have.
    """
    path = folder / RUN_FILE
    saved = _load(path)
    changed = _changed_keys(path, saved, recipe)
    _check_data(path, saved.get("data", {}), state.data)
    for model, key in ((state.model, "model"), (state.average, "average")):
        fill_model(str(path), recipe.architecture, saved[key])
        model.load_state_dict(saved[key])
    state.optimizer.load_state_dict(saved["optimizer"])
    state.step, state.history = saved["step"], saved["history"]
    state.loss_sum.fill_(saved["loss_sum"])
    state.hits.fill_(saved["hits"])
    state.origin = saved.get("origin", {})
    state.best = None if saved["best"] is None else Best(**saved["best"])
    state.recipes = _gone_on(_recipes(saved), state.step, recipe.sha256())
    before = json.loads(saved["recipe"])
    epochs = sum(stage["epochs"] for stage in before["stages"])
    return Restored(changed, epochs, before["ema_share"])


def recipes_of(folder: Path) -> list[tuple[int, str]]:
    """As `RunState.recipes`, of the run that was stopped in a folder.

    Raises:
        WeightsError: there is none, or it is damaged.
    """
    return _recipes(_load(folder / RUN_FILE))


def _load(path: Path) -> dict[str, Any]:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise WeightsError(f"{path} is no checkpoint that this run can resume from") from error
    if not isinstance(saved, dict) or not saved.keys() >= ALWAYS:
        raise WeightsError(f"{path} is no checkpoint of a training run")
    return saved


def _recipes(saved: dict[str, Any]) -> list[tuple[int, str]]:
    """Older checkpoints have but the last recipe."""
    last = hashlib.sha256(saved["recipe"].encode()).hexdigest()
    return [(step, digest) for step, digest in saved.get("recipes", [(0, last)])]


def _gone_on(recipes: list[tuple[int, str]], step: int, digest: str) -> list[tuple[int, str]]:
    """With this recipe from a step on, if it is another than the last."""
    followed = [one for one in recipes if one[0] < step]
    if not followed or followed[-1][1] != digest:
        followed.append((step, digest))
    return followed


def _check_data(path: Path, before: dict[str, str], now: dict[str, str]) -> None:
    names = {
        "rows_sha256": "Training rows or soft labels",
        "public_sha256": "PublicTest rows",
    }
    for key, name in names.items():
        # older checkpoints do not tell
        if key in before and before[key] != now.get(key):
            raise WeightsError(f"{path} was begun with other {name}; a run goes on with its own")


def _changed_keys(path: Path, saved: dict[str, Any], recipe: Recipe) -> tuple[str, ...]:
    before, now = json.loads(saved["recipe"]), json.loads(recipe.canonical())
    changed = tuple(sorted(key for key in before | now if before.get(key) != now.get(key)))
    for key in FIXED:
        if key in changed:
            # a key that is not told has its default
            value = before.get(key, Recipe.__dataclass_fields__[key].default)
            raise WeightsError(f"{path} was begun with {key} = {value}")
    return changed
