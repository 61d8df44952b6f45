"""The picture of an outage."""

import numpy as np
import pytest

from mien.contract.pictures import Colour, Picture
from workers.stale import StalePicture, spell


@pytest.mark.parametrize("full_range", [True, False])
def test_it_is_dark_marked_and_a_copy(full_range: bool) -> None:
    data = np.full((360, 320), 128, np.uint8)
    data[:240] = 200
    picture = Picture(data, 320, 240, Colour(full_range=full_range))
    stale = StalePicture().of(picture, 7)
    luma, u, v = stale.planes()
    assert int(luma[0, 0]) < 100
    assert luma[100:140].max() > 140, "the mark"
    assert (int(u[0, 0]), int(v[0, 0])) == (128, 128)
    assert (data[:240] == 200).all()


def test_black_stays_black() -> None:
    picture = Picture(np.full((360, 320), 16, np.uint8), 320, 240, Colour())
    assert int(StalePicture().of(picture, 7).planes()[0][0, 0]) == 16


def test_one_picture_a_second_is_made() -> None:
    picture = Picture(np.zeros((360, 320), np.uint8), 320, 240, Colour())
    stale = StalePicture()
    first = stale.of(picture, 7)
    assert stale.of(picture, 7) is first
    assert stale.of(picture, 8) is not first


def test_time_is_told_as_people_do() -> None:
    assert [spell(s) for s in (0, 119, 120, 7199, 7200)] == [
        "0 s", "119 s", "2 min", "119 min", "2 h",
    ]  # fmt: skip
