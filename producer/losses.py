"""Measures what a damaged container lost unseen, of which there is no packet that could fail."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from pathlib import Path

from av.packet import Packet
from av.video.stream import VideoStream

from producer.chains import ends_whole, is_unbroken
from producer.timestamps import LONGEST_S

REACH = 16
"""Packets before a hole in which its damage may lie: where pictures are reordered, the times that
FFmpeg makes up show a hole some packets after it."""

HOLE = Fraction(3, 2)
"""Of the usual distance between packets; a longer one is a hole."""


class Losses:
    """The holes in a stream's times that come of damage.

    A hole alone says nothing, since a recording may pause and a rate may vary. It counts where
    FFmpeg marks a packet by it as corrupt, or where the bytes around it do not hang together.
    """

    def __init__(self, form: str, time_base: Fraction, path: Path | None) -> None:
        """form: FFmpeg's name of the container; time_base: seconds a tick; path: of the file whose
        bytes may be looked at."""
        self._form, self._time_base, self._path = form, time_base, path
        self._longest = LONGEST_S / time_base
        self._steps: deque[int] = deque(maxlen=REACH)
        self._places: deque[int] = deque([-1], maxlen=REACH)
        self._whole_to = -1  # so that no byte is looked at twice
        self._hurt = 0
        self._last: int | None = None
        self._hole = self._missing = 0

    @property
    def missing_s(self) -> Fraction:
        """Seconds so far that are missing, about."""
        return self._missing * self._time_base

    def see(self, packet: Packet[VideoStream]) -> None:
        """Take notice of the next packet in the order of the file."""
        self._hurt = REACH if packet.is_corrupt else max(0, self._hurt - 1)
        self._places.append(-1 if packet.pos is None else packet.pos)
        if packet.dts is None:
            return
        step = 0 if self._last is None else packet.dts - self._last
        self._last = packet.dts
        if step < 0:
            self._take_back(-step)
        elif step > 0:
            usual = sorted(self._steps)[len(self._steps) // 2] if self._steps else step
            self._steps.append(step)
            if HOLE * usual < step <= self._longest and self._is_damaged():
                self._hole = step - usual
                self._missing += self._hole

    def ends_early(self) -> bool:
        """Whether the file is cut or damaged behind the last packet."""
        return self._path is not None and not ends_whole(self._path, self._form, self._places[-1])

    def _take_back(self, step: int) -> None:
        """A stamp that was itself damaged had led too far ahead."""
        excess = min(step, self._hole)
        self._hole -= excess
        self._missing -= excess

    def _is_damaged(self) -> bool:
        if self._hurt:
            return True
        if self._path is None:
            return False
        start, end = max(self._places[0], self._whole_to), self._places[-1]
        if not is_unbroken(self._path, self._form, start, end):
            return True
        self._whole_to = end
        return False
