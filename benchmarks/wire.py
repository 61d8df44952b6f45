"""Raw against JPEG on the wire: bytes, milliseconds, and what it does to the results.

    python -m benchmarks.wire CLIP ... [--pictures 24] [--json OUT]

Every picture is analysed as it is and as it comes out of JPEG; faces are the same where their boxes
overlap by more than half.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from mien.contract.analyses import AnalysisImage, AnalysisSettings, FrameAnalysis
from mien.contract.geometry import plan_analysis
from mien.cores import shared_cores
from mien.transport.wire import Encoding, decode_image, encode_image
from model.pipeline import ExpressionPipeline
from model.weights_file import read_info
from producer.analysis_image import shrink
from producer.source import open_source
from workers.rgb import to_rgb

BATCH = 8
SAME = 0.5


@dataclass
class Difference:
    """Of all pictures of one clip."""

    clip: str
    raw_bytes: int = 0
    jpeg_bytes: int = 0
    raw_ms: float = 0.0
    """Encoding and decoding of one picture, on the average."""
    jpeg_ms: float = 0.0
    faces: int = 0
    """Found in the raw pictures."""
    lost: int = 0
    """Of these, not found in the JPEG ones."""
    gained: int = 0
    """Found in the JPEG ones alone."""
    box_px: float = 0.0
    """Most that an edge of a box moved."""
    probability: float = 0.0
    """Most that a probability moved."""
    labels: int = 0
    """Faces of another expression."""


def clip_images(clip: Path, count: int) -> list[AnalysisImage]:
    """Analysis images of the clip, as `mien run` makes them, spread over its first seconds."""
    source = open_source(str(clip))
    geometry = plan_analysis(
        source.info.width, source.info.height, analyze_size_px=1280, min_face_px=None
    )
    settings = AnalysisSettings(
        "mtcnn", round(geometry.min_face_px, 3), 0.9, "single", read_info("default").sha256
    )
    found = []
    for frame in source.frames():
        if frame.index % 5 == 0:
            found.append(
                AnalysisImage("wire", frame.index, shrink(frame.picture, geometry), settings)
            )
        if len(found) == count:
            break
    source.close()
    return found


def over_the_wire(
    images: Sequence[AnalysisImage], encoding: Encoding
) -> tuple[list[AnalysisImage], int, float]:
    """The images as they arrive, bytes of all, and milliseconds of one."""
    begin = time.perf_counter()
    messages = [encode_image(image, encoding) for image in images]
    arrived = [decode_image(message, "wire", images[0].settings) for message in messages]
    passed_s = time.perf_counter() - begin
    return arrived, sum(map(len, messages)), 1000 * passed_s / len(images)


def compare(before: FrameAnalysis, after: FrameAnalysis, found: Difference) -> None:
    """Add one picture's differences."""
    pairs = [
        (one, other)
        for one in range(len(before))
        for other in range(len(after))
        if overlap(before.boxes[one], after.boxes[other]) > SAME
    ]
    found.faces += len(before)
    found.lost += len(before) - len({one for one, _ in pairs})
    found.gained += len(after) - len({other for _, other in pairs})
    for one, other in pairs:
        edges = np.abs(before.boxes[one] - after.boxes[other]).max()
        shares = before.probabilities[one], after.probabilities[other]
        found.box_px = max(found.box_px, round(float(edges), 1))
        moved = float(np.abs(shares[0] - shares[1]).max())
        found.probability = max(found.probability, round(moved, 4))
        found.labels += int(shares[0].argmax() != shares[1].argmax())


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (one, other)]
    return shared / (sum(areas) - shared)


def measure(clip: Path, count: int) -> Difference:
    """All of one clip."""
    images = clip_images(clip, count)
    found = Difference(clip.name)
    raw, found.raw_bytes, found.raw_ms = over_the_wire(images, "raw")
    jpeg, found.jpeg_bytes, found.jpeg_ms = over_the_wire(images, "jpeg")
    pipeline = ExpressionPipeline(images[0].settings, device="cpu")
    for start in range(0, len(images), BATCH):
        answers = [
            pipeline.analyze([to_rgb(image.picture) for image in arrived[start : start + BATCH]])
            for arrived in (raw, jpeg)
        ]
        for before, after in zip(*answers, strict=True):
            compare(before, after, found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with shared_cores():
        found = [measure(clip, arguments.pictures) for clip in arguments.clips]
    for difference in found:
        print(difference)
    if arguments.json:
        record = {"machine": describe_machine(), "clips": [asdict(one) for one in found]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
