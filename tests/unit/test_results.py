"""The numbers as users get them."""

import csv
import json
import os
import resource
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas
import pyarrow.parquet
import pytest

from mien.contract.analyses import FrameAnalysis
from mien.contract.errors import OutputError, UsageError
from mien.contract.expressions import EXPRESSIONS
from mien.contract.geometry import AnalysisGeometry
from workers.faces import FaceHistory, FaceSnapshot
from workers.results import check_results, open_results
from workers.results_port import Results
from workers.results_table import Table, columns

GEOMETRY = AnalysisGeometry(640, 360, 640, 360, 24.0)
PROBABILITIES = [0.01, 0.0, 0.01, 0.93, 0.01, 0.02, 0.02]


class Origin:
    def about(self) -> Mapping[str, object]:
        return {"source": "clip.mp4"}


def snapshots(
    confidence: float | None = 0.998, abstain: float | None = None, faces: int = 2
) -> list[FaceSnapshot]:
    """One of so many faces, and one of none."""
    history = FaceHistory(GEOMETRY, 0.5, abstain)
    boxes = np.array([[300.04, 20, 380, 100], [10, 20, 110, 120]] * (faces // 2), np.float32)
    confidences = None if confidence is None else np.full(faces, confidence, np.float32)
    found = FrameAnalysis(boxes, confidences, np.array([PROBABILITIES] * faces, np.float32), "")
    none = FrameAnalysis(boxes[:0], None, np.zeros((0, 7), np.float32), "")
    return [history.add(0, 0, found), history.add(120, 5_005_000_000, none)]


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
    assert ",".join(rows[0]) == (
        "frame,time_s,track,x1,y1,x2,y2,confidence,expression,shown,"
        "angry,disgust,fear,happy,sad,surprise,neutral,reason"
    )
    assert [row["frame"] for row in rows] == ["0", "0", "120", "121"]
    assert rows[0]["happy"] == "0.93"
    assert rows[2]["track"] == rows[2]["happy"] == rows[2]["reason"] == ""
    assert rows[3]["reason"] == "gave up after 5 deliveries"


@pytest.mark.parametrize("name", ["r.parquet", os.fsdecode(b"caf\xe9.parquet")])
def test_parquet_holds_the_same_rows_and_where_they_come_from(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    put_in_place(filled(open_results(path, overwrite=False)))
    table = Table()
    filled(table)
    found = path.rename(tmp_path / "found.parquet")  # pyarrow takes names that are text alone
    pandas.testing.assert_frame_equal(pandas.read_parquet(found), table.frame())
    metadata = pyarrow.parquet.read_schema(found).metadata
    assert json.loads(metadata[b"mien"]) == {"source": "clip.mp4"}


@pytest.mark.parametrize("abstain", [None, 0.5])
def test_rows_of_several_groups_are_the_table_that_analyze_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstain: float | None
) -> None:
    monkeypatch.setattr("workers.parquet_rows._GROUP_ROWS", 2)
    path, abstains = tmp_path / "r.parquet", abstain is not None
    results, table = (
        open_results(path, overwrite=False, abstains=abstains),
        Table(abstains=abstains),
    )
    for each in (results, table):
        each.lost(0, 0, "gave up")  # the first group is without a face, the last without a reason
        each.lost(1, 40_000_000, "gave up")
        for snapshot in snapshots(None, abstain) + snapshots(0.998, abstain):
            each.write(snapshot)
    put_in_place(results)
    pandas.testing.assert_frame_equal(pandas.read_parquet(path), table.frame())
    assert pyarrow.parquet.read_metadata(path).num_row_groups > 2


def test_a_parquet_file_of_nothing_has_the_types_of_all_others(tmp_path: Path) -> None:
    put_in_place(open_results(tmp_path / "none.parquet", overwrite=False))
    put_in_place(filled(open_results(tmp_path / "some.parquet", overwrite=False)))
    none, some = (pyarrow.parquet.read_schema(tmp_path / f"{n}.parquet") for n in ("none", "some"))
    assert none.equals(some, check_metadata=True)
    pandas.testing.assert_frame_equal(
        pandas.read_parquet(tmp_path / "none.parquet"), Table().frame()
    )


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_memory_does_not_grow_with_the_number_of_results(tmp_path: Path, kind: str) -> None:
    """To keep all of these 60,000 rows would take 29 MB."""
    crowd = snapshots(faces=6)[0]
    results = open_results(tmp_path / f"r{kind}", overwrite=False)
    tracemalloc.start()
    try:
        for _ in range(10_000):
            results.write(crowd)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        results.abort()
    assert kept_bytes < 20_000_000


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_results_that_find_no_room_say_so_and_leave_nothing(tmp_path: Path, kind: str) -> None:
    results = filled(open_results(tmp_path / f"r{kind}", overwrite=False))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(OutputError, match=f"r{kind}: the file would be larger than"):
            results.finish(Origin())
        results.abort()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_nothing_still_has_its_columns() -> None:
    assert list(Table().frame().columns) == list(columns())


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
