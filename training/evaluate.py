"""Scores weights, or several that vote, on one split of FER2013."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.contract.errors import SourceError, UsageError, unknown_choice
from model.preprocessing import VIEW_COUNTS
from model.weights_file import load_weights
from training.calibration import UNSEEN
from training.evaluation import Evaluation, Member, Rival, WithoutCopies
from training.fer2013 import SPLITS, Split, load_split
from training.figures import Figures, figures
from training.leakage import find_copies
from training.mcnemar import compare
from training.metrics import Float64s
from training.scoring import (
    Averaging,
    OnPictures,
    Predictions,
    ScoringOptions,
    ask,
    rows_sha256,
    vote,
)
from training.similarity import NEAR

Names = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class _Votes:
    """Probabilities (n, 7) of some networks together, and who they are."""

    members: tuple[Member, ...]
    calibrated: Float64s
    uncalibrated: Float64s


def evaluate(
    weights: Names,
    data: Path,
    split: str = "PublicTest",
    options: ScoringOptions | None = None,
    *,
    rivals: Names = (),
    average: Averaging = "probabilities",
    on_start: Callable[[int], OnPictures] | None = None,
) -> Evaluation:
    """Scores weights, by name or file, on an official split.

    rivals: other weights, which are compared on the same faces; several vote as well.
    on_start: is told how many pictures will be looked at, and gives who is to hear of them.

    Raises:
        UsageError: an unknown split, or no weights.
        SourceError: the data set is missing or damaged, or has no such split.
        WeightsError: weights are missing, damaged or foreign.
    """
    if split not in SPLITS:
        raise unknown_choice("split", split, SPLITS)
    if not weights:
        raise UsageError("which weights should be scored?")
    options = options or ScoringOptions()
    for name in (*weights, *rivals):
        load_weights(name)  # a damaged file must not cost the minutes that the first one takes
    rows = load_split(data, split)
    count = len(rows.labels) * VIEW_COUNTS[options.views] * (len(weights) + len(rivals))
    on_pictures = None if on_start is None else on_start(count)
    found = _votes([ask(name, rows.images, options, on_pictures) for name in weights], average)
    others = [ask(name, rows.images, options, on_pictures) for name in rivals]
    rival = _rival(found, _votes(others, average), rows) if others else None
    without, training_sha256, reason = _without_copies(data, split, rows, found)
    return Evaluation(
        weights=found.members,
        average=average if len(weights) > 1 else None,
        split=split,
        views=options.views,
        data_sha256=rows_sha256(rows),
        training_sha256=training_sha256,
        numerics=options.numerics(),
        figures=figures(rows.labels, found.calibrated, found.uncalibrated),
        unseen_half=_unseen_half(split, rows, found),
        without_copies=without,
        without_copies_reason=reason,
        rival=rival,
    )


def _votes(predictions: Sequence[Predictions], average: Averaging) -> _Votes:
    return _Votes(
        tuple(_member(one) for one in predictions),
        vote(predictions, average),
        vote(predictions, average, calibrated=False),
    )


def _member(one: Predictions) -> Member:
    info = one.info
    return Member(
        name=one.name,
        architecture=info.architecture,
        tensor_sha256=info.tensor_sha256,
        recipe=info.recipe,
        recipe_sha256=info.recipe_sha256,
        commit=info.commit,
        input_size_px=info.input_size_px,
        temperature=one.temperature,
    )


def _rival(found: _Votes, others: _Votes, rows: Split) -> Rival:
    right = found.calibrated.argmax(1) == rows.labels
    theirs = others.calibrated.argmax(1) == rows.labels
    return Rival(
        weights=others.members,
        accuracy=float(theirs.mean()),
        difference=float(right.mean() - theirs.mean()),
        comparison=compare(right, theirs),
    )


def _unseen_half(split: str, rows: Split, found: _Votes) -> Figures | None:
    if split != "PublicTest":
        return None
    labels = rows.labels[UNSEEN]
    return figures(labels, found.calibrated[UNSEEN], found.uncalibrated[UNSEEN])


def _without_copies(
    data: Path, split: str, rows: Split, found: _Votes
) -> tuple[WithoutCopies | None, str | None, str | None]:
    """The part, Training's hash, and why there is no such part."""
    if split == "Training":
        return None, None, "the split is Training itself"
    try:
        training = load_split(data, "Training")
    except SourceError as error:
        return None, None, str(error)
    copies = find_copies(rows, training)
    kept = ~copies.any
    if not kept.any():
        return None, rows_sha256(training), "every row has a copy in Training"
    return (
        WithoutCopies(
            exact=int(copies.exact.sum()),
            near=int(copies.near.sum()),
            correlation=NEAR,
            figures=figures(rows.labels[kept], found.calibrated[kept], found.uncalibrated[kept]),
        ),
        rows_sha256(training),
        None,
    )
