"""Frame rates as people write them."""

from fractions import Fraction

import pytest

from mien.rates import parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("24", Fraction(24)),
        ("29.97", Fraction(30000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("23.976023976023978", Fraction(24000, 1001)),
        ("12.5", Fraction(25, 2)),
        (" 0.1 ", Fraction(1, 10)),
    ],
)
def test_what_people_write_is_understood(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "nan", "inf", "0", "-25", "1e9", "1e-10", "1/0"])
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rate|between"):
        parse_rate(text)
