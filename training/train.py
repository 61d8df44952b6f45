"""Trains one network on FER2013; reads top to bottom.

Everything is decided by the recipe and the step's number: the order of the pictures, how they are
moved, the dropout and the learning rate. So a run that was killed goes on as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch

from mien.contract.errors import UsageError, WeightsError
from model.out_of_memory import out_of_memory_as_usage_error
from model.vgg import VGG
from model.weights_file import load_weights
from training.batches import Batches
from training.checkpoints import CHECKPOINT_EVERY_S, Checkpoints
from training.config import Recipe
from training.fer2013 import Split, load_split
from training.learning import Learner, make_optimizer, set_hyperparameters
from training.metrics import percent
from training.precision import missing_precision
from training.progress import Progress
from training.recipe_rules import check_recipe
from training.rows import seed_of, shared_pictures, training_rows
from training.run_lock import alone_in, make_folder
from training.run_output import (
    METRICS_FILE,
    weights_file,
    write_metrics,
    write_recipe,
    write_weights,
)
from training.run_state import RUN_FILE, RunState, restore_run
from training.schedule import averaging_start, learning_rate
from training.scoring import rows_sha256
from training.selection import Selection
from training.soft_labels import load_soft_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Where a run takes place and how; the recipe and the data are given beside it."""

    out: Path
    """Folder of its checkpoints, its metrics and its weights."""
    report: Callable[[str], None]
    """Gets a line of progress now and then."""
    device: str = "cpu"
    """As torch names it."""
    init: str | Path | None = None
    """Weights to start from, by name or file; None draws them."""
    resume: bool = False
    """Whether to go on with the run in `out`."""
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    """Between two checkpoints within an epoch."""


def train(recipe: Recipe, data: Path, run: RunSettings) -> Path:
    """Trains on Training, selects on PublicTest and writes `out/<architecture>.safetensors`.

    Gives the path of the weights.

    Raises:
        SourceError: the data set or the soft labels are missing or damaged.
        UsageError: the recipe cannot be used, `out` holds a run and `resume` is not asked for, or
            one that is under way, the run has diverged, or there is no room on the device.
        WeightsError: `init` or the run's checkpoint cannot be used.
        OutputError: `out` cannot be written.
    """
    training = load_split(data, "Training", official=recipe.official_counts)
    validation = load_split(data, "PublicTest", official=recipe.official_counts)
    return fit(recipe, training, validation, run)


def fit(recipe: Recipe, training: Split, validation: Split, run: RunSettings) -> Path:
    """The same on splits in memory, of any number of rows."""
    check_recipe(recipe)
    make_folder(run.out)
    with (
        alone_in(run.out),
        out_of_memory_as_usage_error(run.device, "a recipe with a smaller batch"),
    ):
        _check_folder(run.out, recipe, run.resume)
        return _run(recipe, training, validation, run)


def _run(recipe: Recipe, training: Split, validation: Split, run: RunSettings) -> Path:
    """From the first step, or the last checkpoint, to the weights."""
    out, device, report = run.out, run.device, run.report
    rows = training_rows(training, recipe, device, load_soft_labels(recipe, training))
    batches = Batches(recipe, rows, device)
    state = _begin(recipe, device, run.init)
    state.data = {"rows_sha256": rows.sha256, "public_sha256": rows_sha256(validation)}
    copies = shared_pictures(training, validation)
    for line in (rows.counts.line(), f"{copies} PublicTest rows have an exact copy there"):
        report(line)
    if run.resume:
        report(_resume(out, recipe, state, batches))
    write_recipe(out, recipe)
    report(f"{recipe.name}: {recipe.epochs} epochs, {batches.total} steps on {device}")
    for line in missing_precision(recipe, device):
        report(line)

    averages_from = averaging_start(recipe.ema_share, batches.total)
    learner = Learner(recipe, state, device, averages_from)
    selection = Selection(recipe, validation, device)
    progress = Progress(recipe, batches.steps_per_epoch, report)
    checkpoints = Checkpoints(out, recipe, run.checkpoint_every_s)

    while state.step < batches.total:
        images, targets = batches.at(state.step)
        rate = learning_rate(recipe, state.step, batches.total, batches.steps_per_epoch)
        learner.step(images, targets, rate)
        progress.tick(state, images.shape[-1], rate)

        epoch_ends = state.step % batches.steps_per_epoch == 0
        if epoch_ends:
            checkpoints.refuse_diverged(state)
            averaging = state.step > averages_from
            if averaging and recipe.ema_norms:
                learner.settle_norms(batches)
            selection.end_epoch(state, averaging, rate, batches.steps_per_epoch)
        checkpoints.keep(state, epoch_ends=epoch_ends, last=state.step == batches.total)
        if epoch_ends:
            write_metrics(out, state)
            report(_epoch_line(state))

    path = write_weights(out, recipe, rows, state, copies)
    score = state.best.accuracy if state.best else 0.0
    report(f"wrote {path}: PublicTest {percent(score)} while training")
    return path


def _check_folder(out: Path, recipe: Recipe, resume: bool) -> None:
    if resume and not (out / RUN_FILE).is_file():
        raise WeightsError(f"{out} holds no run to resume")
    if not resume and (out / RUN_FILE).exists():
        raise UsageError(f"{out} holds a run already; resume it or choose another folder")
    for left in (weights_file(out, recipe), out / METRICS_FILE):
        if not resume and left.exists():
            raise UsageError(f"{left} of another run is there; remove it or choose another folder")


def _begin(recipe: Recipe, device: str, init: str | Path | None) -> RunState:
    model, origin = _first_model(recipe, init)
    model = model.to(device).to(memory_format=torch.channels_last)
    return RunState(
        model=model,
        average=deepcopy(model).requires_grad_(False),
        optimizer=make_optimizer(recipe, model),
        loss_sum=torch.zeros((), device=device),
        hits=torch.zeros((), device=device),
        origin=origin,
        recipes=[(0, recipe.sha256())],
    )


def _first_model(recipe: Recipe, init: str | Path | None) -> tuple[VGG, dict[str, str]]:
    if init is None:
        torch.manual_seed(seed_of(recipe.seed, "init", 0))
        return VGG(recipe.architecture, initialisation=recipe.initialisation), {}
    model, info = load_weights(init)
    if info.architecture != recipe.architecture:
        raise WeightsError(f"{init} is {info.architecture}, the recipe's {recipe.architecture}")
    # the name alone: a path would tell of the machine
    return model, {"init": Path(init).stem, "init_sha256": info.tensor_sha256}


def _resume(out: Path, recipe: Recipe, state: RunState, batches: Batches) -> str:
    """Goes on from the folder's checkpoint; gives the line that says so."""
    restored = restore_run(out, recipe, state)
    set_hyperparameters(recipe, state.optimizer)
    old_total = restored.old_epochs * batches.steps_per_epoch
    begun = state.step > averaging_start(restored.old_ema_share, old_total)
    if restored.leads_elsewhere and not begun:
        # under the new plan the averaging may be due already: from here on, then
        state.average.load_state_dict(state.model.state_dict())
    if state.history:
        write_metrics(out, state)
    note = f", with another {', '.join(restored.changed)}" if restored.changed else ""
    return f"resumed at step {state.step} of {batches.total}{note}"


def _epoch_line(state: RunState) -> str:
    row = state.history[-1]
    averaged = row["public_accuracy_averaged"]
    more = f", averaged {percent(averaged)}" if averaged != "" else ""
    return (
        f"epoch {row['epoch']} at {row['size_px']} px: loss {row['train_loss']:.4f}, "
        f"PublicTest {percent(row['public_accuracy'])}{more}"
    )
