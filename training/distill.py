"""Teachers, their soft labels and a student, as one run that goes on where it was stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from mien.contract.errors import UsageError, WeightsError
from model.weights_file import read_info
from training.checkpoints import DivergedError
from training.config import Recipe
from training.fer2013 import load_split
from training.recipe_file import load_recipe
from training.rows import training_rows
from training.run_lock import alone_in, make_folder
from training.run_output import weights_file
from training.run_state import RUN_FILE, recipes_of
from training.soft_labels import file_sha256, load_soft_labels, make_soft_labels, teachers_of
from training.train import RunSettings, train

SOFT_LABELS_FILE = "soft-labels.safetensors"
"""Name of what the teachers say, in the run's folder."""


def distill(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    device: str = "cpu",
    epochs: int | None = None,
    compiled: bool | None = None,
    report: Callable[[str], None],
) -> tuple[Recipe, Path]:
    """Trains every teacher of the recipe on every fold, asks them, and trains the student.

    `epochs` and `compiled` are for all networks, in place of what their recipes say.
    What is there already is kept: finished networks, and checkpoints, which are resumed. Gives the
    student's recipe, which now names its soft labels by hash, and the path of its weights.

    Raises:
        UsageError: the recipe has no teachers, one of them twice, or no share for them, or `out`
            holds another one's, or one that is under way.
        WeightsError: what `out` holds has learned from other rows.
        MienError: as `train` and `make_soft_labels` do.
    """
    soft = recipe.soft_labels
    if not soft.teachers or soft.share == 0:
        raise UsageError(f"the recipe {recipe.name} has no soft_labels.teachers, or share 0")
    recipe = _changed(recipe, epochs, compiled)
    teachers = [_changed(load_recipe(name), epochs, compiled) for name in soft.teachers]
    if len({teacher.name for teacher in teachers}) < len(teachers):
        # they would be one network, in one folder, that counts twice
        raise UsageError(f"the recipe {recipe.name} has two soft_labels.teachers of one name")
    make_folder(out)
    with alone_in(out):
        return _distill(recipe, teachers, data, out, device, report)


def _distill(
    recipe: Recipe, teachers: Sequence[Recipe], data: Path, out: Path, device: str,
    report: Callable[[str], None],
) -> tuple[Recipe, Path]:  # fmt: skip
    folds = recipe.soft_labels.folds
    found = []
    for teacher in teachers:
        for part in range(1, folds + 1):
            folded = dataclasses.replace(
                teacher,
                fold=f"{part}/{folds}",
                official_counts=recipe.official_counts,
            )
            folder = out / "teachers" / f"{teacher.name}-{part}of{folds}"
            found.append(_finished(folded, data, folder, device, report))
    said = out / SOFT_LABELS_FILE
    # kept where they are these teachers': an accelerator would say it in other last bits
    if teachers_of(said) != [read_info(teacher).tensor_sha256 for teacher in found]:
        training = load_split(data, "Training", official=recipe.official_counts)
        make_soft_labels(found, training, said, device=device, report=report)
    student = with_soft_labels(recipe, said)
    return student, _finished(student, data, out / "student", device, report)


def with_soft_labels(recipe: Recipe, file: Path) -> Recipe:
    """The recipe with this file, by its hash.

    Raises:
        SourceError: the file cannot be read.
        UsageError: the recipe has no share for soft labels.
    """
    if recipe.soft_labels.share == 0:
        raise UsageError(
            f"the recipe {recipe.name} gives soft labels no share; set it, "
            "as in --set soft_labels.share=0.6"
        )
    soft = dataclasses.replace(recipe.soft_labels, file=str(file), sha256=file_sha256(file))
    return dataclasses.replace(recipe, soft_labels=soft)


def _changed(recipe: Recipe, epochs: int | None, compiled: bool | None) -> Recipe:
    if epochs is not None:
        recipe = recipe.with_epochs(epochs)
    return recipe if compiled is None else dataclasses.replace(recipe, compiled=compiled)


def _finished(
    recipe: Recipe, data: Path, folder: Path, device: str, report: Callable[[str], None]
) -> Path:
    weights = weights_file(folder, recipe)
    if weights.is_file():
        info = read_info(weights)
        if info.recipe_sha256 != recipe.sha256() or "recipe_history" in info.metrics:
            raise UsageError(f"{weights} is of another recipe; remove it or choose another folder")
        rows = _rows_sha256(recipe, data)
        # the first weights do not tell
        if info.metrics.get("rows_sha256", rows) != rows:
            raise WeightsError(
                f"{weights} has learned from other Training rows or soft labels; a distillation "
                "goes on with its own"
            )
        report(f"{weights} is there already")
        return weights
    resume = (folder / RUN_FILE).is_file()
    if resume and recipes_of(folder) != [(0, recipe.sha256())]:
        raise UsageError(
            f"{folder / RUN_FILE} is of another recipe; remove {folder} or choose another folder"
        )
    run = RunSettings(out=folder, report=report, device=device, resume=resume)
    try:
        return train(recipe, data, run)
    except DivergedError as error:
        raise UsageError(
            f"{error.what}; remove {folder} and give {recipe.name} a lower rate, in a recipe file"
        ) from error


def _rows_sha256(recipe: Recipe, data: Path) -> str:
    """Of what the recipe would learn from; the near copies that folds need are found but once."""
    training = load_split(data, "Training", official=recipe.official_counts)
    return training_rows(training, recipe, "cpu", load_soft_labels(recipe, training)).sha256
