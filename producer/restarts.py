"""Where a source's stamps begin anew: found in the pictures, followed by the sound.

Sound and picture of one file are read apart. Would each go on where it itself had ended, they
would be apart by the difference of their lengths; so the pictures lead and the sound follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

NEAR_S = Fraction(10)
"""Sound and picture that begin anew within this belong to the same new beginning."""

OUTLASTS_S = Fraction(60)
"""No sound outlasts its pictures by more. A new beginning that lies further before where the sound
has got to was one of the pictures alone."""


@dataclass(frozen=True, slots=True)
class Restart:
    """One new beginning of the pictures' stamps."""

    stamp_s: Fraction
    """The source's own stamp of the first picture, in seconds."""
    shift_s: Fraction
    """What is to be added to the source's stamps from there on, in seconds, so that they go on
    with those of the first beginning."""


class Restarts:
    """The new beginnings of one source, in their order.

    One thread adds and others may read at the same time. It only ever grows.
    """

    def __init__(self) -> None:
        self._found: list[Restart] = []

    def add(self, restart: Restart) -> None:
        """Tell of one more; by the reader of the pictures alone."""
        self._found.append(restart)

    def match(
        self, stamp_s: Fraction, guess_s: Fraction, wrap_s: Fraction | None, after: int
    ) -> tuple[int, Restart] | None:
        """The one not used yet that sound with this stamp belongs to, and its number.

        Of several that begin with like stamps it is the one whose shift is nearest to the guess.
        guess_s: the shift that puts it right behind the sound before; wrap_s: where stamps start
        over by themselves, if they do; after: how many were used.
        None: there is none, or the pictures have not got there.
        """
        near = [
            (number, restart)
            for number, restart in enumerate(self._found[after:], after)
            if _apart(stamp_s, restart.stamp_s, wrap_s) <= NEAR_S
            and _ahead(guess_s, restart.shift_s, wrap_s) <= OUTLASTS_S
        ]
        return min(near, key=lambda item: _apart(guess_s, item[1].shift_s, wrap_s), default=None)


def _apart(one_s: Fraction, other_s: Fraction, wrap_s: Fraction | None) -> Fraction:
    """Seconds between two stamps, of which either may have started over."""
    return abs(_ahead(one_s, other_s, wrap_s))


def _ahead(one_s: Fraction, other_s: Fraction, wrap_s: Fraction | None) -> Fraction:
    """By how many seconds the first of two such stamps is later; negative where it is sooner."""
    difference_s = one_s - other_s
    if wrap_s is not None:
        difference_s -= wrap_s * round(difference_s / wrap_s)
    return difference_s
