"""Frame rates as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

LOWEST_FPS, HIGHEST_FPS = Fraction(1, 3600), Fraction(1000)
"""Outside of these a frame rate is a slip of the finger."""

WRITTEN = re.compile(r"[+-]?[0-9./]{1,40}(?:[eE][+-]?[0-9]{1,2})?")

NTSC_DENOMINATOR = 1001
FINEST_DENOMINATOR = 100_000
NEAR = Fraction(1, 1_000_000)

NTSC = {
    Fraction("23.976"): Fraction(24000, 1001),
    Fraction("23.98"): Fraction(24000, 1001),
    Fraction("29.97"): Fraction(30000, 1001),
    Fraction("59.94"): Fraction(60000, 1001),
    Fraction("119.88"): Fraction(120000, 1001),
}
"""What people mean by the short forms of broadcast rates."""


def parse_rate(text: str) -> Fraction:
    """24, 29.97 or 30000/1001 as an exact rate; a calculator's 23.976023976 is 24000/1001.

    Raises:
        ValueError: it is no rate; the text says why, in a sentence.
    """
    try:
        # Fraction would work for hours on a long exponent.
        rate = Fraction(text.strip() if WRITTEN.fullmatch(text.strip()) else "")
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is not a rate such as 24, 29.97 or 30000/1001") from None
    if not LOWEST_FPS <= rate <= HIGHEST_FPS:
        raise ValueError(f"{text} is not between 1/3600 and 1000 frames a second")
    simple = rate.limit_denominator(NTSC_DENOMINATOR)
    if abs(simple - rate) > NEAR:
        simple = rate.limit_denominator(FINEST_DENOMINATOR)
    return NTSC.get(rate, simple)
