"""Results of a camera: they grow in place, and a death costs at most the line in hand."""

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.contract.analyses import FrameAnalysis
from mien.contract.errors import UsageError
from mien.contract.frames import Capture, Gap
from mien.contract.geometry import AnalysisGeometry
from workers.faces import FaceHistory, FaceSnapshot
from workers.found_lines import CHUNK_BYTES
from workers.results import check_results, open_results
from workers.results_port import Results
from workers.results_table import columns

UTC_NS = 1_764_000_000_123_456_789
CAPTURE = Capture(UTC_NS, 5, 2)
GAP = Gap(9_500_000_000, 5_500_000_000, UTC_NS, 2, over=True)


class Origin:
    def about(self) -> Mapping[str, object]:
        return {}


def snapshot(faces: int = 1) -> FaceSnapshot:
    history = FaceHistory(AnalysisGeometry(640, 360, 640, 360, 24.0), 0.5)
    probabilities = np.full((faces, 7), 1 / 7, np.float32)
    boxes = np.array([[10, 20, 110, 120]] * faces, np.float32)
    return history.add(3, 120_000_000, FrameAnalysis(boxes, None, probabilities, ""))


def fill(results: Results) -> None:
    results.write(snapshot(), CAPTURE)
    results.lost(6, 240_000_000, "late", CAPTURE)
    results.outage(GAP, 4_000_000_000)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_say_when_in_the_world_and_are_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    results = open_results(path, overwrite=False, live=True)
    fill(results)
    face, lost, outage = lines(path)  # nothing was finished
    assert (face["utc"], face["epoch"], face["time_s"]) == ("2025-11-24T16:00:00.123Z", 2, 0.12)
    assert (lost["faces"], lost["reason"], lost["epoch"]) == (None, "late", 2)
    assert outage == {
        "v": 1, "event": "outage", "time_s": 5.5, "length_s": 4.0,
        "utc": "2025-11-24T16:00:00.123Z", "epoch": 2,
    }  # fmt: skip
    results.abort()
    assert len(lines(path)) == 3, "what was seen stays, however the run ends"


def test_rows_have_the_same_and_an_outage_is_a_row_without_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    results = open_results(path, overwrite=False, live=True)
    fill(results)
    results.finish(Origin())
    with path.open(newline="") as file:
        face, lost, outage = csv.DictReader(file)
    assert list(face) == list(columns(live=True))
    assert (face["track"], face["utc"], face["epoch"]) == ("1", "2025-11-24T16:00:00.123Z", "2")
    assert (lost["frame"], lost["reason"], lost["outage_s"]) == ("6", "late", "")
    assert (outage["frame"], outage["time_s"]) == ("", "5.5")
    assert (outage["reason"], outage["outage_s"]) == ("outage", "4.0")


