"""`--abstain` through a whole run: in the numbers, in the picture and in Python."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mien as product
from tests.e2e.conftest import Mien
from tests.faces import face_photo
from workers.palette import UNCERTAIN


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo with one face in it."""
    Image.fromarray(face_photo()).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def _drawn(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """The pixels (n, 3) that are not the photo's."""
    after = np.asarray(Image.open(path).convert("RGB"))
    return after[np.abs(after.astype(int) - face_photo().astype(int)).max(axis=2) > 40]


def test_a_face_below_the_threshold_is_marked_in_the_numbers_and_in_the_picture(
    mien: Mien, tmp_path: Path, photo: Path
) -> None:
    mien("run", photo, "-o", "sure.png", "--results", "sure.jsonl")
    mien("run", photo, "-o", "not.png", "--results", "not.jsonl", "--abstain", 1)
    (sure,), (unsure,) = (
        json.loads((tmp_path / name).read_text())["faces"] for name in ("sure.jsonl", "not.jsonl")
    )
    assert max(unsure["probabilities"].values()) < 1
    assert unsure.pop("uncertain") is True
    assert unsure == sure

    grey, coloured = _drawn(tmp_path / "not.png"), _drawn(tmp_path / "sure.png")
    assert _share_near(grey, UNCERTAIN) > 0.3 > 0.05 > _share_near(coloured, UNCERTAIN)


def _share_near(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", colour: object) -> float:
    return float((np.abs(pixels.astype(int) - np.array(colour)).max(axis=1) < 12).mean())


@pytest.mark.parametrize(("abstain", "uncertain"), [(1.0, [True]), (0.0, [False])])
def test_the_table_in_python_has_the_column(
    photo: Path, abstain: float, uncertain: list[bool]
) -> None:
    table = product.analyze(photo, abstain=abstain)
    assert table["uncertain"].tolist() == uncertain
    assert "uncertain" not in product.analyze(photo)
