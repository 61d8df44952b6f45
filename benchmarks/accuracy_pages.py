"""Puts the figures of results/evaluate_*.json and views_*.json into the pages that show them.

python -m benchmarks.accuracy_pages
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.pages import put
from training.metrics import percent

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
VIEWS = ("single", "flip", "ten-crop")
BASELINE = {
    "angry": 65.78, "disgust": 72.73, "fear": 55.49, "happy": 89.87, "sad": 62.29,
    "surprise": 82.69, "neutral": 70.77,
}  # fmt: skip
"""Recall in percent, ten-crop, on PrivateTest, as the baseline's authors state it."""
SURE = (.2, .5, .8)  # fmt: skip
"""Of risk against coverage, the shares that the page shows."""
NEAR_80 = slice(11, 13)
"""The bins of reliability from .73 to .87."""

Record = dict[str, Any]


def main() -> None:
    for path, places in pages().items():
        page = path.read_text(encoding="utf-8")
        for name, lines in places.items():
            page = put(page, name, lines)
        path.write_text(page, encoding="utf-8")


def pages() -> dict[Path, dict[str, list[str]]]:
    """By page, what belongs in each of its places."""
    vgg19, small = evaluations("vgg19"), evaluations("small")
    vgg19_ms, small_ms = times("vgg19", vgg19), times("small", small)
    beside_ms = times("vgg19-avx2", vgg19)  # on the machine of small's
    return {
        ROOT / "README.md": {"accuracy": look_rows(vgg19, small["single"])},
        ROOT / "model" / "README.md": {
            "views": view_rows(vgg19),
            "expressions": expression_rows(vgg19),
            "small": small_rows(small, small_ms, beside_ms),
        },
        ROOT / "docs" / "evaluation.md": {"figures": figure_rows(vgg19, vgg19_ms)},
    }


def evaluations(weights: str) -> dict[str, Record]:
    """By views; all must be of the same weights."""
    found = {views: _record(f"evaluate_{weights}_{views}") for views in VIEWS}
    if len({figures["weights"][0]["tensor_sha256"] for figures in found.values()}) != 1:
        raise SystemExit(f"the results of {weights} are of different weights")
    return found


def times(measured: str, figures: dict[str, Record]) -> dict[str, Record]:
    """By views: milliseconds a face, by type of numbers."""
    record = _record(f"views_{measured}")
    if record["tensor_sha256"] != figures["single"]["weights"][0]["tensor_sha256"]:
        raise SystemExit(f"the times of {measured} are of other weights than the figures")
    return {row["views"]: row["ms_a_face"] for row in record["views"]}


def look_rows(vgg19: dict[str, Record], small: Record) -> list[str]:
    looks = {
        "one, as `mien run` does": vgg19["single"],
        "two (`--views flip`)": vgg19["flip"],
        "ten (`--views ten-crop`)": vgg19["ten-crop"],
        "one, by the small network (`--weights small`, a sixth of the classifier's time)": small,
    }
    return [
        "| looks a face | accuracy | 95 % interval | right |",
        "| --- | --- | --- | --- |",
        *(
            f"| {look} | {percent(figures['accuracy'])} | {interval(figures)} "
            f"| {figures['right']} of {figures['count']} |"
            for look, figures in looks.items()
        ),
    ]


def view_rows(evaluated: dict[str, Record]) -> list[str]:
    rows = [
        "| views | accuracy | right | macro recall | NLL, calibrated |",
        "| --- | --- | --- | --- | --- |",
    ]
    for views, figures in evaluated.items():
        rows.append(
            f"| {views} | {_with_interval(figures, 'accuracy')} "
            f"| {figures['right']}/{figures['count']} | {_with_interval(figures, 'macro_recall')} "
            f"| {error(figures['nll'])} |"
        )
    return rows


