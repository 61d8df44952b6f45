"""Puts the figures of results/detection.json into the tables of docs/detectors.md.

python -m benchmarks.detection_page
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.detection import (
    CONFIDENCES,
    DEFAULT_CONFIDENCE,
    DETECTORS,
    RESULTS,
    SIZES_PX,
    SMALL_PX,
    Score,
)
from benchmarks.pages import put

PAGE = Path(__file__).parents[1] / "docs" / "detectors.md"


def main() -> None:
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    scores = [Score(**score) for score in record["scores"]]
    page = PAGE.read_text(encoding="utf-8")
    page = put(page, "detectors", detector_rows(scores))
    page = put(page, "confidences", confidence_rows(scores))
    page = put(page, "machine", [f"Times: {record['machine']}."])
    PAGE.write_text(page, encoding="utf-8")


def detector_rows(scores: list[Score]) -> list[str]:
    rows = [
        f"| detector | longest side | found | of these under {SMALL_PX:.0f} px | false "
        "| ms a picture |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for detector in DETECTORS:
        for size_px in SIZES_PX:
            score = _one(scores, detector, size_px, DEFAULT_CONFIDENCE)
            rows.append(
                f"| {detector} | {size_px} | {score.found} of {score.faces} "
                f"| {score.small_found} of {score.small} | {score.false} "
                f"| {score.cpu_s / score.pictures * 1e3:.0f} |"
            )
    return rows


def confidence_rows(scores: list[Score]) -> list[str]:
    sides = " | ".join(f"{size} px: found | false" for size in SIZES_PX)
    rows = [f"| `--min-confidence` | {sides} |", "| --- |" + " --- |" * 2 * len(SIZES_PX)]
    for confidence in CONFIDENCES:
        chosen = (_one(scores, "mtcnn", size_px, confidence) for size_px in SIZES_PX)
        cells = " | ".join(f"{score.found} | {score.false}" for score in chosen)
        rows.append(f"| {confidence} | {cells} |")
    return rows


def _one(scores: list[Score], detector: str, size_px: int, confidence: float) -> Score:
    """The score asked for; the cascade's whatever the confidence."""
    return next(
        score
        for score in scores
        if (score.detector, score.size_px) == (detector, size_px)
        and score.min_confidence in (None, confidence)
    )


if __name__ == "__main__":
    main()
