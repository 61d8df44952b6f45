"""Reading the original CSV: whole, once, and with a clear word where it is damaged."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.contract.errors import OutputError, SourceError
from training import fer2013
from training.fer2013 import Split, load_split, read_csv

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


def in_a_new_process() -> None:
    """Forgets what this one has read."""
    fer2013._load_stamped.cache_clear()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are parsed from here on."""
    parsed: list[Path] = []

    def count(path: Path) -> dict[str, Split]:
        parsed.append(path)
        return read_csv(path)

    monkeypatch.setattr(fer2013, "read_csv", count)
    return parsed


def test_a_csv_is_parsed_once_and_again_only_when_it_changes(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = counted(monkeypatch)
    for split in ("Training", "PublicTest", "Training"):
        load_split(small, split)
    in_a_new_process()
    load_split(small, "Training")
    assert len(parsed) == 1
    _write(small, [_row(1, "Training"), _row(2, "Training"), _row(0, "PublicTest")])
    load_split(small, "Training")
    assert len(parsed) == 2


def test_a_folder_that_cannot_be_written_costs_one_parsing_a_process(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OutputError(f"cannot write {path}: the file system is read-only")

    monkeypatch.setattr(fer2013, "write_whole", refuse)
    parsed = counted(monkeypatch)
    for split in ("Training", "PublicTest", "Training"):
        load_split(small, split)
    load_split(small.parent, "Training")
    assert not small.with_name("fer2013.csv.cache.npz").exists()
    assert len(parsed) == 1


def test_the_folder_of_the_csv_will_do(small: Path) -> None:
    assert len(load_split(small.parent, "Training").labels) == 2


def test_the_cache_gives_the_same_rows(small: Path) -> None:
    first = load_split(small, "Training")
    assert small.with_name("fer2013.csv.cache.npz").is_file()
    in_a_new_process()
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
    in_a_new_process()
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
        {"Training_labels": np.int64(2), "Training_images": np.zeros((1, 48, 48), np.uint8)},
        {"Training_labels": np.zeros((1, 1), int), "Training_images": np.zeros((1, 48, 48), "u1")},
    ],
)
def test_an_archive_of_something_else_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="damaged, or no cache"):
        load_split(path, "Training")


def test_a_lone_array_is_no_cache(tmp_path: Path) -> None:
    path = tmp_path / "lone.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros((2, 48, 48), np.uint8))
    with pytest.raises(SourceError, match="damaged, or no cache"):
        load_split(path, "Training")


def _directory_byte(content: bytes, place: int, value: int) -> bytes:
    """The zip file with another value in the directory's last entry."""
    at = content.rindex(b"PK\x01\x02") + place
    return content[:at] + bytes([value]) + content[at + 1 :]


ZIP_DAMAGES: list[Callable[[bytes], bytes]] = [
    lambda content: _directory_byte(content, 6, 255),  # made for a later version
    lambda content: _directory_byte(content, 8, 1),  # encrypted
    lambda content: _directory_byte(content, 10, 77),  # packed in a way that nobody knows
]


@pytest.mark.parametrize(
    "damage",
    [
        *ZIP_DAMAGES,
        lambda content: content.replace(b"(2, 48, 48), }", b"(2, 48, 48),  "),
        lambda content: content.replace(b"'|u1'", b"',u1'"),
    ],
)
def test_a_cache_that_is_damaged_in_its_headers_is_made_again(
    small: Path, damage: Callable[[bytes], bytes]
) -> None:
    load_split(small, "Training")
    cache = small.with_name("fer2013.csv.cache.npz")
    damaged = damage(cache.read_bytes())
    assert damaged != cache.read_bytes()
    cache.write_bytes(damaged)
    with pytest.raises(SourceError, match="damaged, or no cache"):
        load_split(cache, "Training")
    in_a_new_process()
    assert load_split(small, "Training").labels.tolist() == [3, 6]
    assert load_split(cache, "Training").labels.tolist() == [3, 6]


def packed(kind: str) -> bytes:
    """A text file of one row in a container that pandas knows, for one without any."""
    text, buffer = f"emotion,pixels,Usage\n{_row(0, 'Training')}\n".encode(), io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("fer2013.csv", text)
    elif kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as archive_of_tape:
            entry = tarfile.TarInfo("fer2013.csv")
            entry.size = len(text)
            archive_of_tape.addfile(entry, io.BytesIO(text))
    else:
        module = __import__({"gz": "gzip", "bz2": "bz2", "xz": "lzma"}[kind])
        return bytes(module.compress(text))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["zip", "gz", "bz2", "xz", "tar"])
def test_a_packed_csv_is_read_and_a_broken_one_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"fer2013.csv.{kind}"
    whole = packed(kind)
    path.write_bytes(whole)
    assert load_split(path, "Training", official=False).labels.tolist() == [0]
    middle = len(whole) // 2
    damages: list[Callable[[bytes], bytes]] = [
        lambda content: content[:40],
        lambda content: b"",
        lambda content: b"not packed",
        lambda content: content[:middle] + bytes(8) + content[middle + 8 :],
        lambda content: content[: len(content.rstrip(b"\0")) - 12],  # a tape's end is padding
    ]
    if kind == "zip":
        damages += ZIP_DAMAGES
    for damage in damages:
        path.write_bytes(damage(whole))
        with pytest.raises(SourceError):
            read_csv(path)


def test_a_file_that_only_looks_packed_is_refused(tmp_path: Path) -> None:
    for kind in ("zip", "gz", "bz2", "xz", "zst", "tar", "tar.gz"):
        path = tmp_path / f"broken.csv.{kind}"
        path.write_bytes(b"not packed at all")
        with pytest.raises(SourceError, match="not a FER2013 CSV"):
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
