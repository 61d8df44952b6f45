"""The pictures of a training report, as SVG text: no face is in any of them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.contract.errors import UsageError
from mien.contract.expressions import EXPRESSIONS
from training.metrics import Counts, Float64s
from training.reliability import Bin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#2c6fbb", "#d1632a", "#8a8a8a"

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "mien",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
}


def missing_library() -> str | None:
    """One sentence where matplotlib is not installed, which draws the pictures."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return "no report: it needs matplotlib, which mien's extra 'train' brings"
    return None


def curves(rows: Sequence[Mapping[str, str]]) -> str:
    """Loss, accuracies and learning rate over the epochs; rows are those of metrics.csv."""
    figure = _figure(3, 10.0, 3.0)
    loss, right, rate = figure.axes
    epochs = [int(row["epoch"]) for row in rows]
    marker = "o" if len(rows) < 30 else None

    def draw(axes: Axes, key: str, name: str, colour: str, factor: float = 1.0) -> None:
        points = [
            (e, factor * float(row[key])) for e, row in zip(epochs, rows, strict=True) if row[key]
        ]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, label=name, marker=marker, ms=3)

    draw(loss, "train_loss", "Training", GREY)
    loss.set_title("loss while learning")
    draw(right, "train_accuracy", "Training, moved about", GREY, 100)
    draw(right, "public_accuracy", "PublicTest", BLUE, 100)
    draw(right, "public_accuracy_averaged", "PublicTest, averaged weights", ORANGE, 100)
    right.set_title("accuracy, %")
    right.legend(frameon=False, fontsize=8)
    draw(rate, "lr", "learning rate", BLUE)
    rate.set_title("learning rate at the epoch's end")
    for axes in figure.axes:
        axes.set_xlabel("epoch")
        axes.locator_params("x", integer=True)
    return _svg(figure)


def confusion(table: Counts) -> str:
    """Counts (7, 7): rows are the labels, columns the answers; shaded by the row's share."""
    figure = _figure(1, 5.6, 4.8)
    (axes,) = figure.axes
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    for row, column in np.ndindex(*table.shape):
        dark = shares[row, column] > 0.5
        text = f"{table[row, column]}\n{100 * shares[row, column]:.0f} %"
        colour = "white" if dark else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)
    places = range(len(EXPRESSIONS))
    axes.set_xticks(places, EXPRESSIONS, rotation=30)
    axes.set_yticks(places, EXPRESSIONS)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    return _svg(figure)


def reliability_diagram(before: Sequence[Bin], after: Sequence[Bin]) -> str:
    """What was said against what came true, at temperature 1 and at the fitted one."""
    figure = _figure(2, 8.0, 3.6)
    for axes, bins, title in zip(
        figure.axes, (before, after), ("at temperature 1", "calibrated"), strict=True
    ):
        width = 1 / len(bins)
        axes.bar(
            [b.low + width / 2 for b in bins], [b.accuracy for b in bins], width * 0.92, color=BLUE
        )
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
        said = [(b.probability, b.accuracy) for b in bins if b.count]
        axes.plot(*zip(*said, strict=True), ".", color=ORANGE, label="mean of the bin")
        for one in (b for b in bins if b.count):
            axes.text(one.low + width / 2, 0.01, str(one.count), ha="center", fontsize=5, color="w")
        axes.set(xlim=(0, 1), ylim=(0, 1), title=title, xlabel="probability of the answer")
    figure.axes[0].set_ylabel("share of right answers")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return _svg(figure)


def risk_coverage(curve: Float64s) -> str:
    """The share of mistakes (n,) among the 1, 2, ... n surest faces."""
    figure = _figure(1, 5.0, 3.4)
    (axes,) = figure.axes
    coverage = np.arange(1, len(curve) + 1) / len(curve)
    # the first few faces alone would only show noise
    start = min(len(curve) - 1, len(curve) // 50)
    axes.plot(100 * coverage[start:], 100 * curve[start:], color=BLUE)
    axes.set(xlim=(0, 100), ylim=(0, None), xlabel="faces that are answered, %")
    axes.set_ylabel("mistakes among these, %")
    return _svg(figure)


def _figure(columns: int, width: float, height: float) -> Figure:
    reason = missing_library()
    if reason is not None:
        raise UsageError(reason)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.subplots(1, columns)
    return figure


def _svg(figure: Figure) -> str:
    """The element alone, the same for the same figures: no date, no random names."""
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    found = text.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", found[found.index("<svg") :], flags=re.DOTALL)
