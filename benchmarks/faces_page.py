"""Puts the figures of results/wild*.json and slices.json into docs/faces.md.

python -m benchmarks.faces_page
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.pages import put
from benchmarks.wild_finds import DETECTORS

PAGE = Path(__file__).parents[1] / "docs" / "faces.md"
RESULTS = Path(__file__).parent / "results"

Record = dict[str, Any]

AUGMENTATIONS = {"none": "none", "recipe": "as in the recipes", "more": "twice as far"}
"""By name of the results file, what the page calls them."""


def main() -> None:
    wild, photos, slices = (_record(name) for name in ("wild", "wild_photos", "slices"))
    augmentations = {name: _record(f"wild_augmentation_{name}") for name in AUGMENTATIONS}
    page = PAGE.read_text(encoding="utf-8")
    page = put(page, "sizes", size_rows(wild["sizes"]))
    page = put(page, "surrounds", surround_rows(wild["sizes"]))
    page = put(page, "variants", variant_rows(wild["variants"]))
    page = put(page, "augmentations", augmentation_rows(augmentations))
    page = put(page, "photos", photo_rows(photos["photos"]))
    page = put(page, "slices", slice_rows(slices))
    page = put(page, "confusions", confusion_rows(slices["confusions"]))
    page = put(page, "machine", machine_lines(wild, photos, slices))
    PAGE.write_text(page, encoding="utf-8")


def size_rows(sizes: list[Record]) -> list[str]:
    rows = [
        "| detector | face px | found | false | the row itself | true square | detected crop "
        "| points lost, square to crop |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size in sizes:
        if size["surround"] is None:
            found = f"{size['found']} of {size['faces']} ({_share(size, 'found', 'faces')})"
            cells = " | ".join(_share(size, key) for key in ("row_right", "true_right", "right"))
            rows.append(
                f"| {size['detector']} | {size['face_px']} | {found} | {size['false']} | {cells} "
                f"| {_points(size['lost_points'])} |"
            )
    return rows


def surround_rows(sizes: list[Record]) -> list[str]:
    rows = [
        "| detector | around the face | found | true square | detected crop |",
        "| --- | --- | --- | --- | --- |",
    ]
    for detector in DETECTORS:
        for surround in ("plain", "photo"):
            chosen = [s for s in sizes if (s["detector"], s["surround"]) == (detector, surround)]
            keys = ("faces", "found", "true_right", "right")
            total = {key: sum(size[key] for size in chosen) for key in keys}
            cells = " | ".join(
                [_share(total, "found", "faces"), _share(total, "true_right"), _share(total)]
            )
            rows.append(f"| {detector} | {surround} | {cells} |")
    return rows


def variant_rows(variants: list[Record]) -> list[str]:
    rows = [
        "| detector | side | down | aligned | accuracy | points lost against the true square "
        "| points gained on what is shipped | only this right / only shipped |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way in variants:
        gained = "(shipped)" if way["shipped"] else _points(way["gain_points"])
        only = f"{way['only_this_right']} / {way['only_shipped_right']}"
        rows.append(
            f"| {way['detector']} | {way['side']:.2f} | {way['down']:+.3f} | {way['alignment']} "
            f"| {_share(way)} | {_points(way['lost_points'])} | {gained} "
            f"| {'' if way['shipped'] else only} |"
        )
    return rows


def augmentation_rows(records: dict[str, Record]) -> list[str]:
    """What is shipped, by weights that differ in how far their training pictures were moved."""
    rows = [
        "| detector | turned, moved, enlarged in training | the row itself | true square "
        "| detected crop | points lost, square to crop |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for detector in DETECTORS:
        for name, record in records.items():
            chosen = [
                size
                for size in record["sizes"]
                if size["detector"] == detector and size["surround"] is None
            ]
            keys = ("found", "row_right", "true_right", "right")
            total = {key: sum(size[key] for size in chosen) for key in keys}
            cells = " | ".join(_share(total, key) for key in keys[1:])
            (shipped,) = (
                way for way in record["variants"] if way["detector"] == detector and way["shipped"]
            )
            rows.append(
                f"| {detector} | {AUGMENTATIONS[name]} | {cells} "
                f"| {_points(shipped['lost_points'])} |"
            )
    return rows


def photo_rows(photos: list[Record]) -> list[str]:
    heads = " | ".join(f"{name} tells" for name in DETECTORS)
    rows = [f"| photo | wanted | {heads} |", "| --- | --- |" + " --- |" * len(DETECTORS)]
    for photo in photos:
        wanted = photo["wanted"]
        cells = " | ".join(_told(photo[name], wanted) for name in DETECTORS)
        rows.append(f"| `{photo['photo']}` | {wanted} | {cells} |")
    return rows


def _told(answer: Record | None, wanted: str) -> str:
    if answer is None:
        return "no face found"
    text = f"{answer['told']} {answer['probability']:.2f}"
    if answer["told"] == wanted:
        return text
    return f"**{text}** ({wanted} {answer['probabilities'][wanted]:.2f})"


def slice_rows(record: Record) -> list[str]:
    rows = [
        "| part by | | from, to | faces | accuracy | macro recall |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    whole = {"by": "all", "part": "", "from_to": ["", ""], **record["whole"]}
    for part in (whole, *record["slices"]):
        low, high = (100 * edge for edge in part["accuracy_interval"])
        span = ", ".join(str(edge) for edge in part["from_to"] if edge != "")
        rows.append(
            f"| {part['by']} | {part['part']} | {span} | {part['faces']} "
            f"| {100 * part['accuracy']:.1f} % ({low:.1f} to {high:.1f}) "
            f"| {100 * part['macro_recall']:.1f} % |"
        )
    return rows


def confusion_rows(confusions: list[Record]) -> list[str]:
    rows = ["| label | told | faces | share of the label |", "| --- | --- | --- | --- |"]
    for row in confusions:
        share = f"{100 * row['share_of_label']:.1f} %"
        rows.append(f"| {row['label']} | {row['told']} | {row['faces']} | {share} |")
    return rows


def machine_lines(*records: Record) -> list[str]:
    """Weights and machine of all records, which must be of the same weights."""
    hashes = {record["tensor_sha256"] for record in records}
    if len(hashes) != 1:
        raise SystemExit("the results are of different weights: run all three again")
    return [f"Weights: tensors' sha256 `{hashes.pop()}`. Machine: {records[0]['machine']}."]


def _record(name: str) -> Record:
    record: Record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def _share(counts: Record, part: str = "right", whole: str = "found") -> str:
    return f"{100 * counts[part] / counts[whole]:.1f} %" if counts[whole] else "-"


def _points(values: list[float]) -> str:
    value, low, high = values
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
