"""Where one shot ends and another begins."""

import numpy as np

from mien.contract.pictures import Colour, Picture
from workers.cuts import CutFinder


def scene(
    seed: int, shift: int = 0, gain: float = 1.0, size: tuple[int, int] = (320, 180)
) -> Picture:
    """A picture of soft patches, different for each seed; `shift` moves the camera."""
    width, height = size
    random = np.random.default_rng(seed)
    x = np.arange(width)[None, :] + shift
    y = np.arange(height)[:, None]
    luma = np.full((height, width), 110.0)
    for _ in range(6):
        across, down, phase = random.uniform(-0.04, 0.04, 3) * (1, 1, 100)
        luma += 22 * np.sin(across * x + down * y + phase)
    data = np.full((height * 3 // 2, width), 128, np.uint8)
    data[:height] = np.clip(luma * gain, 0, 255)
    return Picture(data, width, height, Colour())


def cuts(pictures: list[Picture]) -> list[int]:
    finder = CutFinder()
    return [number for number, picture in enumerate(pictures) if finder.is_cut(picture)]


def test_a_cut_is_found_at_the_first_picture_of_the_new_shot() -> None:
    assert cuts([scene(1, 2 * i) for i in range(10)] + [scene(2, 2 * i) for i in range(10)]) == [10]


def test_a_cut_between_shots_of_a_moving_camera_is_found_too() -> None:
    shots = [scene(3, 5 * i) for i in range(12)] + [scene(4, 5 * i) for i in range(12)]
    assert cuts(shots) == [12]


def test_pans_and_fades_are_no_cuts() -> None:
    assert cuts([scene(5, i * i // 2) for i in range(40)]) == []
    assert cuts([scene(6, gain=1 - i / 30) for i in range(30)]) == []


def test_a_stream_does_not_begin_with_a_cut() -> None:
    assert cuts([scene(7)]) == []


def test_photos_and_tiny_pictures_are_looked_at_too() -> None:
    rgb = Picture(np.zeros((9, 7, 3), np.uint8), 7, 9, Colour())
    assert cuts([rgb, rgb]) == []
    assert cuts([scene(8, size=(4, 2)), scene(8, size=(4, 2))]) == []
