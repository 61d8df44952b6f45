"""Faces whose expression is too improbable are told to be uncertain, where that is asked for."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas
import pytest
from click.testing import CliRunner

from mien.cli import cli
from mien.contract.analyses import FrameAnalysis
from mien.contract.errors import UsageError
from mien.contract.frames import Capture
from mien.contract.geometry import AnalysisGeometry
from mien.contract.outputs import DrawnFace
from mien.contract.pictures import Colour, Picture
from mien.contract.requests import AnalysisRequest
from workers.annotation import Annotator
from workers.faces import FaceHistory, FaceSnapshot, drawn_at
from workers.palette import UNCERTAIN
from workers.results import open_results
from workers.results_table import Table, columns

GEOMETRY = AnalysisGeometry(640, 360, 640, 360, 24.0)
SURE = [0.0, 0.0, 0.0, 0.7, 0.1, 0.1, 0.1]
UNSURE = [0.0, 0.0, 0.0, 0.4, 0.3, 0.2, 0.1]


class Origin:
    def about(self) -> Mapping[str, object]:
        return {}


def snapshot(abstain: float | None, *faces: list[float]) -> FaceSnapshot:
    history = FaceHistory(GEOMETRY, 0.5, abstain)
    boxes = np.array([[10 + 150 * i, 20, 110 + 150 * i, 120] for i in range(len(faces))])
    probabilities = np.array(faces, np.float32)
    return history.add(0, 0, FrameAnalysis(boxes.astype(np.float32), None, probabilities, ""))


def written(path: Path, abstain: float | None) -> Path:
    results = open_results(path, overwrite=False, abstains=abstain is not None)
    results.write(snapshot(abstain, SURE, UNSURE))
    results.lost(1, 40_000_000, "gave up")
    results.finish(Origin())
    results.commit()
    return path


def test_lines_mark_the_uncertain_face_alone(tmp_path: Path) -> None:
    first = json.loads(written(tmp_path / "r.jsonl", 0.5).read_text().splitlines()[0])
    assert "uncertain" not in first["faces"][0]
    assert first["faces"][1]["uncertain"] is True


@pytest.mark.parametrize("kind", [".jsonl", ".csv"])
def test_without_the_option_nothing_is_said_of_it(tmp_path: Path, kind: str) -> None:
    assert "uncertain" not in written(tmp_path / f"r{kind}", None).read_text()


def test_tables_have_a_column_that_is_empty_where_there_is_no_face(tmp_path: Path) -> None:
    with written(tmp_path / "r.csv", 0.5).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["uncertain"] for row in rows] == ["False", "True", ""]
    assert rows[2]["reason"] == "gave up"
    typed = pandas.read_parquet(written(tmp_path / "r.parquet", 0.5))
    assert typed["uncertain"].tolist() == [False, True, pandas.NA]
    assert typed["uncertain"].dtype == "boolean"


def test_the_column_is_there_only_where_it_is_asked_for() -> None:
    assert "uncertain" not in columns()
    assert columns(live=True) == (*columns(), "utc", "epoch", "outage_s")
    assert columns(abstains=True)[-2:] == ("uncertain", "reason")
    assert "uncertain" not in Table().frame()
    assert "uncertain" in Table(abstains=True).frame()


def test_a_face_exactly_at_the_threshold_is_certain() -> None:
    face = snapshot(0.4, UNSURE).found[0]
    assert face.uncertain is False
    assert snapshot(0.4001, UNSURE).found[0].uncertain is True


def test_the_picture_goes_by_the_steady_number_on_the_label() -> None:
    """One doubtful frame among sure ones is uncertain by itself, but the label does not flicker."""
    history = FaceHistory(GEOMETRY, 0.5, 0.5)
    box = np.array([[10, 20, 110, 120]], np.float32)
    for index, chances in enumerate([SURE, SURE, UNSURE]):
        probabilities = np.array([chances], np.float32)
        last = history.add(index, index * 100_000_000, FrameAnalysis(box, None, probabilities, ""))
    assert last.found[0].uncertain is True
    assert [face.uncertain for face in drawn_at(last, None, last.time_ns)] == [False]


def test_an_uncertain_face_is_grey_on_the_picture() -> None:
    def pixels(*, uncertain: bool) -> set[tuple[int, ...]]:
        rgb = Picture(np.zeros((360, 640, 3), np.uint8), 640, 360, Colour())
        Annotator(blur=False).draw(rgb, [DrawnFace(1, (200, 100, 400, 300), 3, 0.4, uncertain)])
        return set(map(tuple, rgb.data.reshape(-1, 3).tolist()))

    sure, unsure = pixels(uncertain=False), pixels(uncertain=True)
    assert any(max(p) - min(p) > 100 for p in sure)
    assert all(max(p) == min(p) for p in unsure)
    assert any(abs(p[0] - UNCERTAIN[0]) < 12 for p in unsure)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match=f"abstain is 0 to 1, not {wrong}"):
        AnalysisRequest(abstain=wrong)


@pytest.mark.parametrize("command", ["run", "submit", "attach"])
def test_every_command_that_makes_results_has_the_option(command: str) -> None:
    assert "--abstain" in CliRunner().invoke(cli, [command, "--help"]).output


def test_a_cameras_table_goes_on_with_the_column_in_it(tmp_path: Path) -> None:
    path, second_ns = tmp_path / "r.csv", 1_000_000_000
    for start_s in (1000, 1010):
        results = open_results(path, overwrite=False, live=True, abstains=True)
        results.write(snapshot(0.5, SURE, UNSURE), Capture(start_s * second_ns, 0, 0))
        results.finish(Origin())
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    faces = [row for row in rows if row["track"]]
    assert [row["uncertain"] for row in faces] == ["False", "True"] * 2
    assert [row["frame"] for row in faces] == ["0", "0", "1", "1"]
    assert [row["epoch"] for row in faces] == ["0", "0", "1", "1"]
    assert [row["outage_s"] for row in rows if row["reason"] == "outage"] == ["10.0"]
