"""What a run leaves: its recipe, metrics.csv after each epoch, and the weights."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from mien.contract.atomic import write_whole
from mien.contract.errors import WeightsError
from model.vgg import VGG
from model.weights_file import WeightsInfo, save_weights
from training.config import Recipe
from training.precision import precision_on
from training.provenance import commit
from training.rows import Rows
from training.run_state import Best, RunState
from training.soft_labels import rows_digest

METRICS_FILE = "metrics.csv"
"""Name of the table of epochs in a run's folder."""

RECIPE_FILE = "recipe.json"
"""Name of the whole recipe in a run's folder: the very text that its sha256 is taken of."""


def weights_file(folder: Path, recipe: Recipe) -> Path:
    """Where a finished run's weights are."""
    return folder / f"{recipe.architecture}.safetensors"


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Replaces the recipe by the one that is followed from now on."""
    write_whole(folder / RECIPE_FILE, recipe.canonical(), overwrite=True)


def write_metrics(folder: Path, state: RunState) -> None:
    """Replaces the table of epochs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(state.history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(state.history)
    write_whole(folder / METRICS_FILE, text.getvalue(), overwrite=True)


def write_weights(
    folder: Path, recipe: Recipe, rows: Rows, state: RunState, public_copies: int
) -> Path:
    """Writes the best epoch's weights, with all that decided them.

    public_copies: how many PublicTest rows are exact copies of Training rows.

    Raises:
        WeightsError: no epoch has been finished.
        OutputError: they cannot be written.
    """
    best = state.best
    if best is None:
        raise WeightsError(f"the run in {folder} has no finished epoch")
    model = VGG(recipe.architecture)
    model.load_state_dict(best.tensors)
    info = WeightsInfo(
        architecture=recipe.architecture,
        input_size_px=best.size_px,
        mean=recipe.mean,
        std=recipe.std,
        commit=commit(),
        recipe=recipe.name,
        recipe_sha256=recipe.sha256(),
        metrics={**_run_metrics(recipe, state, best), **_row_metrics(recipe, rows, public_copies)},
    )
    path = weights_file(folder, recipe)
    save_weights(path, model, info)
    return path


def _run_metrics(recipe: Recipe, state: RunState, best: Best) -> dict[str, float | str]:
    metrics: dict[str, float | str] = {
        "public_accuracy_while_training": round(best.accuracy, 5),
        "epoch": best.epoch,
        "epochs": recipe.epochs,
        "averaged": str(best.averaged).lower(),
        "seed": recipe.seed,
        "recipe_json": recipe.canonical(),
        **state.origin,
    }
    used = precision_on(recipe, state.loss_sum.device)
    if used != recipe.precision:
        metrics["precision"] = used
    if len(state.recipes) > 1:
        metrics["recipe_history"] = json.dumps(state.recipes)
    return metrics


def _row_metrics(recipe: Recipe, rows: Rows, public_copies: int) -> dict[str, float | str]:
    counts = rows.counts
    metrics: dict[str, float | str] = {
        "rows": counts.kept,
        "rows_given": counts.given,
        "rows_held_out": counts.held_out,
        "rows_black": counts.black,
        "rows_merged": counts.merged,
        "rows_sha256": rows.sha256,
        "public_exact_copies": public_copies,
    }
    if recipe.fold:
        metrics |= {"fold": recipe.fold, "held_out_sha256": rows_digest(rows.held_out)}
    if recipe.soft_labels.share:
        metrics["soft_labels_sha256"] = recipe.soft_labels.sha256
    return metrics
