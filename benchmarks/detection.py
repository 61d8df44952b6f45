"""How many faces each detector finds in real photos and clips, how many of its finds are none, and
what that costs.

    python -m benchmarks.detection MEDIA [--rounds 3]

MEDIA is the folder that the files of `detection_truth.json` lie in. Pictures go the product's own
way: opened, shrunk to the analysis size, turned to RGB. A find is a face where it overlaps one of
the true boxes by `MIN_IOU`, each box once; finds over faces marked unsure count neither way. Times
are CPU seconds of one thread, a picture's least of all rounds. Writes results/detection.json;
`benchmarks/detection_page.py` puts it into docs/detectors.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.machine import describe_machine
from benchmarks.truth import Truth, read_truth
from mien.contract.analyses import DetectorName, Floats
from mien.contract.geometry import SMALLEST_FACE_PX, AnalysisGeometry, plan_analysis
from mien.contract.pictures import Picture
from model.detection import Detector
from model.haar import Haar
from model.memory import keep_memory
from model.mtcnn import Mtcnn
from producer.analysis_image import shrink
from producer.source import open_source
from workers.rgb import to_rgb

RESULTS = Path(__file__).parent / "results" / "detection.json"
DETECTORS: tuple[DetectorName, ...] = ("mtcnn", "haar")
SIZES_PX = (640, 1280)
CONFIDENCES = (0.7, 0.8, 0.9, 0.95, 0.99)
DEFAULT_CONFIDENCE = 0.9

MIN_IOU = 0.35
"""The cascade's squares and MTCNN's upright boxes of one face overlap by .55 to .80; over an eye
or a collar a box reaches .20 at most."""
SMALL_PX = 40.0
"""Faces of fewer lines in the analysis image are told apart."""

Sample = tuple[Picture, Truth]


@dataclass(slots=True)
class Score:
    """One detector at one size and one confidence."""

    detector: DetectorName
    size_px: int
    """Longest side of the analysis image."""
    min_confidence: float | None
    faces: int = 0
    found: int = 0
    small: int = 0
    """Of the faces, those under SMALL_PX in the analysis image."""
    small_found: int = 0
    false: int = 0
    pictures: int = 0
    cpu_s: float = 0.0
    """Over all pictures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_memory()
    samples = list(read_samples(arguments.media))
    scores = [
        score
        for detector in DETECTORS
        for size_px in SIZES_PX
        for score in scored(detector, size_px, samples, arguments.rounds)
    ]
    record = {"machine": describe_machine(), "scores": [asdict(score) for score in scores]}
    arguments.results.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_samples(media: Path) -> Iterator[Sample]:
    """The pictures that the truth speaks of, in their source's size."""
    for file, truths in read_truth().items():
        wanted = {truth.frame: truth for truth in truths}
        source = open_source(str(media / file))
        for frame in source.frames():
            if frame.index in wanted:
                yield frame.picture, wanted.pop(frame.index)
            if not wanted:
                break
        source.close()


def plan(picture: Picture, size_px: int) -> AnalysisGeometry:
    """At 1280 px what a run with the defaults does. Below, faces of 24 px of the smaller image are
    the smallest, in place of those that would keep it larger."""
    sides = picture.width, picture.height
    smallest = None
    if size_px != max(SIZES_PX):
        smallest = SMALLEST_FACE_PX * max(1.0, max(sides) / size_px)
    return plan_analysis(*sides, analyze_size_px=size_px, min_face_px=smallest)


def scored(name: DetectorName, size_px: int, samples: list[Sample], rounds: int) -> Iterator[Score]:
    """A score for every confidence, or one where the detector has none."""
    limits = [None] if name == "haar" else list(CONFIDENCES)
    scores = [Score(name, size_px, limit) for limit in limits]
    for picture, truth in samples:
        geometry = plan(picture, size_px)
        image = to_rgb(shrink(picture, geometry))
        detector = made(name, geometry.min_face_px)
        seconds = []
        for _ in range(rounds):
            begin = time.process_time()
            found = detector.detect([image])[0]
            seconds.append(time.process_time() - begin)
        boxes = geometry.to_source(found.boxes)
        small_px = SMALL_PX * geometry.source_height / geometry.height
        for score in scores:
            sure = np.ones(len(boxes), bool)
            if found.confidences is not None and score.min_confidence is not None:
                sure = found.confidences >= score.min_confidence
            count(score, boxes[sure], truth, small_px)
            score.cpu_s = round(score.cpu_s + min(seconds), 4)
    yield from scores


def made(name: DetectorName, min_face_px: float) -> Detector:
    """MTCNN with all that its last network takes for a face: confidences are told apart later."""
    if name == "haar":
        return Haar(min_face_px)
    return Mtcnn(min_face_px, 0.0, torch.device("cpu"))


def count(score: Score, boxes: Floats, truth: Truth, small_px: float) -> None:
    """Add one picture's faces and finds."""
    faces = np.array(truth.faces, np.float32).reshape(-1, 4)
    small = faces[:, 3] - faces[:, 1] < small_px
    hit = np.zeros(len(faces), bool)
    false = 0
    for box in boxes:
        shares = np.where(hit, 0.0, overlaps(box, faces))
        if len(faces) and shares.max() >= MIN_IOU:
            hit[shares.argmax()] = True
        elif not any(_inside(box, unsure) for unsure in truth.unsure):
            false += 1
    score.pictures += 1
    score.faces += len(faces)
    score.found += int(hit.sum())
    score.small += int(small.sum())
    score.small_found += int((hit & small).sum())
    score.false += false


def overlaps(box: Floats, faces: Floats) -> Floats:
    """Intersection over union of a box with each of `faces` (n, 4): (n,)."""
    low, high = np.maximum(box[:2], faces[:, :2]), np.minimum(box[2:], faces[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(faces[:, 2:] - faces[:, :2], axis=1)
    joined: Floats = np.prod(box[2:] - box[:2]) + areas - shared
    return np.asarray(shared / joined, np.float32)


def _inside(box: Floats, region: tuple[int, ...]) -> bool:
    """Whether the middle of the box lies in the region."""
    across, down = (box[:2] + box[2:]) / 2
    return bool(region[0] <= across <= region[2] and region[1] <= down <= region[3])


if __name__ == "__main__":
    main()
