"""`mien train`, `mien soft-labels` and `mien distill`: how weights are made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mien.evaluation_commands import DATA, scoring_progress, use_cores
from mien.options import DEVICE, VIEW_NAMES
from mien.standard_streams import say

if TYPE_CHECKING:
    from mien.contract.analyses import Views
    from training.config import Recipe

RECIPE = click.option(
    "--recipe", required=True, metavar="NAME|FILE.toml", help="What to train, and how."
)
OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="RUN_DIR",
    help="Folder for checkpoints, metrics, the weights and the report.",
)
CHANGES = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a key of the recipe, such as lr=0.02 or augmentation.erasing=0.",
)
COMPILE = click.option(
    "--compile/--no-compile", "compiled", default=None, help="As the recipe's key `compiled`."
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="CPU threads.  [default: the cores that may be used]",
)


@click.command()
@RECIPE
@DATA
@OUT
@DEVICE
@click.option("--epochs", type=click.IntRange(min=1), help="Fewer or more than the recipe says.")
@click.option("--seed", type=click.IntRange(min=0), help="Another than the recipe's.")
@CHANGES
@click.option("--init", metavar="NAME|FILE", help="Weights to begin with.")
@click.option("--resume", is_flag=True, help="Go on with the run in RUN_DIR.")
@click.option("--fold", metavar="K/N", help="Hold the K-th of N parts of Training out: a teacher.")
@click.option(
    "--soft-labels",
    "soft_labels_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What teachers say, for a recipe that gives it a share.",
)
@COMPILE
@click.option(
    "--checkpoint-every",
    "checkpoint_every_s",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How much of the work a kill may cost.",
)
@THREADS
def train(
    recipe: str, data: Path, out: Path, device: str, changes: tuple[str, ...], fold: str | None,
    epochs: int | None, seed: int | None, soft_labels_file: Path | None, compiled: bool | None,
    threads: int | None, **options: Any,
) -> None:  # fmt: skip
    """Train a network on FER2013.

    What is best by PublicTest is kept. The recipe is a TOML file or one of those that come with
    mien; it decides the result. A run that was stopped in any way goes on with --resume, and
    ends with the same weights.
    """
    from training.distill import with_soft_labels
    from training.recipe_file import load_recipe
    from training.train import RunSettings
    from training.train import train as run_training

    place = _prepare(device, threads)
    more = [f'fold="{fold}"'] if fold else []
    more += [f"seed={seed}"] if seed is not None else []
    more += [f"compiled={str(compiled).lower()}"] if compiled is not None else []
    chosen = load_recipe(recipe, (*changes, *more))
    if epochs is not None:
        chosen = chosen.with_epochs(epochs)
    if soft_labels_file is not None:
        chosen = with_soft_labels(chosen, soft_labels_file)
    run = RunSettings(out=out, report=say, device=place, **options)
    weights = run_training(chosen, data, run)
    _finish(chosen, weights, data, place)


@click.command("soft-labels")
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    required=True,
    metavar="NAME|FILE",
    help="Weights made with `mien train --fold K/N`; give those of every fold.",
)
@DATA
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT.safetensors",
    help="The file to write.",
)
@click.option(
    "--views",
    type=VIEW_NAMES,
    default="flip",
    show_default=True,
    help="How often a teacher looks at each face.",
)
@click.option(
    "--in-sample",
    is_flag=True,
    help="Ask a teacher that was made without --fold about all rows, though it has seen them.",
)
@DEVICE
@THREADS
@click.option("--overwrite", is_flag=True, help="Replace it if it is there already.")
def soft_labels(
    teachers: tuple[str, ...], data: Path, output: Path, views: Views, in_sample: bool,
    device: str, threads: int | None, overwrite: bool,
) -> None:  # fmt: skip
    """Write what teachers say of the Training rows.

    As a rule each is asked about those that it has not learned from.
    """
    from mien.contract.atomic import check_target
    from training.fer2013 import load_split
    from training.soft_labels import make_soft_labels

    check_target(output, overwrite)
    place = _prepare(device, threads)
    training = load_split(data, "Training")
    digest = make_soft_labels(
        teachers,
        training,
        output,
        in_sample=in_sample,
        views=views,
        device=place,
        overwrite=overwrite,
        report=say,
    )
    say(f"{output}: sha256 {digest}")


@click.command()
@RECIPE
@DATA
@OUT
@DEVICE
@click.option("--epochs", type=click.IntRange(min=1), help="For each network, as a short trial.")
@CHANGES
@COMPILE
@THREADS
def distill(
    recipe: str, data: Path, out: Path, device: str, changes: tuple[str, ...],
    threads: int | None, **options: Any,
) -> None:  # fmt: skip
    """Train teachers, and a student that they teach.

    First the recipe's teachers, on every fold, then the student, which learns what they say.
    The same command again goes on where it was stopped. --set is for the student alone.
    """
    from training.distill import distill as run_distillation
    from training.recipe_file import load_recipe

    place = _prepare(device, threads)
    chosen = load_recipe(recipe, changes)
    student, weights = run_distillation(chosen, data, out, device=place, report=say, **options)
    _finish(student, weights, data, place)


def _prepare(device: str, threads: int | None) -> str:
    """Chooses the device and sets the process up for it."""
    from model.memory import keep_memory
    from model.pipeline import choose_device

    keep_memory()
    use_cores(threads)
    return str(choose_device(device))


def _finish(recipe: Recipe, weights: Path, data: Path, device: str) -> None:
    """Calibrates the weights and writes the report of the run."""
    from training.calibration import calibrate
    from training.report import write_report
    from training.scoring import ScoringOptions

    if recipe.official_counts:
        click.echo("fitting the temperatures on every other row of PublicTest")
        with scoring_progress() as on_start:
            found = calibrate(
                weights, data, weights, ScoringOptions(device=device), on_start=on_start
            )
        for line in found:
            click.echo(line.text())
    say(f"weights: {weights}")
    say(write_report(weights, recipe, data, device))
