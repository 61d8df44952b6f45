"""What the detectors find in scenes, kept in a file: other weights need not search anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.detection import MIN_IOU, overlaps
from benchmarks.wild_scenes import HEIGHT_PX, WIDTH_PX, Scene, scenes
from mien.contract.analyses import DetectorName, Floats
from mien.contract.geometry import plan_analysis
from mien.contract.pictures import Pixels
from model.detection import Detections, Detector
from model.haar import Haar
from model.mtcnn import Mtcnn

DETECTORS: tuple[DetectorName, ...] = ("mtcnn", "haar")
MIN_CONFIDENCE = 0.9
"""The default of `mien run`."""

Key = tuple[DetectorName, int]
"""Detector and side of the faces in pixels."""


@dataclass(frozen=True, slots=True)
class Finds:
    """The faces of all scenes of one size that one detector found."""

    rows: NDArray[np.int64]
    """(n,): which faces, ascending."""
    boxes: Floats
    """float32 (n, 4), in steps of .1 as in an analysis."""
    landmarks: Floats
    """float32 (n, 5, 2) as in `Detections`; NaN from the cascade."""
    false: int
    """Boxes on no face."""

    def of(self, scene: Scene) -> NDArray[np.int64]:
        """Indices of the finds in one of the scenes."""
        return np.flatnonzero(np.isin(self.rows, scene.rows))


def search(faces: Pixels, sizes_px: tuple[int, ...], seed: int) -> dict[Key, Finds]:
    """Both detectors over the scenes of every size, as `mien run` would by default."""
    smallest = plan_analysis(
        WIDTH_PX, HEIGHT_PX, analyze_size_px=max(WIDTH_PX, HEIGHT_PX), min_face_px=None
    ).min_face_px
    detectors: dict[DetectorName, Detector] = {
        "mtcnn": Mtcnn(smallest, MIN_CONFIDENCE, torch.device("cpu")),
        "haar": Haar(smallest),
    }
    found = {}
    for size_px in sizes_px:
        parts: dict[DetectorName, list[Finds]] = {name: [] for name in DETECTORS}
        for scene in scenes(faces, size_px, seed):
            for name in DETECTORS:
                parts[name].append(matched(detectors[name].detect([scene.image])[0], scene))
        found.update({(name, size_px): _joined(parts[name]) for name in DETECTORS})
    return found


def matched(found: Detections, scene: Scene) -> Finds:
    """Each face with the box that overlaps it most; a box belongs to one face."""
    best: dict[int, tuple[float, int]] = {}
    false = 0
    for index, box in enumerate(found.boxes):
        shares = overlaps(box, scene.squares)
        place, share = int(shares.argmax()), float(shares.max())
        if share < MIN_IOU:
            false += 1
        elif share > best.get(place, (0.0, 0))[0]:
            best[place] = (share, index)
    places = sorted(best)
    chosen = np.array([best[place][1] for place in places], np.int64)
    landmarks = found.landmarks
    if landmarks is None:
        landmarks = np.full((len(found), 5, 2), np.nan, np.float32)
    boxes = np.round(found.boxes[chosen], 1)
    return Finds(scene.rows[np.array(places, np.int64)], boxes, landmarks[chosen], false)


def _joined(parts: list[Finds]) -> Finds:
    return Finds(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        sum(part.false for part in parts),
    )


def search_once(
    path: Path | None, faces: Pixels, sizes_px: tuple[int, ...], seed: int
) -> dict[Key, Finds]:
    """As `search`, or from the file that an earlier search of the same left."""
    digest = hashlib.sha256(faces.tobytes()).hexdigest()
    stamp = f"{digest} {sizes_px} {seed}"
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["stamp"]) == stamp:
                return dict(_read(stored, sizes_px))
    found = search(faces, sizes_px, seed)
    if path is not None:
        arrays: dict[str, NDArray[np.generic]] = {"stamp": np.array(stamp)}
        for (name, size_px), finds in found.items():
            arrays[f"{name}_{size_px}_rows"] = finds.rows
            arrays[f"{name}_{size_px}_boxes"] = finds.boxes
            arrays[f"{name}_{size_px}_landmarks"] = finds.landmarks
            arrays[f"{name}_{size_px}_false"] = np.array(finds.false)
        np.savez(path, **arrays)  # type: ignore[arg-type]
    return found


def _read(
    stored: Mapping[str, NDArray[np.generic]], sizes_px: tuple[int, ...]
) -> Iterator[tuple[Key, Finds]]:
    for name in DETECTORS:
        for size_px in sizes_px:
            rows, boxes, landmarks, false = (
                stored[f"{name}_{size_px}_{part}"]
                for part in ("rows", "boxes", "landmarks", "false")
            )
            finds = Finds(
                rows.astype(np.int64),
                boxes.astype(np.float32),
                landmarks.astype(np.float32),
                int(false),
            )
            yield (name, size_px), finds
