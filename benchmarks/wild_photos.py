"""What the weights say of photos whose expression is known.

    python -m benchmarks.wild_photos MEDIA [--weights NAME]

MEDIA/photos holds the photos and `labels.csv` (file, faces, expression, label_from); those with one
face and an expression count. Photos go the product's own way, with its defaults; of several finds
the largest is taken. They are far too few to tell how good the weights are: they are looked at so
that nothing is badly off. Writes results/wild_photos.json.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.machine import describe_machine
from benchmarks.wild_finds import DETECTORS
from mien.contract.analyses import AnalysisSettings, DetectorName
from mien.contract.expressions import EXPRESSIONS
from mien.contract.frames import Frame
from mien.contract.geometry import plan_analysis
from mien.pipelines import Pipelines
from model.memory import keep_memory
from model.weights_file import read_info
from producer.analysis_image import shrink
from producer.source import open_source
from workers.rgb import to_rgb

RESULTS = Path(__file__).parent / "results" / "wild_photos.json"
ANALYZE_SIZE_PX = 1280
MIN_CONFIDENCE = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media", type=Path)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_memory()
    pipelines = Pipelines([arguments.weights], "cpu")
    rows: list[dict[str, Any]] = []
    for file, wanted in labelled(arguments.media / "photos"):
        rows.append({"photo": file.name, "wanted": wanted})
        rows[-1] |= {name: told(file, name, pipelines) for name in DETECTORS}
        print(rows[-1], flush=True)
    tensors = read_info(arguments.weights).tensor_sha256
    record = {"machine": describe_machine(), "tensor_sha256": tensors, "photos": rows}
    arguments.results.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def labelled(folder: Path) -> Iterator[tuple[Path, str]]:
    """Photos with one face, and the expression on it."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["faces"] == "1" and row["expression"]:
                yield folder / row["file"], row["expression"].lower()


def told(file: Path, detector: DetectorName, pipelines: Pipelines) -> dict[str, Any] | None:
    """Expression and probability, with that of all seven; None where no face was found.

    `pipelines` answer for one file of weights.
    """
    source = open_source(str(file))
    picture = next(frame.picture for frame in source.frames() if isinstance(frame, Frame))
    source.close()
    plan = plan_analysis(
        picture.width, picture.height, analyze_size_px=ANALYZE_SIZE_PX, min_face_px=None
    )
    (sha256,) = pipelines.weights()
    settings = AnalysisSettings(detector, plan.min_face_px, MIN_CONFIDENCE, "single", sha256)
    analysis = pipelines.get(settings).analyze([to_rgb(shrink(picture, plan))])[0]
    if not len(analysis):
        return None
    probabilities = analysis.probabilities[0]
    best = int(np.argmax(probabilities))
    values = [round(float(value), 4) for value in probabilities]
    return {
        "told": EXPRESSIONS[best],
        "probability": values[best],
        "probabilities": dict(zip(EXPRESSIONS, values, strict=True)),
        "finds": len(analysis),
    }


if __name__ == "__main__":
    main()
