"""Where the faces are in the pictures that detectors are measured on, told by eye."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels of the upright source picture."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One picture, looked at by eye."""

    frame: int
    """Index in its file; 0 for photos."""
    faces: tuple[Box, ...]
    """Finds of both detectors (all sizes, low confidence) that are faces, and what both missed."""
    unsure: tuple[Box, ...]
    """Heads that some would call a face and some would not: cut off, from behind, a few pixels."""


def read_truth() -> dict[str, list[Truth]]:
    """By file, below the folder of media."""
    path = Path(__file__).parent / "detection_truth.json"
    truths: dict[str, list[Truth]] = {}
    for entry in json.loads(path.read_text(encoding="utf-8")):
        boxes = (tuple(tuple(box) for box in entry[key]) for key in ("faces", "unsure"))
        truths.setdefault(entry["file"], []).append(Truth(entry["frame"], *boxes))
    return truths
