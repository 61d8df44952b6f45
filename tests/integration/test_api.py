"""`mien.analyze`, as a notebook calls it."""

import os
import subprocess
import sys
from fractions import Fraction
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mien
from mien.contract.errors import SourceError, UsageError
from tests.faces import FACE_BOX, face_photo, make_face_clip

START = """
import sys, typing
before = {*sys.modules}
import mien
assert dir(mien).count("analyze") == 1
print(*{*sys.modules} - before)
"""


def test_importing_mien_imports_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    assert done.stdout == "mien\n"


def test_analyze_is_found_by_all_that_asks_a_module() -> None:
    found: dict[str, object] = {}
    exec("from mien import *", found)  # noqa: S102 - functions may not have a star
    assert found["analyze"] is mien.analyze
    assert signature(mien.analyze).parameters["analyze_fps"].default == 10
    assert "with the options of `mien run`" in str(mien.analyze.__doc__)
    with pytest.raises(AttributeError, match="module 'mien' has no attribute 'analyse'"):
        mien.analyse  # noqa: B018


def test_a_clip_gives_a_table_with_a_row_a_face(tmp_path: Path) -> None:
    clip = make_face_clip(tmp_path / "clip.mp4", frames=30)
    table = mien.analyze(clip, analyze_fps=5)
    assert table["frame"].tolist() == [0, 5, 10, 15, 20, 25]
    assert table["time_s"].tolist() == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert set(table["track"]) == {1}
    assert (table["expression"] == "happy").all()
    names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert table[names].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_photo_gives_one_row_and_a_photo_without_faces_one_empty_row(tmp_path: Path) -> None:
    Image.fromarray(face_photo()).save(tmp_path / "face.jpg")
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "wall.png")
    (row,) = mien.analyze(tmp_path / "face.jpg").to_dict("records")
    assert abs(row["x1"] - FACE_BOX[0]) < 15
    (wall,) = (entry for entry in os.scandir(tmp_path) if entry.name == "wall.png")
    (empty,) = mien.analyze(wall).to_dict("records")
    assert empty["frame"] == 0
    assert mien.analyze(tmp_path / "wall.png")["track"].isna().all()


def test_numbers_may_be_those_of_tables_and_fractions(tmp_path: Path) -> None:
    Image.fromarray(face_photo()).save(tmp_path / "face.jpg")
    height = mien.analyze(tmp_path / "face.jpg").eval("y2 - y1").min()
    table = mien.analyze(
        tmp_path / "face.jpg",
        analyze_size=np.int64(640),
        min_face=np.float32(height / 2),
        min_confidence=np.float32(0.9),
        smoothing=np.int64(0),
        abstain=Fraction(1, 2),  # type: ignore[arg-type]
    )
    assert table["uncertain"].tolist() == [False]


@pytest.mark.parametrize("wrong", [0, None, b"clip.mp4", np.zeros((3, 4, 3), np.uint8), ["a.mp4"]])
def test_what_is_neither_path_nor_url_is_told_by_its_kind(wrong: object) -> None:
    kind = type(wrong).__name__
    with pytest.raises(UsageError, match=f"^source is a path or a URL, not a {kind}$"):
        mien.analyze(wrong)  # type: ignore[arg-type]


def test_what_cannot_be_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"clip\.mp4"):
        mien.analyze(tmp_path / "clip.mp4")
    with pytest.raises(UsageError, match="detector is one of mtcnn, haar, not 'yolo'"):
        mien.analyze(tmp_path / "clip.mp4", detector="yolo")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="analyze_size is a number, not '640'"):
        mien.analyze(tmp_path / "clip.mp4", analyze_size="640")  # type: ignore[arg-type]
