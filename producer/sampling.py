"""Which frames are shown and which are analysed, by source time alone."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from mien.contract.frames import SECOND_NS
from mien.contract.waiting import Showing


class OutputSampler(Protocol):
    """Decides where in the output a frame is shown."""

    immediate: bool
    """Whether a frame may be handed on before the next one's time is known."""

    def showings(self, pts_ns: int, next_ns: int, *, last: bool = False) -> tuple[Showing, ...]:
        """Appearances of the frame that the source shows from `pts_ns` until `next_ns`.

        To be asked once for every frame, in order; `last` marks the source's last one.
        """


class EveryFrame:
    """Every source frame once, at its own time."""

    immediate = True

    def showings(self, pts_ns: int, next_ns: int, *, last: bool = False) -> tuple[Showing, ...]:
        return (Showing(pts_ns, next_ns - pts_ns),)


class NoFrame:
    """Shows nothing: only numbers are wanted."""

    immediate = True

    def showings(self, pts_ns: int, next_ns: int, *, last: bool = False) -> tuple[Showing, ...]:
        return ()


class ConstantRate:
    """A constant rate that keeps the source's duration by repeating or leaving out frames.

    Slot k of the output starts at k / rate. A frame fills the slots from the one nearest to its
    own start up to the one nearest to the next frame's, so no error adds up, however long the
    source is, and the output ends within half a slot of it.
    """

    immediate = False

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate
        self._filled = False

    def showings(self, pts_ns: int, next_ns: int, *, last: bool = False) -> tuple[Showing, ...]:
        begin, end = self._nearest(pts_ns), self._nearest(next_ns)
        if last and not self._filled:
            end = max(end, begin + 1)  # even the shortest source shows one picture
        self._filled = self._filled or end > begin
        return tuple(
            Showing(self._start_ns(slot), self._start_ns(slot + 1) - self._start_ns(slot))
            for slot in range(begin, end)
        )

    def _nearest(self, time_ns: int) -> int:
        # half a nanosecond more, since times were rounded to whole ones
        second = SECOND_NS * self._rate.denominator
        return ((2 * time_ns + 1) * self._rate.numerator + second) // (2 * second)

    def _start_ns(self, slot: int) -> int:
        return round(slot * SECOND_NS / self._rate)


class AnalysisSampler:
    """The first frame at or after each k / rate seconds, and always the first."""

    def __init__(self, rate: Fraction | None) -> None:
        self._rate = rate
        self._next = 0

    def wants(self, pts_ns: int) -> bool:
        """Whether this frame is analysed; to be asked once for every frame, in order."""
        if self._rate is None:
            return True
        # half a nanosecond more, since times were rounded to whole ones
        second = 2 * SECOND_NS * self._rate.denominator
        passed = (2 * pts_ns + 1) * self._rate.numerator // second
        if passed < self._next:
            return False
        self._next = passed + 1
        return True
