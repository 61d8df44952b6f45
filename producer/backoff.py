"""How long to wait before a lost source is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_S = 1.0
LONGEST_S = 5.0
"""So that a camera is back within ten seconds of its return, the time for opening included."""

REFUSED_S = 30.0
"""Wait after a refusal that somebody has to mend: cameras lock out who asks more often."""

MOST_ABSENCES = 4
"""So often in a row may a server that has given pictures say that it does not know them, until it
counts as a refusal: one that was started anew knows a camera when the camera has found it."""

GOOD_S = 60.0
"""After pictures for so long, the next loss is a new one."""


class Backoff:
    """Waits that double up to a limit, each with a random share so that a hundred cameras behind
    one switch do not come back in the same moment."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        """draw: gives numbers from 0 to 1."""
        self._draw = draw
        self._next_s = FIRST_S
        self._absences = 0

    def wait_s(self, *, refused: bool = False, absent: bool = False) -> float:
        """Seconds until the next attempt: between half of the limit of now and all of it.

        absent: it was refused because there is no such thing, which may be so for a moment only.
        """
        if absent and self._absences:
            self._absences -= 1
        elif refused:
            return REFUSED_S * (0.75 + 0.25 * self._draw())
        limit_s, self._next_s = self._next_s, min(LONGEST_S, 2 * self._next_s)
        return limit_s * (0.5 + 0.5 * self._draw())

    def lasted(self, good_s: float) -> None:
        """Told how long there were pictures, when they end."""
        self._absences = MOST_ABSENCES
        if good_s >= GOOD_S:
            self._next_s = FIRST_S
