"""Finds stamps that are damaged, by what follows them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from fractions import Fraction
from typing import Generic, TypeVar

import av

from producer.timestamps import JUMP_S

Item = TypeVar("Item")


class Strays(Generic[Item]):
    """Hands on items with their stamps; damaged ones are placed between their neighbours.

    A leap alone says nothing: a recording may pause, or begin anew. It is damage where the stamps
    soon go on from before it, as if it had not been. So what leaps is kept until then; all else
    passes at once.
    """

    def __init__(self, time_base: Fraction, most: int) -> None:
        """time_base: seconds a tick; most: how many items in a row may be astray."""
        self._jump, self._most = round(JUMP_S / time_base), most
        self._before: int | None = None
        self._kept: list[tuple[Item, int]] = []

    def push(self, item: Item, stamp: int | None) -> list[tuple[Item, int | None]]:
        """Give one in; what is ready comes out, with its stamp as it should be."""
        if stamp is None:
            return [*self.flush(), (item, None)]
        ready: list[tuple[Item, int | None]] = []
        if self._kept:
            if self._are_stray(stamp):
                ready = self._between(stamp)
            elif len(self._kept) < self._most and not self._leaps(stamp, self._kept[-1][1]):
                self._kept.append((item, stamp))
                return []
            else:
                ready = self.flush()
        if self._before is not None and self._leaps(stamp, self._before):
            self._kept.append((item, stamp))
            return ready
        self._before = stamp
        return [*ready, (item, stamp)]

    def flush(self) -> list[tuple[Item, int | None]]:
        """What is kept, as it is."""
        kept, self._kept = self._kept, []
        if kept:
            self._before = kept[-1][1]
        return list(kept)

    def _leaps(self, stamp: int, before: int) -> bool:
        return abs(stamp - before) > self._jump

    def _are_stray(self, after: int) -> bool:
        """Whether a stamp goes on from before the kept ones rather than from them."""
        assert self._before is not None  # noqa: S101 - what leaps leaps from there
        last = self._kept[-1][1]
        return self._leaps(after, last) and 0 < after - self._before < abs(after - last)

    def _between(self, after: int) -> list[tuple[Item, int | None]]:
        """What is kept, at even distances up to a stamp."""
        kept, before, self._kept = self._kept, self._before or 0, []
        step = Fraction(after - before, len(kept) + 1)
        placed = [(item, before + int(step * at)) for at, (item, _) in enumerate(kept, 1)]
        self._before = placed[-1][1]
        return list(placed)


def steadied(
    frames: Iterable[av.VideoFrame], time_base: Fraction
) -> Generator[av.VideoFrame, None, None]:
    """The same frames, single damaged stamps mended."""
    strays: Strays[av.VideoFrame] = Strays(time_base, most=1)
    for frame in frames:
        yield from map(_restamped, strays.push(frame, _stamp_of(frame)))
    yield from map(_restamped, strays.flush())


def _stamp_of(frame: av.VideoFrame) -> int | None:
    """When a frame is shown, in ticks, by the best word on it."""
    return frame.dts if frame.pts is None else frame.pts


def _restamped(checked: tuple[av.VideoFrame, int | None]) -> av.VideoFrame:
    """A frame with that stamp."""
    frame, stamp = checked
    if stamp != _stamp_of(frame):
        frame.pts = stamp
    return frame
