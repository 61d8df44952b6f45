"""What two runs over the same source have in common, by the product's own promise."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest


def lines_of(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()]


def assert_agree(found: Path, wanted: Path, but: tuple[int, ...] = ()) -> None:
    """Folders with results.jsonl, out.mp4 and report.json; `but` are frames without analysis.

    Frames, order and counts are equal; boxes and probabilities nearly; of a hundred frames one may
    show other faces.
    """
    ours, theirs = lines_of(found / "results.jsonl"), lines_of(wanted / "results.jsonl")
    assert [(line["frame"], line["time_s"]) for line in ours] == [
        (line["frame"], line["time_s"]) for line in theirs
    ]
    assert tuple(line["frame"] for line in ours if line["faces"] is None) == but
    pairs = [pair for pair in zip(ours, theirs, strict=True) if pair[0]["faces"] is not None]
    others = sum(not _alike(line["faces"], twin["faces"]) for line, twin in pairs)
    assert others <= len(pairs) // 100
    assert times_of(found / "out.mp4") == times_of(wanted / "out.mp4")
    if not but:
        reports = [json.loads((path / "report.json").read_text()) for path in (found, wanted)]
        for part in ("frames", "numerics", "settings", "weights", "source"):
            assert reports[0][part] == reports[1][part]


def times_of(video: Path) -> list[int | None]:
    with av.open(video) as file:
        return [frame.pts for frame in file.decode(video=0)]


def _alike(faces: list[dict[str, Any]], twins: list[dict[str, Any]]) -> bool:
    return len(faces) == len(twins) and all(map(_same_face, faces, twins))


def _same_face(face: dict[str, Any], twin: dict[str, Any]) -> bool:
    return (
        face["track"] == twin["track"]
        and np.allclose(face["box"], twin["box"], atol=0.5)
        and face["probabilities"] == pytest.approx(twin["probabilities"], abs=0.005)
    )