@pytest.mark.parametrize("kind", [".jsonl", ".csv"])
def test_a_second_run_goes_on_where_the_first_one_died(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"r{kind}"
    fill(open_results(path, overwrite=False, live=True))
    whole = path.read_text()
    with path.open("a") as file:
        file.write("half a li")
    fill(open_results(path, overwrite=False, live=True))
    again = path.read_text()
    assert again.startswith(whole)
    assert "half" not in again
    # and one more line: the outage between the two
    assert len(again.splitlines()) == 2 * len(whole.splitlines()) + (kind == ".jsonl")
    fill(open_results(path, overwrite=True, live=True))
    assert path.read_text() == whole


@pytest.mark.parametrize("kind", [".jsonl", ".csv"])
def test_time_goes_on_from_run_to_run_as_the_clock_on_the_wall_does(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"r{kind}"
    for later_s in (0, 100, 300):
        capture = replace(CAPTURE, utc_ns=UTC_NS + later_s * 1_000_000_000, epoch=0)
        results = open_results(path, overwrite=False, live=True)
        results.write(snapshot(), capture)
        results.lost(6, 240_000_000, "late", capture)
        results.abort()
    told = records(path)
    assert [(one["frame"], one["epoch"]) for one in told] == [
        ("3", "0"), ("6", "0"), ("None", "0"), ("10", "1"), ("13", "1"), ("None", "1"),
        ("17", "2"), ("20", "2"),
    ]  # fmt: skip
    times = [float(one["time_s"]) for one in told]
    wanted = [0.12, 0.24, 0.24, 100.24, 100.36, 100.36, 300.36, 300.48]
    assert times == pytest.approx(wanted, abs=0.001), "the file tells milliseconds"


FOREIGN = {
    "a note": ("r.jsonl", '{"precious": 1}'),
    "a note of a line": ("r.jsonl", '{"precious": 1}\n'),
    "a file's results": ("r.jsonl", '{"v":1,"frame":7,"time_s":1.0,"faces":[]}\n'),
    "a file's results without an end": ("r.jsonl", '{"v":1,"frame":7,"time_s":1.0,"faces":[]}'),
    "another version": ("r.jsonl", '{"v":2,"frame":7,"time_s":1.0,"utc":"2026-01-01","epoch":0}\n'),
    "lines of no object": ("r.jsonl", "[1, 2]\n3\n"),
    "one endless line": ("r.jsonl", "x" * 5_000_000 + "\n"),
    "another table": ("r.csv", "name,price\na,1\nb,2"),
    "another table's only line": ("r.csv", "frame"),
    "a file's table": ("r.csv", ",".join(columns()) + "\n3,0.1,,,\n4,0.2"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_camera_s_is_refused_and_left_as_it_is(tmp_path: Path, kind: str) -> None:
    name, text = FOREIGN[kind]
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError, match="give --overwrite"):
        check_results(path, overwrite=False, live=True)
    with pytest.raises(UsageError, match="give --overwrite"):
        open_results(path, overwrite=False, live=True)
    assert path.read_text() == text
    check_results(path, overwrite=True, live=True)


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv"])
def test_what_a_camera_left_half_written_is_no_other_s(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    fill(open_results(path, overwrite=False, live=True))
    whole = path.read_text()
    first = whole.index("\n")
    for cut in (first - 30, first - 1, first + 1, first + 30, len(whole) - 1):
        path.write_text(whole[:cut])
        check_results(path, overwrite=False, live=True)
        results = open_results(path, overwrite=False, live=True)
        kept = whole[: whole.rfind("\n", 0, cut) + 1]
        header = whole[: first + 1] if name == "r.csv" and not kept else ""
        assert path.read_text() == kept + header
        results.abort()


def test_an_empty_file_of_another_s_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.touch()
    open_results(path, overwrite=False, live=True).abort()
    assert path.exists()


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv"])
def test_a_crowd_and_many_outages_do_not_hide_where_the_last_run_ended(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    results = open_results(path, overwrite=False, live=True)
    results.write(snapshot(faces=400), CAPTURE)
    for _ in range(2000):
        results.outage(GAP, 1_000_000_000)
    results.abort()
    assert path.stat().st_size > 2 * CHUNK_BYTES
    results = open_results(path, overwrite=False, live=True)
    results.lost(1, 0, "late", replace(CAPTURE, epoch=0))
    results.abort()
    assert (records(path)[-1]["frame"], records(path)[-1]["epoch"]) == ("5", "3")


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv"])
def test_a_file_of_outages_alone_goes_on(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    results = open_results(path, overwrite=False, live=True)
    results.outage(GAP, 1_000_000_000)
    results.abort()
    results = open_results(path, overwrite=False, live=True)
    results.lost(1, 0, "late", replace(CAPTURE, epoch=0))
    results.abort()
    assert (records(path)[-1]["frame"], records(path)[-1]["epoch"]) == ("1", "3")


def records(path: Path) -> list[dict[str, str]]:
    """Frame, time and epoch of every line as text, from either kind of file."""
    if path.suffix == ".csv":
        with path.open() as file:
            return [{**row, "frame": row["frame"] or "None"} for row in csv.DictReader(file)]
    return [
        {name: str(line.get(name)) for name in ("frame", "time_s", "epoch")} for line in lines(path)
    ]


def test_a_run_without_a_line_leaves_no_file(tmp_path: Path) -> None:
    open_results(tmp_path / "r.jsonl", overwrite=False, live=True).abort()
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_for_what_ends(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Parquet"):
        check_results(tmp_path / "r.parquet", overwrite=False, live=True)
    check_results(tmp_path / "r.parquet", overwrite=False, live=None)


def test_what_is_there_is_refused_for_files_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    fill(open_results(path, overwrite=False, live=True))
    with pytest.raises(UsageError, match="--overwrite"):
        check_results(path, overwrite=False)
    check_results(path, overwrite=False, live=True)
    check_results(path, overwrite=False, live=None)
