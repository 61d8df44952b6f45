"""What is lost between the crops that FER2013 gives and those that detectors give.

    python -m benchmarks.wild path/to/fer2013.csv [--weights NAME] [--faces 800]

Faces of PublicTest are set into pictures of 1280x720 at several sizes, found again by each
detector, cut out in several ways and classified. Three crops of a found face are compared: the row
itself, the true square of the picture (which has lost pixels where the face is small), and the
detector's. Intervals draw faces anew, each with all its sizes (bootstrap). Writes
results/wild.json; `benchmarks/faces_page.py` puts it into docs/faces.md. The surround is made up,
so crops much wider than the face see what no photo has.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import describe_machine
from benchmarks.wild_crops import Variant, crops_of, variants
from benchmarks.wild_finds import DETECTORS, Finds, Key, search_once
from benchmarks.wild_scenes import SURROUNDS, scenes
from mien.contract.analyses import DetectorName
from mien.contract.pictures import Pixels
from model.classifier import Classifier
from model.crops import CropGeometry, face_crops
from model.memory import keep_memory
from model.weights_file import load_weights
from training.fer2013 import Split, load_split

RESULTS = Path(__file__).parent / "results" / "wild.json"
SIZES_PX = (30, 48, 80, 160)
DRAWS, COVER = 2000, 0.95

Rights = NDArray[np.int8]
"""Per face 1 where it was told right, 0 where wrong, -1 where it was not found."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="fer2013.csv, or the folder that holds it")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--faces", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finds", type=Path, help="keeps what the detectors find, as .npz")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_memory()
    split = load_split(arguments.data, "PublicTest")
    order = np.random.default_rng(arguments.seed).permutation(len(split.labels))
    chosen = order[: arguments.faces]
    faces = Split(split.images[chosen], split.labels[chosen])
    network, info = load_weights(arguments.weights)
    judge = Judge(Classifier(network, info, "single", torch.device("cpu")), faces)
    found = search_once(arguments.finds, faces.images, SIZES_PX, arguments.seed)
    record = {
        "machine": describe_machine(),
        "tensor_sha256": info.tensor_sha256,
        "dtype": judge.dtype,
        "split": "PublicTest",
        "faces": len(chosen),
        "seed": arguments.seed,
        **measured(judge, found, arguments.seed),
    }
    arguments.results.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


class Judge:
    """Tells which crops the weights get right."""

    def __init__(self, classifier: Classifier, faces: Split) -> None:
        self._classifier = classifier
        self.faces = faces
        self.dtype = str(classifier.dtype).removeprefix("torch.")
        self.rows = self.rights(faces.images, np.arange(len(faces.labels)))
        """Of the rows themselves."""

    def rights(self, crops: Pixels, rows: NDArray[np.int64]) -> Rights:
        """Crops (n, 48, 48) of the faces `rows` (n,) -> (all faces,)."""
        answers = self._classifier.classify(crops).argmax(1)
        rights = np.full(len(self.faces.labels), -1, np.int8)
        rights[rows] = answers == self.faces.labels[rows]
        return rights


def measured(judge: Judge, found: Mapping[Key, Finds], seed: int) -> dict[str, Any]:
    """What stands in the record under `sizes` and `variants`."""
    ways = {name: variants(name) for name in DETECTORS}
    sizes: list[dict[str, Any]] = []
    true: dict[int, Rights] = {}
    told: dict[tuple[Variant, int], Rights] = {}
    for size_px in SIZES_PX:
        finds = {name: found[name, size_px] for name in DETECTORS}
        true[size_px], surrounds = _of_size(judge, finds, ways, size_px, seed, told)
        for name in DETECTORS:
            shipped = told[ways[name][0], size_px]
            counts = {"detector": name, "face_px": size_px, "false": finds[name].false}
            for surround in (None, *SURROUNDS):
                inside = np.isin(surrounds, SURROUNDS if surround is None else [surround])
                compared = (judge.rows, true[size_px], shipped)
                sizes.append(counts | {"surround": surround} | _counted(inside, *compared))
    for row in sizes:
        print(row, flush=True)
    pooled = [
        _pooled(judge.rows, true, variant, ways[name][0], told)
        for name in DETECTORS
        for variant in ways[name]
    ]
    return {"sizes": sizes, "variants": pooled}


