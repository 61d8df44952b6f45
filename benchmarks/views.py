"""What looking twice or ten times at a face gains, and what it costs.

    mien evaluate --data fer2013.csv --views single --json single.json   # flip, ten-crop as well
    python -m benchmarks.views single.json flip.json ten-crop.json [-o views.json]

Points come from the figures. Times are CPU milliseconds of one thread a face, the least of all
rounds, so that a busy machine says little; on CUDA they are wall time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe_machine
from mien.contract.analyses import Views
from mien.contract.pictures import Pixels
from model.classifier import Classifier, fastest_dtype
from model.memory import keep_memory
from model.pipeline import choose_device
from model.weights_file import load_weights

FACES = 16
POINTS = ("accuracy", "accuracy_interval", "macro_recall", "ece")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path, nargs="+", help="of `mien evaluate --json`")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    device = choose_device(arguments.device)
    rows = []
    for path in arguments.figures:
        figures = json.loads(path.read_text())
        times = milliseconds(arguments.weights, figures, device, arguments.rounds)
        kept = {name: figures[name] for name in ("split", *POINTS)}
        rows.append({"views": figures["views"], **kept, "ms_a_face": times})
        print(row_text(rows[-1]), flush=True)
    result = {
        "machine": describe_machine(),
        "device": device.type,
        "threads": 1,
        "faces_at_once": FACES,
        "tensor_sha256": figures["weights"][0]["tensor_sha256"],
        "views": rows,
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


def milliseconds(
    weights: str, figures: dict[str, Any], device: torch.device, rounds: int
) -> dict[str, float]:
    """By type of numbers: what one face costs."""
    views: Views = figures["views"]
    crops = np.random.default_rng(0).integers(0, 256, (FACES, 48, 48)).astype(np.uint8)
    found = {}
    for dtype in dict.fromkeys((torch.float32, fastest_dtype(device))):
        network, info = load_weights(weights)
        if info.tensor_sha256 != figures["weights"][0]["tensor_sha256"]:
            raise SystemExit(f"the figures are not those of {weights}")
        classifier = Classifier(network, info, views, device, dtype)
        name = str(dtype).removeprefix("torch.")
        found[name] = round(least_s(classifier, crops, device, rounds) / FACES * 1e3, 3)
    return found


def least_s(classifier: Classifier, crops: Pixels, device: torch.device, rounds: int) -> float:
    """Seconds for all the crops; the first round is not counted."""
    clock: Callable[[], float] = time.perf_counter if device.type == "cuda" else time.process_time
    taken = []
    for _ in range(rounds + 1):
        begin = clock()
        classifier.classify(crops)
        taken.append(clock() - begin)
    return min(taken[1:])


def row_text(row: dict[str, Any]) -> str:
    times = " | ".join(f"{value:.2f}" for value in row["ms_a_face"].values())
    return f"| {row['views']} | {100 * row['accuracy']:.2f} % | {times} |"


if __name__ == "__main__":
    main()
