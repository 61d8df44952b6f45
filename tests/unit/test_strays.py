"""Stamps that are damaged are found by what follows them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.strays import Strays

SECOND = Fraction(1)


def steady(stamps: list[int | None], most: int = 1, tick: Fraction = SECOND) -> list[int | None]:
    strays: Strays[int] = Strays(tick, most)
    given = [pair for number, stamp in enumerate(stamps) for pair in strays.push(number, stamp)]
    given += strays.flush()
    assert [number for number, _ in given] == list(range(len(stamps)))
    return [stamp for _, stamp in given]


@pytest.mark.parametrize("astray", [64, 7200, -5])
def test_one_stamp_that_leaps_alone_is_put_where_it_was_missing(astray: int) -> None:
    assert steady([0, 1, 2, 3, astray, 5, 6]) == [0, 1, 2, 3, 4, 5, 6]


def test_as_many_as_may_be_astray_are_put_at_even_distances() -> None:
    ms = Fraction(1, 1000)
    assert steady([0, 24, 9048, 9072, 96], 2, ms) == [0, 24, 48, 72, 96]
    assert steady([0, 24, 9048, 9072, 96], 1, ms) == [0, 24, 9048, 9072, 96]


@pytest.mark.parametrize(
    "stamps",
    [
        [0, 1, 64, 65, 66],
        [500, 501, 3, 4, 5],
        [500, 501, 3],
        [0, 10, 12, 40, 41],
        [0, 1, 64, None, 5, 6],
        [None, 5, None, 6],
        [],
    ],
)
def test_a_pause_a_new_beginning_and_an_uneven_rate_are_none(stamps: list[int | None]) -> None:
    assert steady(stamps) == stamps
    assert steady(stamps, 3) == stamps


@given(st.lists(st.none() | st.integers(0, 10**6), max_size=40), st.integers(1, 5))
def test_everything_comes_out_once_and_rising_stamps_as_they_are(
    stamps: list[int | None], most: int
) -> None:
    assert len(steady(stamps, most)) == len(stamps)
    rising = sorted({stamp for stamp in stamps if stamp is not None})
    assert steady(list(rising), most) == rising
