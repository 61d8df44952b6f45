"""What a run leaves: metrics.csv after each epoch, and the weights."""

import csv
import io
from pathlib import Path

from mien.contract.atomic import write_whole
from mien.contract.errors import WeightsError
from model.checkpoint import WeightsInfo, save_weights
from model.vgg import VGG
from training.config import Recipe
from training.provenance import commit
from training.rows import Rows
from training.run_state import RunState
from training.soft_labels import rows_digest

METRICS_FILE = "metrics.csv"
"""Name of the table of epochs in a run's folder."""


def weights_file(folder: Path, recipe: Recipe) -> Path:
    """Where a finished run's weights are."""
    return folder / f"{recipe.architecture}.safetensors"


def write_metrics(folder: Path, state: RunState) -> None:
    """Replaces the table of epochs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(state.history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(state.history)
    write_whole(folder / METRICS_FILE, text.getvalue(), overwrite=True)


def write_weights(folder: Path, recipe: Recipe, rows: Rows, state: RunState) -> Path:
    """Writes the best epoch's weights, with all that decided them.

    Raises:
        WeightsError: no epoch has been finished.
        OutputError: they cannot be written.
    """
    best = state.best
    if best is None:
        raise WeightsError(f"the run in {folder} has no finished epoch")
    model = VGG(recipe.architecture)
    model.load_state_dict(best.tensors)
    metrics: dict[str, float | str] = {
        "public_accuracy_while_training": round(best.accuracy, 5),
        "epoch": best.epoch,
        "epochs": recipe.epochs,
        "averaged": str(best.averaged).lower(),
        "seed": recipe.seed,
        "rows": rows.counts.kept,
        "rows_sha256": rows.sha256,
        **state.origin,
    }
    if recipe.fold:
        metrics |= {"fold": recipe.fold, "held_out_sha256": rows_digest(rows.held_out)}
    if recipe.soft_labels.share:
        metrics["soft_labels_sha256"] = recipe.soft_labels.sha256
    info = WeightsInfo(
        architecture=recipe.architecture,
        input_size_px=best.size_px,
        mean=recipe.mean,
        std=recipe.std,
        commit=commit(),
        recipe=recipe.name,
        recipe_sha256=recipe.sha256(),
        metrics=metrics,
    )
    path = weights_file(folder, recipe)
    save_weights(path, model, info)
    return path
