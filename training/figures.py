"""All figures of one set of answers to one set of faces."""

from __future__ import annotations

from dataclasses import dataclass

from training.bootstrap import Interval, intervals
from training.metrics import (
    ClassScore,
    Counts,
    Float64s,
    accuracy,
    class_scores,
    confusion_matrix,
    macro_f1,
    macro_recall,
)
from training.reliability import (
    Bin,
    brier_score,
    calibration_error,
    error_by_chance,
    negative_log_likelihood,
    reliability,
)
from training.risk_coverage import RiskPoint, area_under, risk_curve, risk_points


@dataclass(frozen=True, slots=True)
class Figures:
    """How good answers are; `_uncalibrated` is at temperature 1, everything else calibrated."""

    count: int
    """Faces."""
    right: int
    """Of these, faces told right."""
    accuracy: float
    """0-1."""
    accuracy_interval: Interval
    """95 % of the bootstrap's draws lie within; 0-1."""
    macro_recall: float
    """Mean of the classes' recalls, 0-1."""
    macro_recall_interval: Interval
    macro_f1: float
    """Mean of the classes' F1 scores, 0-1."""
    macro_f1_interval: Interval
    nll: float
    """Mean negative log likelihood, in nats."""
    nll_uncalibrated: float
    brier: float
    """Mean squared distance to the truth over all classes, 0-2."""
    brier_uncalibrated: float
    ece: float
    """Expected calibration error in 15 bins, 0-1."""
    ece_uncalibrated: float
    ece_by_chance: Interval
    """95 % interval of the ECE that perfectly calibrated probabilities have on so many faces."""
    aurc: float
    """Area under the risk-coverage curve, 0-1: lower is better."""
    per_class: dict[str, ClassScore]
    """In the order of EXPRESSIONS."""
    confusion: tuple[tuple[int, ...], ...]
    """(7, 7) counts: rows are the labels, columns the answers."""
    reliability: tuple[Bin, ...]
    risk_coverage: tuple[RiskPoint, ...]


def figures(labels: Counts, probabilities: Float64s, uncalibrated: Float64s) -> Figures:
    """The figures of probabilities (n, 7), and of those at temperature 1, against labels (n,).

    n must be at least 1.
    """
    table = confusion_matrix(labels, probabilities.argmax(1))
    spread = intervals(table)
    bins = reliability(probabilities, labels)
    return Figures(
        count=len(labels),
        right=int(table.trace()),
        accuracy=float(accuracy(table)),
        accuracy_interval=spread.accuracy,
        macro_recall=float(macro_recall(table)),
        macro_recall_interval=spread.macro_recall,
        macro_f1=float(macro_f1(table)),
        macro_f1_interval=spread.macro_f1,
        nll=negative_log_likelihood(probabilities, labels),
        nll_uncalibrated=negative_log_likelihood(uncalibrated, labels),
        brier=brier_score(probabilities, labels),
        brier_uncalibrated=brier_score(uncalibrated, labels),
        ece=calibration_error(bins),
        ece_uncalibrated=calibration_error(reliability(uncalibrated, labels)),
        ece_by_chance=error_by_chance(probabilities),
        aurc=area_under(risk_curve(probabilities, labels)),
        per_class=class_scores(table),
        confusion=tuple(tuple(row) for row in table.tolist()),
        reliability=bins,
        risk_coverage=risk_points(probabilities, labels),
    )
