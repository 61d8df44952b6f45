"""Measures how FER2013's faces were cut, told from where each detector sees the face in them.

    python -m benchmarks.crop_geometry path/to/fer2013.csv

Faces of the PublicTest split are enlarged, set into a larger picture and looked for. Since the true
crop is known, every face found gives one side, right and down for `model.crops.GEOMETRY`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from mien.contract.analyses import DetectorName, Floats
from mien.contract.pictures import Pixels
from model.detection import Detector
from model.haar import Haar
from model.mtcnn import Mtcnn
from training.fer2013 import load_split

CANVAS_PX = 320
MIN_FACE_PX = 40.0
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="fer2013.csv, or the folder that holds it")
    parser.add_argument("--faces", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    images = load_split(arguments.data, "PublicTest").images
    chosen = np.random.default_rng(arguments.seed).permutation(len(images))[: arguments.faces]
    detectors: dict[DetectorName, Detector] = {
        "mtcnn": Mtcnn(MIN_FACE_PX, 0.95, torch.device("cpu")),
        "haar": Haar(MIN_FACE_PX),
    }
    print("| detector | face px | around it | found | side | right | down |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, detector in detectors.items():
        for face_px in (96, 144):
            for surround in ("edge", "blurred", "mean"):
                shares = measure(detector, images[chosen], face_px, surround)
                cells = " | ".join(spread(column) for column in shares.T)
                found = f"{len(shares)}/{len(chosen)}"
                print(f"| {name} | {face_px} | {surround} | {found} | {cells} |", flush=True)


def measure(detector: Detector, faces: Pixels, face_px: int, surround: str) -> Floats:
    """Per face found: side, right, down as `CropGeometry` means them, (n, 3)."""
    start = (CANVAS_PX - face_px) // 2
    shares = []
    for batch in batches(faces):
        canvases = [placed(face, face_px, start, surround) for face in batch]
        for found in detector.detect(canvases):
            if len(found) != 1:
                continue
            x1, y1, x2, y2 = found.boxes[0].tolist()
            size = max(x2 - x1, y2 - y1)
            middle = start + face_px / 2
            offsets = (middle - (x1 + x2) / 2, middle - (y1 + y2) / 2)
            shares.append([face_px / size, offsets[0] / size, offsets[1] / size])
    return np.array(shares, dtype=np.float32).reshape(-1, 3)


def batches(faces: Pixels) -> Iterator[Pixels]:
    for start in range(0, len(faces), BATCH):
        yield faces[start : start + BATCH]


def placed(face: Pixels, face_px: int, start: int, surround: str) -> Pixels:
    """The face in the middle of a canvas whose rest is as unlike a face as it can be."""
    size = (face_px, face_px)
    large = np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    around = ((start, CANVAS_PX - face_px - start),) * 2
    if surround == "mean":
        canvas = np.pad(large, around, constant_values=int(face.mean()))
    else:
        canvas = np.pad(large, around, mode="edge")
    if surround == "blurred":
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), face_px / 8), dtype=np.uint8)
    canvas[start : start + face_px, start : start + face_px] = large
    return np.repeat(canvas[..., None], 3, axis=2)


def spread(values: Floats) -> str:
    """Median, and in brackets the quartiles."""
    if not len(values):
        return "-"
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.3f} ({low:.3f}..{high:.3f})"


if __name__ == "__main__":
    main()
