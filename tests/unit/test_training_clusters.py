"""Copies of one photo stand together, other pictures apart."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.drawings import drawn_split
from training import clusters as looked_for
from training.clusters import cluster_of, fold_of


def _with_copies() -> npt.NDArray[np.uint8]:
    """40 drawings, then the first once exactly, relit, re-encoded, with a mark on it, mirrored."""
    images = drawn_split(40, 3).images
    first = images[0]
    relit = np.clip(first * 0.6 + 40, 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", first, [cv2.IMWRITE_JPEG_QUALITY, 40])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    marked = first.copy()
    marked[30:32, 10:30] //= 2
    mirrored = relit[:, ::-1]
    return np.concatenate([images, [first, relit, decoded, marked, mirrored]])


def test_copies_are_found_however_they_were_changed() -> None:
    clusters = cluster_of(_with_copies())
    assert clusters[40:].tolist() == [0, 0, 0, 0, 0]
    assert clusters[:40].tolist() == list(range(40))


def test_black_pictures_are_copies_of_each_other_and_of_nothing_else() -> None:
    images = drawn_split(6, 3).images
    images[[1, 4]] = 0
    assert cluster_of(images).tolist() == [0, 1, 2, 3, 1, 5]


def test_copies_of_copies_belong_together() -> None:
    images = drawn_split(3, 3).images
    steps = [images[0]]
    for _ in range(12):
        steps.append(cv2.GaussianBlur(steps[-1], (0, 0), 1.0))
    chain = np.stack(steps)
    assert set(cluster_of(chain).tolist()) == {0}
    # from end to end they are no longer alike
    assert cluster_of(chain[[0, -1]]).tolist() == [0, 1]


def test_folds_keep_copies_together_and_are_of_about_one_size() -> None:
    images = _with_copies()
    parts = fold_of(images, 2)
    assert set(parts[40:].tolist()) == {int(parts[0])}
    sizes = np.bincount(fold_of(drawn_split(400, 4).images, 4))
    assert sizes.sum() == 400
    assert sizes.min() > 60


def test_a_rows_fold_does_not_depend_on_the_other_rows() -> None:
    images = drawn_split(60, 5).images
    assert np.array_equal(fold_of(images, 5)[:30], fold_of(images[:30], 5))


def test_ten_teachers_look_for_copies_once(monkeypatch: pytest.MonkeyPatch) -> None:
    images, looked = drawn_split(30, 6).images, []

    def count(of: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        looked.append(len(of))
        return np.arange(len(of))

    monkeypatch.setattr(looked_for, "_clusters", count)
    parts = [fold_of(images.copy(), 5) for _ in range(10)]
    assert looked == [30]
    assert all(np.array_equal(parts[0], other) for other in parts)
    fold_of(images[:20], 5)
    assert looked == [30, 20]
