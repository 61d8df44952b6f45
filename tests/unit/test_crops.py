"""Crops: where they lie, how they are resampled, what stands in for pixels outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.contract.pictures import Pixels
from model.crops import GEOMETRY, CropGeometry, face_crops

PLAIN = CropGeometry(side=1.0, right=0.0, down=0.0)


def grey_image(values: NDArray[np.generic]) -> Pixels:
    grey: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def crop_of(image: Pixels, box: tuple[float, ...], geometry: CropGeometry = PLAIN) -> Pixels:
    crop: Pixels = face_crops([image], [np.array([box], np.float32)], geometry)[0]
    return crop


def ramp(height: int, width: int, rise: float = 0.5) -> NDArray[np.float64]:
    rows, columns = np.arange(height)[:, None], np.arange(width)
    return np.asarray(10 + rise * columns + rise / 2 * rows, dtype=np.float64)


def test_a_box_of_48_pixels_comes_out_pixel_for_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100, 120), dtype=np.uint8)
    crop = crop_of(grey_image(pixels), (30, 20, 78, 68))
    np.testing.assert_array_equal(crop, pixels[20:68, 30:78])


@pytest.mark.parametrize("side", [20, 30, 96, 200])
def test_a_ramp_stays_a_ramp_at_any_size(side: int) -> None:
    image = grey_image(ramp(400, 400, 0.4))
    crop = crop_of(image, (100, 100, 100 + side, 100 + side)).astype(float)
    centres = 100 + (np.arange(48) + 0.5) * side / 48 - 0.5
    expected = 10 + 0.4 * centres[None] + 0.2 * centres[:, None]
    np.testing.assert_allclose(crop, expected, atol=1.5)


def test_parts_of_a_pixel_count() -> None:
    image = grey_image(ramp(100, 200, 1.0))
    whole = crop_of(image, (40, 20, 88, 68)).astype(float)
    moved = crop_of(image, (42.5, 20, 90.5, 68)).astype(float)
    np.testing.assert_allclose(moved - whole, 2.5, atol=1.01)


def test_fine_patterns_turn_grey_and_do_not_alias() -> None:
    rows, columns = np.mgrid[:480, :480]
    image = grey_image((rows + columns) % 2 * 255)
    crop = crop_of(image, (10, 10, 400, 400)).astype(float)
    np.testing.assert_allclose(crop, 127.5, atol=2)


def test_outside_the_image_its_edge_is_repeated() -> None:
    pixels = np.full((60, 60), 100)
    pixels[:, 0], pixels[0, :] = 20, 200
    crop = crop_of(grey_image(pixels), (-30, 6, 18, 54))
    assert (crop[:, :28] == 20).all()
    assert (crop[:, 34:] == 100).all()
    crop = crop_of(grey_image(pixels), (6, -40, 54, 8))
    assert (crop[:38] == 200).all()


def test_a_box_wholly_outside_shows_the_nearest_edge() -> None:
    pixels = np.full((60, 60), 100)
    pixels[:, -1] = 20
    assert (crop_of(grey_image(pixels), (200, 5, 248, 53)) == 20).all()


def test_grey_follows_rec_601() -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    image[...] = (200, 100, 50)
    assert (crop_of(image, (5, 5, 53, 53)) == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_a_tall_box_becomes_a_square_about_its_centre() -> None:
    squares = PLAIN.squares(np.array([[10, 20, 50, 120]], np.float32))
    np.testing.assert_allclose(squares, [[-20, 20, 100]])


def test_the_geometry_shifts_and_scales_by_the_longer_side() -> None:
    geometry = CropGeometry(side=1.2, right=0.1, down=-0.05)
    squares = geometry.squares(np.array([[10, 20, 50, 120]], np.float32))
    np.testing.assert_allclose(squares, [[30 + 10 - 60, 70 - 5 - 60, 120]], atol=1e-6)


def test_crops_stand_image_by_image_in_the_order_of_the_boxes() -> None:
    images = [np.full((50, 50, 3), value, np.uint8) for value in (10, 20, 30)]
    images[2][:, 25:] = 60
    boxes = [
        np.array([[0, 0, 40, 40]], np.float32),
        np.zeros((0, 4), np.float32),
        np.array([[26, 0, 50, 24], [0, 0, 24, 24]], np.float32),
    ]
    crops = face_crops(images, boxes, PLAIN)
    assert [int(np.median(crop)) for crop in crops] == [10, 60, 30]


def test_no_faces_give_an_empty_stack() -> None:
    crops = face_crops([np.zeros((9, 9, 3), np.uint8)], [np.zeros((0, 4), np.float32)], PLAIN)
    assert crops.shape == (0, 48, 48)
    assert crops.dtype == np.uint8


@given(
    box=st.tuples(*[st.floats(-50, 250, width=32)] * 2, *[st.floats(0.125, 300, width=32)] * 2),
    value=st.integers(0, 255),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
@settings(deadline=None)
def test_one_grey_stays_one_grey_whatever_the_box(
    box: tuple[float, float, float, float], value: int, size: tuple[int, int]
) -> None:
    left, top, width, height = box
    image = np.full((*size, 3), value, np.uint8)
    for geometry in GEOMETRY.values():
        crop = crop_of(image, (left, top, left + width, top + height), geometry)
        assert crop.shape == (48, 48)
        assert (crop == value).all()
