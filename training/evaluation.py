"""The outcome of `mien evaluate`, as JSON and as lines of text."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from training.figures import Figures
from training.mcnemar import Comparison
from training.metrics import percent


@dataclass(frozen=True, slots=True)
class Member:
    """One of the networks that were asked."""

    name: str
    """File name of the weights."""
    architecture: str
    tensor_sha256: str
    recipe: str
    recipe_sha256: str
    commit: str
    input_size_px: int
    """Side to which faces were resampled for it."""
    temperature: float
    """What its logits were divided by."""


@dataclass(frozen=True, slots=True)
class WithoutCopies:
    """The figures of the rows that have no copy in Training."""

    exact: int
    """Rows left out that are pixel by pixel one of Training's."""
    near: int
    """Rows left out that are the same photo with other pixels."""
    correlation: float
    """From which on two pictures count as the same photo."""
    figures: Figures


@dataclass(frozen=True, slots=True)
class Rival:
    """Other weights on the same faces."""

    weights: tuple[Member, ...]
    accuracy: float
    """0-1."""
    difference: float
    """Accuracy of the weights less that of the rival, -1 to 1."""
    comparison: Comparison
    """First: the weights. Second: the rival."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of one pass over a split, and what they depend on."""

    weights: tuple[Member, ...]
    """Several are an ensemble."""
    average: str | None
    """What of an ensemble was averaged; None for one network."""
    split: str
    views: str
    data_sha256: str
    """Over the split's pixels and labels in their order."""
    training_sha256: str | None
    """The same of Training, where copies were looked for in it."""
    numerics: dict[str, str]
    figures: Figures
    unseen_half: Figures | None
    """Of the half of PublicTest that temperatures are not fitted on; None on other splits."""
    without_copies: WithoutCopies | None
    without_copies_reason: str | None
    """Why there is no such part."""
    rival: Rival | None

    def to_json(self) -> str:
        """Indented, with a newline at the end; rates are plain fractions in full precision.

        The split's figures stand at the top, beside what they depend on.
        """
        plain = dataclasses.asdict(self)
        whole, rest = plain.pop("figures"), plain.pop("without_copies")
        if rest is not None:
            kept = rest.pop("figures")
            rest = {**rest, **kept}
        temperature = self.weights[0].temperature if len(self.weights) == 1 else None
        about = {name: plain.pop(name) for name in _ABOUT}
        parts = {**about, "temperature": temperature, **whole, "without_copies": rest, **plain}
        return json.dumps(parts, indent=2) + "\n"

    def lines(self) -> list[str]:
        """The figures for people, in some thirty lines."""
        lines = [self._head(), *_summary(self.figures), "", *_class_table(self.figures)]
        lines += ["", *_confusion_table(self.figures), "", self._copies_line()]
        if self.unseen_half is not None:
            half = self.unseen_half
            lines.append(
                f"on the half that no temperature has seen ({half.count} faces): ECE "
                f"{half.ece:.4f}, {half.ece_uncalibrated:.4f} before; perfect probabilities would "
                f"have {half.ece_by_chance[0]:.4f} to {half.ece_by_chance[1]:.4f}"
            )
        if self.rival is not None:
            lines.append(_rival_line(self.rival))
        return lines

    def _head(self) -> str:
        names = " + ".join(f"{one.name} at {one.input_size_px} px" for one in self.weights)
        how = f", mean {self.average}" if self.average else ""
        numerics = f"{self.numerics['dtype']} on {self.numerics['device']}"
        return f"{names} on {self.split}, {self.views}{how}, {numerics}"

    def _copies_line(self) -> str:
        rest = self.without_copies
        if rest is None:
            return f"without copies: not told, {self.without_copies_reason}"
        return (
            f"without {rest.exact} exact and {rest.near} near copies of Training rows: accuracy "
            f"{percent(rest.figures.accuracy)} {_interval(rest.figures.accuracy_interval)}, "
            f"macro recall {percent(rest.figures.macro_recall)}, ECE {rest.figures.ece:.4f}"
        )


_ABOUT = ("weights", "average", "split", "views", "data_sha256", "training_sha256", "numerics")


def _summary(found: Figures) -> list[str]:
    return [
        f"accuracy     {percent(found.accuracy)} {_interval(found.accuracy_interval)} "
        f"({found.right}/{found.count})",
        f"macro recall {percent(found.macro_recall)} {_interval(found.macro_recall_interval)}",
        f"macro F1     {percent(found.macro_f1)} {_interval(found.macro_f1_interval)}",
        f"NLL {found.nll:.4f} ({found.nll_uncalibrated:.4f} before the temperature), "
        f"Brier {found.brier:.4f} ({found.brier_uncalibrated:.4f}), "
        f"ECE {found.ece:.4f} ({found.ece_uncalibrated:.4f})",
        f"risk at coverage 50 / 80 / 100 %: {_risks(found)}; area {found.aurc:.4f}",
    ]


def _risks(found: Figures) -> str:
    by_percent = {round(100 * point.coverage): point.risk for point in found.risk_coverage}
    return " / ".join(f"{100 * by_percent[covered]:.2f} %" for covered in (50, 80, 100))


def _class_table(found: Figures) -> list[str]:
    head = f"{'expression':<10} {'rows':>5} {'right':>5} {'recall':>8} {'prec.':>8} {'F1':>8}"
    return [head] + [
        f"{name:<10} {score.count:>5} {score.right:>5} {percent(score.recall):>8} "
        f"{percent(score.precision):>8} {percent(score.f1):>8}"
        for name, score in found.per_class.items()
    ]


def _confusion_table(found: Figures) -> list[str]:
    names = list(found.per_class)
    head = f"{'label':<10} " + " ".join(f"{name:>8}" for name in names) + "   told"
    rows = zip(names, found.confusion, strict=True)
    return [head] + [
        f"{name:<10} " + " ".join(f"{count:>8}" for count in counts) for name, counts in rows
    ]


def _rival_line(rival: Rival) -> str:
    names = " + ".join(member.name for member in rival.weights)
    pairs = rival.comparison
    return (
        f"against {names} ({percent(rival.accuracy)}): {100 * rival.difference:+.2f} points; "
        f"{pairs.only_first_right} faces right here alone, {pairs.only_second_right} there alone, "
        f"McNemar's exact p = {pairs.p_value:.3g}"
    )


def _interval(ends: tuple[float, float]) -> str:
    return f"[{100 * ends[0]:.2f}, {100 * ends[1]:.2f}]"
