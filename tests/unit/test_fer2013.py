"""Reading the original CSV: whole, once, and with a clear word where it is damaged."""

from pathlib import Path

import numpy as np
import pytest

from mien.contract.errors import SourceError
from training import fer2013
from training.fer2013 import load_split, read_csv

_GREY = " ".join(["7"] * 2304)


def _row(label: int, usage: str, pixels: str = _GREY) -> str:
    return f"{label},{pixels},{usage}"


def _write(path: Path, rows: list[str], head: str = "emotion,pixels,Usage") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CSV of three rows, and a world in which that is the official count."""
    monkeypatch.setattr(fer2013, "OFFICIAL_COUNTS", {"Training": 2, "PublicTest": 1})
    ramp = " ".join(str(value % 256) for value in range(2304))
    rows = [_row(3, "Training", ramp), _row(0, "PublicTest"), _row(6, "Training")]
    return _write(tmp_path / "fer2013.csv", rows)


def test_rows_come_in_order_with_their_pixels(small: Path) -> None:
    training = load_split(small, "Training")
    assert training.labels.tolist() == [3, 6]
    assert training.images.shape == (2, 48, 48)
    assert training.images[0].ravel().tolist() == [value % 256 for value in range(2304)]
    assert set(training.images[1].ravel().tolist()) == {7}
    assert load_split(small, "PublicTest").labels.tolist() == [0]


def test_the_folder_of_the_csv_will_do(small: Path) -> None:
    assert len(load_split(small.parent, "Training").labels) == 2


def test_the_cache_gives_the_same_rows(small: Path) -> None:
    first = load_split(small, "Training")
    assert small.with_name("fer2013.csv.cache.npz").is_file()
    second = load_split(small, "Training")
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.labels, second.labels)


def test_a_changed_csv_is_read_again(small: Path) -> None:
    load_split(small, "Training")
    _write(small, [_row(1, "Training"), _row(2, "Training"), _row(0, "PublicTest")])
    assert load_split(small, "Training").labels.tolist() == [1, 2]


def test_a_damaged_cache_is_made_again(small: Path) -> None:
    load_split(small, "Training")
    small.with_name("fer2013.csv.cache.npz").write_bytes(b"PK\x03\x04 nonsense")
    assert load_split(small, "Training").labels.tolist() == [3, 6]


def test_an_absent_split_matters_only_where_it_is_asked_for(small: Path) -> None:
    load_split(small, "Training")
    with pytest.raises(SourceError, match="no PrivateTest rows"):
        load_split(small, "PrivateTest")


def test_the_cache_alone_will_do(small: Path, tmp_path: Path) -> None:
    load_split(small, "Training")
    cache = small.with_name("fer2013.csv.cache.npz").rename(tmp_path / "faces.npz")
    small.unlink()
    assert load_split(cache, "Training").labels.tolist() == [3, 6]
    with pytest.raises(SourceError, match="no PrivateTest rows"):
        load_split(cache, "PrivateTest")


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"Training_labels": np.zeros(2, np.int64)},
        {"Training_labels": np.full(2, 7), "Training_images": np.zeros((2, 48, 48), np.uint8)},
        {"Training_labels": np.zeros(2, int), "Training_images": np.zeros((2, 44, 44), np.uint8)},
        {"Training_labels": np.zeros(2, int), "Training_images": np.zeros((2, 48, 48))},
    ],
)
def test_an_archive_of_something_else_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="damaged, or no cache"):
        load_split(path, "Training")


def test_a_cut_off_archive_is_refused(small: Path) -> None:
    load_split(small, "Training")
    cache = small.with_name("fer2013.csv.cache.npz")
    cut = small.with_name("cut.npz")
    cut.write_bytes(cache.read_bytes()[:5000])
    with pytest.raises(SourceError, match="damaged, or no cache"):
        load_split(cut, "Training")


def test_any_count_will_do_where_it_is_not_to_be_official(tmp_path: Path) -> None:
    path = _write(tmp_path / "short.csv", [_row(0, "Training")])
    assert load_split(path, "Training", official=False).labels.tolist() == [0]


def test_a_wrong_count_is_told(tmp_path: Path) -> None:
    path = _write(tmp_path / "short.csv", [_row(0, "Training")])
    with pytest.raises(SourceError, match="1 Training rows where FER2013 has 28709"):
        load_split(path, "Training")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (_row(7, "Training"), "unknown emotion in data row 1"),
        (_row(0, "Test"), "unknown Usage in data row 1"),
        (_row(0, "Training", _GREY + " 7"), "2305 pixels"),
        (_row(0, "Training", _GREY[:-2]), "2303 pixels"),
        (_row(0, "Training", _GREY[:-1] + "x"), "no numbers in data row 1"),
        (_row(0, "Training", _GREY[:-1] + "256"), "outside 0-255"),
        (_row(0, "Training", ""), "0 pixels|no numbers"),
    ],
)
def test_a_damaged_row_is_named(tmp_path: Path, row: str, words: str) -> None:
    path = _write(tmp_path / "damaged.csv", [_row(0, "Training"), row])
    with pytest.raises(SourceError, match=words):
        read_csv(path)


def test_a_file_that_is_no_such_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a FER2013 CSV"):
        read_csv(_write(tmp_path / "other.csv", ["1,2"], head="a,b"))
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(SourceError, match="not a FER2013 CSV"):
        read_csv(empty)
    with pytest.raises(SourceError, match="cannot read"):
        load_split(tmp_path / "missing.csv", "Training")
