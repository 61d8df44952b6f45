"""Draws docs/throughput.svg and docs/memory.svg from the committed results.

    python -m benchmarks.charts [--results FOLDER] [--docs FOLDER]

The same results give the same bytes. Grounds are clear and greys in the middle, so that the charts
can be read on light pages and on dark ones.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
WIDTH_IN = 7.6
GREY, FAINT = "#747c86", "#8b949e"
BARS = {
    "default": ("mien run", "#2f81f7"),
    "--analyze-fps all": ("mien run --analyze-fps all", "#1b9aaa"),
    "naive": ("naive loop, one look a face", FAINT),
    "naive, ten crops": ("naive loop, ten crops a face", FAINT),
}
"""What is measured, as it is called in the results: its name and colour in the chart."""
LINES = ("#2f81f7", "#e07b39", "#8957e5", "#1b9aaa")
LIMIT_MB = 1500
"""What a run is to stay under."""

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mien",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

Record = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    drawings = {"throughput": draw_throughput, "memory": draw_memory}
    with mpl.rc_context(STYLE):
        for name, draw in drawings.items():
            records = read(arguments.results, name)
            if not records:
                print(f"{name}: nothing was measured, nothing drawn")
                continue
            figure = draw(records)
            target = arguments.docs / f"{name}.svg"
            figure.savefig(target, transparent=True, metadata={"Date": None, "Creator": None})
            print(target)


def read(results: Path, kind: str) -> list[Record]:
    """All results of a kind, small pictures first."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(results.glob(f"{kind}_*.json"))]
    return sorted(found, key=_pixels)


def _pixels(record: Record) -> int:
    clip = record["clip"] if isinstance(record["clip"], dict) else record
    return int(clip["width"]) * int(clip["height"])


def draw_throughput(records: list[Record]) -> Figure:
    """Bars of frames a second, a group a clip."""
    bars = sum(len(record["frames_per_s"]) for record in records)
    figure = Figure(figsize=(WIDTH_IN, 0.95 + 0.34 * bars + 0.5 * len(records)))
    axes = figure.subplots()
    place, places, names = 0.0, [], []
    for record in records:
        title = f"{record['clip']}, {record['width']}×{record['height']}, {record['fps']:g} fps"
        axes.text(0, place, title, va="center", weight="bold")
        place += 0.85
        for label, (name, colour) in BARS.items():
            if label not in record["frames_per_s"]:
                continue
            fps = statistics.median(record["frames_per_s"][label])
            axes.barh(place, fps, 0.72, color=colour)
            figures = f"{_cut(fps)} · {_cut(fps / record['fps'])}× real time"
            axes.annotate(figures, (fps, place), (4, 0), textcoords="offset points", va="center")
            places.append(place)
            names.append(name)
            place += 1
        place += 0.45
    axes.set_yticks(places, names)
    axes.set_ylim(place - 0.6, -0.6)
    axes.margins(x=0.4)  # room for the figures, in whatever font the reader has
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("frames a second, H.264 written, loading not counted")
    _caption(figure, axes, records)
    return figure


def _cut(value: float) -> str:
    """To one place, and never up."""
    return f"{math.floor(10 * value) / 10:.1f}"


def draw_memory(records: list[Record]) -> Figure:
    """Lines of megabytes over minutes, one a case."""
    figure = Figure(figsize=(WIDTH_IN, 4.0))
    axes = figure.subplots()
    most = LIMIT_MB
    for record, colour in zip(records, LINES, strict=False):
        samples = [(seconds / 60, mb) for seconds, mb in record["samples"] if mb]
        most = max(most, *(mb for _, mb in samples))
        label = f"{record['label']}, {_length(record['clip']['length_s'])}"
        thinned = list(_thinned(samples, 400))
        axes.plot(*zip(*thinned, strict=True), color=colour, linewidth=1.6, label=label)
        axes.plot(*thinned[-1], "o", color=colour, markersize=4)
    axes.axhline(LIMIT_MB, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        "1.5 GB", (1, LIMIT_MB), (0, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right",
    )  # fmt: skip
    axes.set_ylim(0, most * 1.12)
    axes.set_xlim(left=0)
    axes.set_xlabel("minutes since mien run was started")
    axes.set_ylabel("resident memory, MB")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    _caption(figure, axes, records)
    return figure


def _length(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _thinned(samples: list[tuple[float, float]], most: int) -> Iterable[tuple[float, float]]:
    """At most so many samples; of those that fall together the largest, so that no peak is lost."""
    step = -(-len(samples) // most)
    for start in range(0, len(samples), step):
        yield max(samples[start : start + step], key=lambda sample: sample[1])


def _caption(figure: Figure, axes: Axes, records: list[Record]) -> None:
    machines = dict.fromkeys(record["machine"] for record in records)
    figure.tight_layout(rect=(0, 0.12 / figure.get_figheight() * len(machines) * 2, 1, 1))
    figure.text(0.01, 0.02, "\n".join(machines), fontsize=8, ha="left", va="bottom")


if __name__ == "__main__":
    main()
