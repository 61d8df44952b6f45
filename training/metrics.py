"""Rates that are read off a confusion matrix; all take stacks of them, for the bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.contract.expressions import EXPRESSIONS

Float64s = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_SIZE = len(EXPRESSIONS)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One expression's figures."""

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


def confusion_matrix(labels: Counts, answers: Counts) -> Counts:
    """(7, 7) counts: rows are the labels, columns the answers; both (n,) indices."""
    cells = np.bincount(labels * _SIZE + answers, minlength=_SIZE**2)
    return cells.reshape(_SIZE, _SIZE).astype(np.int64)


def accuracy(confusion: Counts) -> Float64s:
    """(..., 7, 7) -> (...): the share of all rows that were told right."""
    return _share(_right(confusion).sum(-1), confusion.sum((-2, -1)))


def _recalls(confusion: Counts) -> Float64s:
    """(..., 7, 7) -> (..., 7): per label, the share that was told right; 0 without a row."""
    return _share(_right(confusion), confusion.sum(-1))


def _precisions(confusion: Counts) -> Float64s:
    """(..., 7, 7) -> (..., 7): per answer, the share that was right; 0 where it was not given."""
    return _share(_right(confusion), confusion.sum(-2))


def _f1_scores(confusion: Counts) -> Float64s:
    """(..., 7, 7) -> (..., 7): harmonic means of precision and recall."""
    return _share(2 * _right(confusion), confusion.sum(-1) + confusion.sum(-2))


def macro_recall(confusion: Counts) -> Float64s:
    """(..., 7, 7) -> (...): the mean over the classes, each worth the same."""
    return np.asarray(_recalls(confusion).mean(-1))


def macro_f1(confusion: Counts) -> Float64s:
    """(..., 7, 7) -> (...): the mean over the classes, each worth the same."""
    return np.asarray(_f1_scores(confusion).mean(-1))


def class_scores(confusion: Counts) -> dict[str, ClassScore]:
    """By expression, in the order of EXPRESSIONS."""
    table = zip(
        EXPRESSIONS,
        confusion.sum(1).tolist(),
        _right(confusion).tolist(),
        _recalls(confusion).tolist(),
        _precisions(confusion).tolist(),
        _f1_scores(confusion).tolist(),
        strict=True,
    )
    return {name: ClassScore(*figures) for name, *figures in table}


def percent(share: float) -> str:
    """A rate of what is right, 0-1, for people: cut, so that no figure flatters (69.85 %)."""
    return f"{math.floor(round(10_000 * share, 6)) / 100:.2f} %"


def _right(confusion: Counts) -> Counts:
    return np.asarray(np.diagonal(confusion, axis1=-2, axis2=-1))


def _share(part: Counts, whole: Counts) -> Float64s:
    """0 where there is nothing to share."""
    return np.asarray(part / np.maximum(whole, 1), dtype=np.float64)