def expression_rows(evaluated: dict[str, Record]) -> list[str]:
    rows = [
        "| expression | rows | recall | precision | F1 | recall, ten-crop "
        "| the baseline's, ten-crop, on PrivateTest |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    ten = evaluated["ten-crop"]["per_class"]
    for name, one in evaluated["single"]["per_class"].items():
        cells = " | ".join(percent(one[key]) for key in ("recall", "precision", "f1"))
        rows.append(
            f"| {name} | {one['count']} | {cells} | {percent(ten[name]['recall'])} "
            f"| {BASELINE[name]} % |"
        )
    return rows


def small_rows(
    evaluated: dict[str, Record], taken: dict[str, Record], of_vgg19: dict[str, Record]
) -> list[str]:
    rows = [
        "| views | accuracy | right | macro recall "
        "| ECE on the unseen half, before and after the temperature "
        "| ms a face, float32 (`vgg19`) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for views, figures in evaluated.items():
        unseen = figures["unseen_half"]
        ours, theirs = (_ms(ms[views], "float32", 2) for ms in (taken, of_vgg19))
        rows.append(
            f"| {views} | {_with_interval(figures, 'accuracy')} "
            f"| {figures['right']}/{figures['count']} "
            f"| {_with_interval(figures, 'macro_recall')} "
            f"| {error(unseen['ece_uncalibrated'])}, {error(unseen['ece'])} | {ours} ({theirs}) |"
        )
    return rows


def figure_rows(evaluated: dict[str, Record], taken: dict[str, Record]) -> list[str]:
    every = list(evaluated.values())
    unseen = [figures["unseen_half"] for figures in every]
    without = [figures["without_copies"] for figures in every]
    table = {
        "accuracy": [percent(one["accuracy"]) for one in every],
        "95 % interval": [interval(one) for one in every],
        f"right of {every[0]['count']:,}": [str(one["right"]) for one in every],
        "macro recall": [percent(one["macro_recall"]) for one in every],
        "macro F1": [percent(one["macro_f1"]) for one in every],
        f"accuracy on the {without[0]['count']:,} rows without a copy in Training": [
            percent(one["accuracy"]) for one in without
        ],
        "NLL, before and after the temperature": [
            f"{error(one['nll_uncalibrated'])}, {error(one['nll'])}" for one in every
        ],
        "Brier": [error(one["brier"]) for one in every],
        "ECE on the unseen half, before and after": [
            f"{error(one['ece_uncalibrated'])}, {error(one['ece'])}" for one in unseen
        ],
        "ECE of perfect probabilities on so many faces": [
            " to ".join(error(edge, 3) for edge in one["ece_by_chance"]) for one in unseen
        ],
        "mistakes among the surest 20 %, 50 %, 80 %": [
            ", ".join(f"{100 * risk:.1f}" for risk in _risks(one)) + " %" for one in every
        ],
        "area under risk against coverage": [error(one["aurc"]) for one in every],
        "of unseen faces shown .73 to .87: how many, said, right": [
            "{}, {:.1f} %, {:.1f} %".format(*said_and_right(one)) for one in unseen
        ],
        "milliseconds a face, one thread, bfloat16": [
            _ms(taken[views], "bfloat16", 1) for views in evaluated
        ],
        "the same in float32": [_ms(taken[views], "float32", 1) for views in evaluated],
    }
    return [
        f"| | {' | '.join(evaluated)} |",
        "| --- |" + " --- |" * len(evaluated),
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in table.items()),
    ]


def said_and_right(half: Record) -> tuple[int, float, float]:
    """Of faces shown .73 to .87: how many, percent said on average, percent right."""
    bins = half["reliability"][NEAR_80]
    count = sum(one["count"] for one in bins)
    said, right = (
        100 * sum(one["count"] * one[key] for one in bins) / count
        for key in ("probability", "accuracy")
    )
    return count, said, right


def error(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}".removeprefix("0")


def interval(figures: Record, name: str = "accuracy") -> str:
    low, high = figures[f"{name}_interval"]
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _with_interval(figures: Record, name: str) -> str:
    return f"{percent(figures[name])} ({interval(figures, name)})"


def _risks(figures: Record) -> list[float]:
    risks = {round(row["coverage"], 2): row["risk"] for row in figures["risk_coverage"]}
    return [risks[covered] for covered in SURE]


def _ms(by_type: Record, dtype: str, digits: int) -> str:
    return f"{by_type[dtype]:.{digits}f}"


def _record(name: str) -> Record:
    record: Record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


if __name__ == "__main__":
    main()