def _of_size(
    judge: Judge,
    finds: Mapping[DetectorName, Finds],
    ways: Mapping[DetectorName, list[Variant]],
    size_px: int,
    seed: int,
    told: dict[tuple[Variant, int], Rights],
) -> tuple[Rights, NDArray[np.str_]]:
    """Fills `told`; gives the answers to the true squares, and every face's surround."""
    whole: list[Pixels] = []
    crops: dict[Variant, list[Pixels]] = {way: [] for name in DETECTORS for way in ways[name]}
    surrounds: list[str] = []
    for scene in scenes(judge.faces.images, size_px, seed):
        whole += [face_crops([scene.image], [scene.squares], CropGeometry(1.0, 0.0, 0.0))]
        surrounds += [scene.surround] * len(scene.rows)
        for way, parts in crops.items():
            parts.append(crops_of(scene, finds[way.detector], way))
    for way, parts in crops.items():
        told[way, size_px] = judge.rights(np.concatenate(parts), finds[way.detector].rows)
    everyone = np.arange(len(judge.faces.labels))
    return judge.rights(np.concatenate(whole), everyone), np.array(surrounds)


def _counted(inside: NDArray[np.bool_], rows: Rights, true: Rights, told: Rights) -> dict[str, Any]:
    """Of the faces `inside`: how many were found, and of these told right by which crop."""
    kept = inside & (told >= 0)
    return {
        "faces": int(inside.sum()),
        "found": int(kept.sum()),
        "row_right_all": int(rows[inside].sum()),
        "row_right": int(rows[kept].sum()),
        "true_right": int(true[kept].sum()),
        "right": int(told[kept].sum()),
        "lost_points": _points(true[kept, None], told[kept, None]),
    }


def _pooled(
    rows: Rights,
    true: Mapping[int, Rights],
    variant: Variant,
    shipped: Variant,
    told: Mapping[tuple[Variant, int], Rights],
) -> dict[str, Any]:
    """All sizes of one variant, against the true squares and against what is shipped."""
    mine = np.stack([told[variant, size_px] for size_px in SIZES_PX], axis=1)
    other = np.stack([told[shipped, size_px] for size_px in SIZES_PX], axis=1)
    squares = np.stack([true[size_px] for size_px in SIZES_PX], axis=1)
    known = np.repeat(rows[:, None], len(SIZES_PX), axis=1)
    kept = mine >= 0
    geometry = variant.geometry
    return {
        "detector": variant.detector,
        "side": geometry.side,
        "right_shift": geometry.right,
        "down": geometry.down,
        "alignment": variant.alignment,
        "shipped": variant == shipped,
        "found": int(kept.sum()),
        "row_right": int(known[kept].sum()),
        "true_right": int(squares[kept].sum()),
        "right": int(mine[kept].sum()),
        "right_by_size": [int(column[column >= 0].sum()) for column in mine.T],
        "only_this_right": int(((mine == 1) & (other == 0)).sum()),
        "only_shipped_right": int(((mine == 0) & (other == 1)).sum()),
        "lost_points": _points(np.where(kept, squares, -1), mine),
        "gain_points": _points(mine, other),
    }


def _points(first: Rights, second: Rights) -> list[float]:
    """By how many points of accuracy `first` (faces, sizes) is better, with its interval: value,
    low, high. Only what both hold counts. A draw takes a face with all its sizes."""
    both = (first >= 0) & (second >= 0)
    gains = np.where(both, first.astype(np.int64) - second, 0).sum(1)
    counts = both.sum(1)
    if not counts.sum():
        return [0.0, 0.0, 0.0]
    draws = np.random.default_rng(0).integers(0, len(gains), (DRAWS, len(gains)))
    shares = gains[draws].sum(1) / np.maximum(counts[draws].sum(1), 1)
    edge = 50 * (1 - COVER)
    values = [gains.sum() / counts.sum(), *np.percentile(shares, [edge, 100 - edge])]
    return [round(100 * float(value), 2) for value in values]


if __name__ == "__main__":
    main()
