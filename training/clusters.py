"""Finds the pictures that are the same photo, so that no copy of a row is learned from and judged.

Copies are re-encoded, relit, watermarked or moved by a pixel, so equal bytes are not enough. The
signature is the picture in blocks of 4 px, its mean taken off, scaled to length one; two rows are
copies where their signatures' product, of one of them mirrored or not, is at least `NEAR`. On
FER2013's Training, of sixty pairs looked at, those above .96 were all the same photo, those below
.94 mostly different people.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import torch

from training.similarity import NEAR, ROWS_AT_ONCE, signatures

_BLOCK_PX = 4


_last: dict[str, npt.NDArray[np.int64]] = {}
"""The clusters of the pictures that were asked about last, by those pictures' digest."""


def cluster_of(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """(n, 48, 48) -> (n,): for each row the first row of its cluster of exact and near copies.

    Copies of copies belong together. About twelve seconds for Training on one core, the first time
    in a process: each of ten teachers asks for the same.
    """
    key = hashlib.sha256(images.tobytes()).hexdigest()
    if key not in _last:
        found = _clusters(images)
        _last.clear()
        _last[key] = found
    return _last[key].copy()


def _clusters(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    parents = np.arange(len(images))
    first_of: dict[bytes, int] = {}
    for row, image in enumerate(images):
        parents[row] = first_of.setdefault(image.tobytes(), row)
    marks, mirrored = (signatures(one, _BLOCK_PX) for one in (images, images[:, :, ::-1]))
    for left, right in _near_pairs(marks, mirrored):
        a, b = _root(parents, left), _root(parents, right)
        parents[max(a, b)] = min(a, b)
    return np.array([_root(parents, row) for row in range(len(images))], dtype=np.int64)


def fold_of(images: npt.NDArray[np.uint8], folds: int) -> npt.NDArray[np.int64]:
    """(n, 48, 48) -> (n,): each row's part, 0 to folds - 1; copies are always in one part.

    A part is drawn from the bytes of the cluster's first picture, so that parts are of about one
    size and nothing but a row's copies has a say in its part.
    """
    clusters = cluster_of(images)
    parts = np.empty(len(images), dtype=np.int64)
    for row in np.unique(clusters):
        digest = hashlib.sha256(images[row].tobytes()).digest()
        parts[row] = int.from_bytes(digest[:8], "little") % folds
    return parts[clusters]


def _near_pairs(marks: torch.Tensor, mirrored: torch.Tensor) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(marks), ROWS_AT_ONCE):
        rows = marks[start : start + ROWS_AT_ONCE]
        for others in (marks, mirrored):
            found = (rows @ others[start:].T >= NEAR).nonzero() + start
            pairs += [(a, b) for a, b in found.tolist() if a < b]
    return pairs


def _root(parents: npt.NDArray[np.int64], row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row
