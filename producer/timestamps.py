"""Places frames in time: exact nanoseconds from the first frame, whatever the source's stamps do.

Times are exact fractions of a second inside and integers outside; no float is ever made.
"""

from __future__ import annotations

from fractions import Fraction

from mien.contract.frames import SECOND_NS
from producer.restarts import Restart, Restarts

JUMP_S = Fraction(1)
"""A step back of more than this is a new beginning, a smaller one is disorder."""

LONGEST_S = Fraction(3600)
"""No frame is shown for longer: a stamp further ahead is damaged, and a new beginning. Repeated at
a constant rate, the frame before it would fill days."""

LAST_RESORT_S = Fraction(1, 25)
"""How long a frame is shown where nothing at all says it."""


def to_ns(seconds: Fraction) -> int:
    """Whole nanoseconds nearest to a time."""
    return round(seconds * SECOND_NS)


class Timeline:
    """Gives each frame, in display order, its time from the first frame; times strictly increase.

    * A gap is the source's own and is kept, up to an hour.
    * A missing stamp is the time before plus one interval.
    * A stamp that repeats or goes back a little is placed one tick after the time before (one
      nanosecond where a tick is shorter), so that an encoder gets distinct times.
    * A stamp that wraps goes on where it was. One that otherwise goes back by more than a second,
      or ahead by more than an hour, is a new beginning: it follows the time before by one
      interval, and later ones keep their distance to it. `restarts` tells the sound of it.
    """

    def __init__(
        self, time_base: Fraction, interval: Fraction | None, wrap_ticks: int | None = None
    ) -> None:
        """time_base: seconds a tick; interval: seconds between frames, if the source says;
        wrap_ticks: where the container's stamps start over, if it is known to do so."""
        self.restarts = Restarts()
        """The new beginnings so far."""
        self._time_base = time_base
        self._stated = interval if interval and interval > 0 else None
        self._wrap = None if wrap_ticks is None else wrap_ticks * time_base
        self._origin: Fraction | None = None
        self._first_origin: Fraction | None = None
        self._last: Fraction | None = None
        self._duration: Fraction | None = None
        self._step: Fraction | None = None
        self.first_s: Fraction | None = None
        """The source's own stamp of the first frame in seconds; None where it had none."""

    def place(self, pts: int | None, dts: int | None, duration: int | None) -> int:
        """Nanoseconds of the next frame; all arguments are in ticks."""
        ticks = dts if pts is None else pts
        stamp = None if ticks is None else ticks * self._time_base
        time = self._first(stamp) if self._last is None else self._next(stamp, self._last)
        if self._last is not None:
            self._step = time - self._last
        self._last = time
        self._duration = duration * self._time_base if duration and duration > 0 else None
        return to_ns(time)

    @property
    def end_ns(self) -> int:
        """When the last frame stops being shown; 0 before the first."""
        return 0 if self._last is None else to_ns(self._last + self._interval())

    @property
    def interval_ns(self) -> int:
        """How long the last frame is shown, as far as that is known."""
        return to_ns(self._interval())

    def _first(self, stamp: Fraction | None) -> Fraction:
        self._origin = self._first_origin = self.first_s = stamp
        return Fraction(0)

    def _next(self, stamp: Fraction | None, last: Fraction) -> Fraction:
        expected = last + self._interval()
        if stamp is None:
            return expected
        if self._origin is None or self._first_origin is None:
            self._origin = self._first_origin = stamp - expected
        back = last - (stamp - self._origin)
        if self._wrap is not None and abs(back) > self._wrap / 2:
            # Forward, it is FFmpeg that took a new beginning for a wrap.
            self._origin += self._wrap if back < 0 else -self._wrap
            back = last - (stamp - self._origin)
        if back > JUMP_S or -back > LONGEST_S:
            self._origin = stamp - expected
            self.restarts.add(Restart(stamp, self._first_origin - self._origin))
        return max(stamp - self._origin, last + max(self._time_base, Fraction(1, SECOND_NS)))

    def _interval(self) -> Fraction:
        """How long the last frame is shown, from the best word on it."""
        return min(self._duration or self._stated or self._step or LAST_RESORT_S, LONGEST_S)
