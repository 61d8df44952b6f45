"""`mien evaluate` and `mien calibrate`: how good weights are, and what their numbers mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mien.options import DEVICE, VIEWS, with_options
from mien.standard_streams import say

if TYPE_CHECKING:
    from training.scoring import ScoringOptions

OnPictures = Callable[[int], None]

DATA = click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    metavar="fer2013.csv",
    help="FER2013 in its original layout, its cache, or the folder that holds it.",
)
_scoring_options = with_options(
    DEVICE,
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16"]),
        default="fp32",
        show_default=True,
        help="Numbers of the network; bf16 is what `run` uses where the hardware has it.",
    ),
    click.option(
        "--batch",
        type=click.IntRange(min=1),
        metavar="N",
        help="Pictures in one pass, views counted.  [default: what suits the device]",
    ),
    click.option(
        "--input-size",
        "input_size_px",
        type=int,
        metavar="PX",
        help="Side to which faces are resampled, 32 to 64.  [default: what the weights say]",
    ),
)
"""How networks look at faces."""


def use_cores(threads: int | None = None) -> None:
    """Give torch so many threads; by default no more than this process may keep busy.

    torch counts the machine's cores, not those that its container may use; a lower number of its
    own, as by OMP_NUM_THREADS, stays.
    """
    import torch

    from mien.cores import usable_cores

    torch.set_num_threads(threads or min(torch.get_num_threads(), usable_cores()))


@click.command()
@click.option(
    "--weights",
    multiple=True,
    default=["default"],
    show_default="vgg19",
    metavar="NAME|FILE",
    help="What is scored; give it several times for an ensemble.",
)
@DATA
@click.option(
    "--split",
    type=click.Choice(["Training", "PublicTest", "PrivateTest"]),
    default="PublicTest",
    show_default=True,
    help="Which rows are scored.",
)
@VIEWS
@click.option(
    "--average",
    type=click.Choice(["probabilities", "logits"]),
    default="probabilities",
    show_default=True,
    help="What of an ensemble is averaged, after each network's own temperature.",
)
@click.option(
    "--compare",
    multiple=True,
    metavar="NAME|FILE",
    help="Other weights to test against on the same faces (McNemar); several vote as well.",
)
@_scoring_options
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write all figures there as well.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it is there already.")
def evaluate(
    weights: tuple[str, ...], data: Path, split: str, average: Any, compare: tuple[str, ...],
    json_file: Path | None, overwrite: bool, **options: Any,
) -> None:  # fmt: skip
    """Score weights on a split of FER2013.

    Overall, expression by expression, and how sure they are. Rates in OUT are plain fractions.
    Nothing is fitted here: temperatures are those that the weights hold (see `mien calibrate`).
    """
    from mien.contract.atomic import check_target, write_whole
    from training.evaluate import evaluate as score

    if json_file is not None:
        check_target(json_file, overwrite)
    begin_s = time.monotonic()
    with scoring_progress() as on_start:
        found = score(
            weights, data, split, _scoring(options),
            rivals=compare, average=average, on_start=on_start,
        )  # fmt: skip
    for line in found.lines():
        say(line)
    click.echo(f"mien: took {time.monotonic() - begin_s:.0f} s", err=True)
    if json_file is not None:
        write_whole(json_file, found.to_json(), overwrite=overwrite)


@click.command()
@click.option(
    "--weights",
    default="default",
    show_default="vgg19",
    metavar="NAME|FILE",
    help="Weights that get temperatures, and a size of input where --input-size is given.",
)
@DATA
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT.safetensors",
    help="Where the weights go with their temperatures; may be the same file.",
)
@_scoring_options
@click.option("--overwrite", is_flag=True, help="Replace it if it is there already.")
def calibrate(weights: str, data: Path, output: Path, overwrite: bool, **options: Any) -> None:
    """Fit the temperatures of weights.

    With them probabilities mean what they say. One for each of the views, on one half of
    PublicTest; how good they are is told by the other half, and kept in the weights. `run`
    divides logits by them.
    """
    from mien.contract.atomic import check_target
    from training.calibration import calibrate as fit

    check_target(output, overwrite)
    with scoring_progress() as on_start:
        found = fit(
            weights, data, output, _scoring(options), overwrite=overwrite, on_start=on_start
        )
    for one in found:
        click.echo(one.text())


def _scoring(options: dict[str, Any]) -> ScoringOptions:
    from model.pipeline import choose_device
    from training.scoring import ScoringOptions

    use_cores()
    return ScoringOptions(**{**options, "device": str(choose_device(options["device"]))})


@contextmanager
def scoring_progress() -> Iterator[Callable[[int], OnPictures]]:
    """A bar with the time that is left; on a terminal alone."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("looking at faces"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:

        def start(total: int) -> OnPictures:
            task = bar.add_task("", total=total)
            return lambda count: bar.advance(task, count)

        yield start
