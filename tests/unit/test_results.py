"""The numbers as users get them."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet
import pytest

from mien.contract.analyses import FrameAnalysis
from mien.contract.errors import UsageError
from mien.contract.expressions import EXPRESSIONS
from mien.contract.geometry import AnalysisGeometry
from workers.faces import FaceHistory, FaceSnapshot
from workers.results import check_results, open_results
from workers.results_port import Results
from workers.results_table import COLUMNS, Table

GEOMETRY = AnalysisGeometry(640, 360, 640, 360, 24.0)
PROBABILITIES = [0.01, 0.0, 0.01, 0.93, 0.01, 0.02, 0.02]


class Origin:
    def about(self) -> Mapping[str, object]:
        return {"source": "clip.mp4"}


def snapshots(confidence: float | None = 0.998) -> list[FaceSnapshot]:
    history = FaceHistory(GEOMETRY, 0.5)
    boxes = np.array([[300.04, 20, 380, 100], [10, 20, 110, 120]], np.float32)
    confidences = None if confidence is None else np.full(2, confidence, np.float32)
    faces = FrameAnalysis(boxes, confidences, np.array([PROBABILITIES] * 2, np.float32), "")
    none = FrameAnalysis(boxes[:0], None, np.zeros((0, 7), np.float32), "")
    return [history.add(0, 0, faces), history.add(120, 5_005_000_000, none)]


def filled(results: Results, confidence: float | None = 0.998) -> Results:
    for snapshot in snapshots(confidence):
        results.write(snapshot)
    results.lost(121, 5_038_366_667, "gave up after 5 deliveries")
    return results


def put_in_place(results: Results) -> None:
    results.finish(Origin())
    results.commit()


def test_json_lines_have_the_documented_shape(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    put_in_place(filled(open_results(path, overwrite=False)))
    first, empty, lost = (json.loads(line) for line in path.read_text().splitlines())
    assert first["v"] == 1
    assert first["frame"] == 0
    assert first["time_s"] == 0.0
    assert first["faces"][0] == {
        "track": 1,
        "box": [300.0, 20.0, 380.0, 100.0],
        "confidence": 0.998,
        "expression": "happy",
        "shown": "happy",
        "probabilities": dict(zip(EXPRESSIONS, PROBABILITIES, strict=True)),
    }
    assert [face["track"] for face in first["faces"]] == [1, 2]
    assert empty == {"v": 1, "frame": 120, "time_s": 5.005, "faces": []}
    assert lost == {
        "v": 1,
        "frame": 121,
        "time_s": 5.038367,
        "faces": None,
        "reason": "gave up after 5 deliveries",
    }


def test_a_detector_without_confidence_gives_null(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    put_in_place(filled(open_results(path, overwrite=False), confidence=None))
    first = json.loads(path.read_text().splitlines()[0])
    assert [face["confidence"] for face in first["faces"]] == [None, None]


def test_csv_has_a_row_a_face_and_one_for_a_frame_without(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    put_in_place(filled(open_results(path, overwrite=False)))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["frame"] for row in rows] == ["0", "0", "120", "121"]
    assert rows[0]["happy"] == "0.93"
    assert rows[2]["track"] == rows[2]["happy"] == rows[2]["reason"] == ""
    assert rows[3]["reason"] == "gave up after 5 deliveries"


def test_parquet_holds_the_same_rows_and_where_they_come_from(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    put_in_place(filled(open_results(path, overwrite=False)))
    table = Table()
    filled(table)
    pandas.testing.assert_frame_equal(pandas.read_parquet(path), table.frame())
    metadata = pyarrow.parquet.read_schema(path).metadata
    assert json.loads(metadata[b"mien"]) == {"source": "clip.mp4"}


def test_a_table_of_nothing_still_has_its_columns() -> None:
    assert list(Table().frame().columns) == list(COLUMNS)


def test_an_unknown_extension_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"r\.xlsx.*none of \.jsonl \.csv \.parquet"):
        check_results(tmp_path / "r.xlsx", overwrite=False)


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_results_that_are_there_are_replaced_only_when_asked(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"r{kind}"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        open_results(path, overwrite=False)
    results = filled(open_results(path, overwrite=True))
    results.finish(Origin())
    assert path.read_text() == "mine"
    results.commit()
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_aborted_results_leave_nothing_behind(tmp_path: Path, kind: str) -> None:
    filled(open_results(tmp_path / f"r{kind}", overwrite=False)).abort()
    assert list(tmp_path.iterdir()) == []
