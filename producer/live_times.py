"""Places the pictures of a live source in time: by its own stamps, held to the wall clock."""

from __future__ import annotations

from mien.contract.frames import SECOND_NS

TICK_NS = 11_112
"""A tick of 1/90000 s, rounded up: two pictures are never nearer to each other."""

CAMERA_AHEAD_NS = SECOND_NS
"""How far a camera's stamps may run ahead of the clock; further, and its clock is wrong, or what
comes had been held up on the way."""

SERVER_AHEAD_NS = 120 * SECOND_NS
"""The same for a server that sends segments at once; its pictures wait for their time."""

BEHIND_NS = SECOND_NS
"""How far a camera's stamps may fall behind the clock; further, and its clock is slow."""

LEAP_NS = 5 * SECOND_NS
"""A server's stamps that go further ahead than this while less time passed were begun anew: nobody
waits until the new ones are due."""

TOGETHER_NS = 5_000_000
"""Pictures that come within less than this had been held up on the way, or had been read ahead."""


class Arrivals:
    """Times of pictures that have no stamps: when each came, counted from the first."""

    def __init__(self) -> None:
        self._first_ns: int | None = None
        self._last_ns = 0
        self.interval_ns: int | None = None
        """From one picture to the next; None as long as all came together, as those do that FFmpeg
        reads ahead when it opens a source: they do not tell."""

    def place(self, arrived_ns: int) -> int:
        """The time of a picture that came then."""
        if self._first_ns is None:
            self._first_ns = self._last_ns = arrived_ns
        step_ns = arrived_ns - self._last_ns
        if step_ns >= TOGETHER_NS:
            self.interval_ns = step_ns
        self._last_ns = arrived_ns
        return arrived_ns - self._first_ns


class LiveTimes:
    """Times from the first picture, strictly increasing over all connections.

    The first picture of a connection, and the first after a gap, is placed where the wall clock
    is; those after it keep the distances that the source gives them, as long as they stay near
    it: an outage is measured by the clock. All times are in nanoseconds; those of the wall clock
    count from the arrival of the first picture of all.
    """

    def __init__(self, *, paced: bool) -> None:
        """paced: pictures come in bursts, and are shown at their own rate all the same."""
        self._paced = paced
        self._most_ahead_ns = SERVER_AHEAD_NS if paced else CAMERA_AHEAD_NS
        # what a server sends after its time is shown late, and all that follows it as well
        self._most_behind_ns = 0 if paced else BEHIND_NS
        self._offset_ns: int | None = None
        self._last_ns = -TICK_NS
        self._before: tuple[int, int] | None = None
        self._step_ns = 0

    @property
    def last_ns(self) -> int:
        """The time that was given last."""
        return self._last_ns

    def anchor(self) -> None:
        """The next picture is placed by the wall clock."""
        self._offset_ns = self._before = None

    def place(self, stamp_ns: int, arrived_ns: int, now_ns: int | None = None) -> int:
        """The time of a picture with such a stamp, counted from its connection's beginning.

        now_ns: when it is its turn, if that may be long after its arrival, as in a burst.
        """
        now_ns = arrived_ns if now_ns is None else now_ns
        if self._offset_ns is None:
            self._offset_ns = (now_ns if self._paced else arrived_ns) - stamp_ns
        if self._paced:
            wait_ns = stamp_ns + self._offset_ns - now_ns
            self._offset_ns -= self._leap_ns(stamp_ns, arrived_ns, wait_ns)
        ahead_ns = stamp_ns + self._offset_ns - arrived_ns
        if ahead_ns > self._most_ahead_ns:
            self._offset_ns -= ahead_ns - self._most_ahead_ns
        elif ahead_ns < -self._most_behind_ns:
            self._offset_ns -= ahead_ns + self._most_behind_ns
        return self.mark(stamp_ns + self._offset_ns)

    def _leap_ns(self, stamp_ns: int, arrived_ns: int, wait_ns: int) -> int:
        """By how much a stamp is too far ahead of the one before to be taken for a pause."""
        before, self._before = self._before, (stamp_ns, arrived_ns)
        if before is None:
            return 0
        before_ns, came_ns = before
        usual_ns, self._step_ns = self._step_ns, stamp_ns - before_ns
        if usual_ns <= 0:  # pictures may be so far apart: one step alone does not tell
            return 0
        paused_ns = max(usual_ns, arrived_ns - came_ns) + LEAP_NS
        is_leap = self._step_ns > paused_ns and wait_ns > usual_ns + LEAP_NS
        return self._step_ns - usual_ns if is_leap else 0

    def mark(self, time_ns: int) -> int:
        """A time that is this one, or as soon as possible after the last one."""
        self._last_ns = max(time_ns, self._last_ns + TICK_NS)
        return self._last_ns
