"""The image that is analysed: smaller, and otherwise the same."""

import cv2
import numpy as np
import pytest

from mien.contract.geometry import AnalysisGeometry, plan_analysis
from mien.contract.pictures import Colour, Picture, even
from producer.analysis_image import shrink


def picture_of(width: int, height: int) -> Picture:
    """Smooth noise with values over the whole range."""
    rows, columns = even(height) * 3 // 2, even(width)
    noise = np.random.default_rng(0).integers(0, 256, (rows, columns), np.uint8)
    data = cv2.normalize(cv2.GaussianBlur(noise, (7, 7), 2), None, 0, 255, cv2.NORM_MINMAX)
    return Picture(np.ascontiguousarray(data, np.uint8), width, height, Colour())


def geometry_of(picture: Picture, longest_px: int) -> AnalysisGeometry:
    return plan_analysis(picture.width, picture.height, analyze_size_px=longest_px, min_face_px=200)


@pytest.mark.parametrize("size", [(1920, 1080), (1918, 1078), (1280, 534), (719, 1279), (640, 270)])
def test_every_sample_is_the_mean_of_those_that_it_covers(size: tuple[int, int]) -> None:
    picture = picture_of(*size)
    shrunk = shrink(picture, geometry_of(picture, 400))
    assert max(shrunk.width, shrunk.height) == 400
    for source, target in zip(picture.planes(), shrunk.planes(), strict=True):
        expected = cv2.resize(source, target.shape[::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(target.astype(int) - expected).max() <= 1


def test_the_matrix_that_players_assume_of_the_large_picture_is_written_down() -> None:
    picture = picture_of(1280, 720)
    assert shrink(picture, geometry_of(picture, 400)).colour.matrix == 1


def test_a_picture_of_the_right_size_is_itself() -> None:
    picture = picture_of(320, 240)
    assert shrink(picture, geometry_of(picture, 400)) is picture
