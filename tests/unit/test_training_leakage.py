"""Copies of Training rows are found, however they were cut or pressed; other pictures are not."""

import cv2
import numpy as np
import numpy.typing as npt

from training.fer2013 import Split
from training.leakage import find_copies

Images = npt.NDArray[np.uint8]


def drawings(seed: int, count: int) -> Images:
    """Pictures as different as faces of different people: smooth, each its own."""
    random = np.random.default_rng(seed)
    small = random.integers(20, 236, (count, 6, 6)).astype(np.uint8)
    return np.stack([cv2.resize(one, (48, 48), interpolation=cv2.INTER_CUBIC) for one in small])


def split(images: Images) -> Split:
    return Split(np.ascontiguousarray(images), np.zeros(len(images), np.int64))


def test_an_exact_copy_is_exact_and_not_near() -> None:
    training = drawings(0, 50)
    found = find_copies(split(training[[7, 3]]), split(training))
    assert found.exact.tolist() == [True, True]
    assert not found.near.any()


def test_the_same_photo_in_other_pixels_is_near() -> None:
    training = drawings(0, 50)
    brighter = (training[3] * 0.7 + 40).astype(np.uint8)
    noise = np.random.default_rng(0).integers(-6, 7, (48, 48))
    noisy = np.clip(training[4] + noise, 0, 255).astype(np.uint8)
    cut = cv2.resize(training[5][1:, :47], (48, 48))
    mirrored = training[6][:, ::-1]
    found = find_copies(split(np.stack([brighter, noisy, cut, mirrored])), split(training))
    assert found.near.tolist() == [True] * 4
    assert found.any.tolist() == [True] * 4


def test_other_pictures_are_no_copies() -> None:
    found = find_copies(split(drawings(1, 600)), split(drawings(0, 50)))
    assert not found.any.any()


def test_plain_pictures_are_near_to_nothing() -> None:
    black, grey = np.zeros((1, 48, 48), np.uint8), np.full((1, 48, 48), 128, np.uint8)
    found = find_copies(split(np.concatenate([black, grey])), split(black))
    assert found.exact.tolist() == [True, False]
    assert not found.near.any()
