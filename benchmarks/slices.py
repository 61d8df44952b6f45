"""How good the weights are on dark, flat and blurred faces, and what they take for what.

    python -m benchmarks.slices path/to/fer2013.csv [--votes path/to/fer2013new.csv]

PublicTest in thirds by brightness (mean of the pixels), contrast (their standard deviation) and
sharpness (variance of the Laplacian); with the votes of FER+ also by how many of ten people agree
on a face, and by whether they agree with its label. Writes results/slices.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import describe_machine
from benchmarks.votes import Votes, read_votes
from mien.contract.expressions import EXPRESSIONS
from mien.contract.pictures import Pixels
from model.memory import keep_memory
from training.bootstrap import intervals
from training.fer2013 import load_split
from training.metrics import Counts, accuracy, confusion_matrix, macro_recall
from training.scoring import PRECISIONS, ScoringOptions, ask

RESULTS = Path(__file__).parent / "results" / "slices.json"
THIRDS = ("low", "middle", "high")
AGREEMENTS = ((0, 5), (6, 7), (8, 9), (10, 10))
"""From and to how many of ten votes for one answer."""

CONFUSIONS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="fer2013.csv, or the folder that holds it")
    parser.add_argument("--votes", type=Path, metavar="CSV", help="fer2013new.csv of FER+")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--precision", choices=list(PRECISIONS), default="fp32")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    split = load_split(arguments.data, "PublicTest")
    answers = ask(arguments.weights, split.images, ScoringOptions(precision=arguments.precision))
    told = answers.logits.argmax(1)
    whole = confusion_matrix(split.labels, told)
    parts = list(slices(split.images, split.labels, told))
    if arguments.votes:
        votes = read_votes(arguments.votes, "PublicTest", len(split.labels))
        parts += by_votes(votes, split.labels, told)
    record: dict[str, Any] = {
        "machine": describe_machine(),
        "tensor_sha256": answers.info.tensor_sha256,
        "dtype": arguments.precision,
        "split": "PublicTest",
        "whole": figures(whole),
        "slices": parts,
        "confusions": confusions(whole),
    }
    for row in (*record["slices"], *record["confusions"]):
        print(row, flush=True)
    arguments.results.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def slices(images: Pixels, labels: Counts, told: Counts) -> Iterator[dict[str, Any]]:
    for name, values in properties(images).items():
        edges = np.quantile(values, [1 / 3, 2 / 3])
        thirds = np.searchsorted(edges, values)
        for number, third in enumerate(THIRDS):
            inside = thirds == number
            table = confusion_matrix(labels[inside], told[inside])
            span = [round(float(edge(values[inside])), 1) for edge in (np.min, np.max)]
            yield {"by": name, "part": third, "from_to": span, **figures(table)}


def by_votes(votes: Votes, labels: Counts, told: Counts) -> Iterator[dict[str, Any]]:
    def part(name: str, inside: NDArray[np.bool_]) -> dict[str, Any]:
        return {"part": name, **figures(confusion_matrix(labels[inside], told[inside]))}

    for low, high in AGREEMENTS:
        inside = (low <= votes.agreement) & (votes.agreement <= high)
        span = [int(edge(votes.agreement[inside])) for edge in (np.min, np.max)]
        yield {"by": "votes for one answer", "from_to": span, **part("", inside)}
    backed = votes.backs(labels)
    for name, inside in (("backed", backed), ("outvoted", ~backed)):
        yield {"by": "label", "from_to": ["", ""], **part(name, inside)}


def properties(images: Pixels) -> dict[str, NDArray[np.float64]]:
    """Of crops (n, 48, 48) in 0-255: each (n,)."""
    pixels = images.astype(np.float64)
    return {
        "brightness": pixels.mean((1, 2)),
        "contrast": pixels.std((1, 2)),
        "sharpness": np.array([cv2.Laplacian(image, cv2.CV_64F).var() for image in pixels]),
    }


def figures(table: Counts) -> dict[str, Any]:
    """Of a confusion matrix; the shares of happy faces and of the rest differ between slices, so
    macro recall stands beside accuracy."""
    return {
        "faces": int(table.sum()),
        "right": int(table.trace()),
        "accuracy": round(float(accuracy(table)), 4),
        "accuracy_interval": [round(edge, 4) for edge in intervals(table).accuracy],
        "macro_recall": round(float(macro_recall(table)), 4),
    }


def confusions(table: Counts) -> list[dict[str, Any]]:
    """The commonest mistakes."""
    mistakes = table.copy()
    np.fill_diagonal(mistakes, 0)
    rows = []
    for place in np.argsort(-mistakes, axis=None, kind="stable")[:CONFUSIONS].tolist():
        label, answer = divmod(place, len(EXPRESSIONS))
        rows.append(
            {
                "label": EXPRESSIONS[label],
                "told": EXPRESSIONS[answer],
                "faces": int(mistakes[label, answer]),
                "share_of_label": round(float(mistakes[label, answer] / table[label].sum()), 4),
            }
        )
    return rows


if __name__ == "__main__":
    main()
