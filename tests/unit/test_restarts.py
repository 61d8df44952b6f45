"""Which new beginning of the pictures a sound that begins anew belongs to."""

from fractions import Fraction

import pytest

from producer.restarts import Restart, Restarts

WRAP_S = Fraction(1 << 33, 90_000)


@pytest.mark.parametrize("wrap_s", [None, WRAP_S])
def test_sound_waits_for_its_own_beginning_where_the_pictures_had_one_alone(
    wrap_s: Fraction | None,
) -> None:
    restarts = Restarts()
    restarts.add(Restart(stamp_s=Fraction(0), shift_s=Fraction(100)))
    alone = restarts.match(Fraction(3), Fraction(897), wrap_s, 0)
    assert alone is None, "it was 800 s ago"
    own = Restart(stamp_s=Fraction(2), shift_s=Fraction(898))
    restarts.add(own)
    assert restarts.match(Fraction(3), Fraction(897), wrap_s, 0) == (1, own)


@pytest.mark.parametrize("wrap_s", [None, WRAP_S])
@pytest.mark.parametrize("longer_s", [-500, -15, 0, 15])
def test_sound_may_be_shorter_or_longer_than_its_pictures(
    longer_s: int, wrap_s: Fraction | None
) -> None:
    restarts, own = Restarts(), Restart(stamp_s=Fraction(2), shift_s=Fraction(900))
    restarts.add(own)
    assert restarts.match(Fraction(3), Fraction(900 + longer_s), wrap_s, 0) == (0, own)


def test_stamps_that_started_over_in_between_are_compared_all_the_same() -> None:
    restarts, own = Restarts(), Restart(stamp_s=Fraction(2), shift_s=Fraction(900))
    restarts.add(own)
    stamp_s, guess_s = WRAP_S + 3, Fraction(901) - WRAP_S
    assert restarts.match(stamp_s, guess_s, WRAP_S, 0) == (0, own)
