"""The frames that wait in the stream process for their analysis."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

from mien.contract.errors import Closed
from mien.contract.frames import EndOfStream
from mien.contract.waiting import WaitingFrame, WaitingGap

CROWDED_SHARE = 0.75
"""A window of a live source that is so full lets its frames leave without their analyses."""


class FrameWindow:
    """A queue of frames bounded in bytes; a full window is the producer's backpressure.

    It cannot deadlock: where it is full of frames that all wait for an analysis that is not in
    it, the muxer is told to go on without. A live source cannot wait; there, the oldest pictures
    are given up instead.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._frames: deque[WaitingFrame | WaitingGap] = deque()
        self._bytes = 0
        self._kept = 1  # of those behind the first, the first that has not given up its picture
        self._blocked = False
        self._end: EndOfStream | None = None
        self._closed = False

    def put(self, frame: WaitingFrame) -> None:
        """Append a frame; waits for room. A frame larger than the window enters an empty one.

        Raises:
            Closed: the run was stopped.
        """
        with self._changed:
            while self._frames and self._bytes + frame.nbytes > self._limit_bytes:
                self._check_open()
                self._blocked = True
                self._changed.notify_all()
                self._changed.wait()
            self._check_open()
            self._blocked = False
            self._frames.append(frame)
            self._bytes += frame.nbytes
            self._changed.notify_all()

    def push(self, item: WaitingFrame | WaitingGap) -> None:
        """Append a live source's frame or gap at once.

        Where there is no room, the oldest frames give up their pictures; but for the first, which
        the muxer has in hand.

        Raises:
            Closed: the run was stopped.
        """
        with self._changed:
            self._check_open()
            self._frames.append(item)
            self._bytes += _nbytes(item)
            while self._bytes > self._limit_bytes and self._kept < len(self._frames) - 1:
                self._strip(self._kept)
                self._kept += 1
            self._changed.notify_all()

    def finish(self, end: EndOfStream) -> None:
        """Say that no frame will follow."""
        with self._changed:
            self._end = end
            self._changed.notify_all()

    def close(self) -> None:
        """Stop the run: everybody who waits or comes later gets `Closed`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def first(self) -> WaitingFrame | WaitingGap | EndOfStream:
        with self._changed:
            while not self._frames and self._end is None:
                self._check_open()
                self._changed.wait()
            self._check_open()
            if self._frames:
                return self._frames[0]
            assert self._end is not None  # noqa: S101 - the loop above has seen to it
            return self._end

    def next_analysed(self, until_s: float | None = None) -> WaitingFrame | None:
        with self._changed:
            seen = 1
            while True:
                self._check_open()
                while seen < len(self._frames):
                    frame = self._frames[seen]
                    if isinstance(frame, WaitingGap):
                        return None
                    if frame.analysed:
                        return frame
                    seen += 1
                if self._end is not None or self._blocked:
                    return None
                left_s = None if until_s is None else until_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    return None
                self._changed.wait(left_s)

    def release(self) -> None:
        with self._changed:
            self._bytes -= _nbytes(self._frames.popleft())
            self._kept = max(1, self._kept - 1)
            self._blocked = False  # until the producer has tried again
            self._changed.notify_all()

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures that wait now."""
        return self._bytes

    @property
    def crowded(self) -> bool:
        return self._bytes > CROWDED_SHARE * self._limit_bytes

    def _strip(self, number: int) -> None:
        item = self._frames[number]
        if isinstance(item, WaitingFrame):
            self._frames[number] = replace(item, picture=None, nbytes=0)
            self._bytes -= item.nbytes

    def _check_open(self) -> None:
        if self._closed:
            raise Closed


def _nbytes(item: WaitingFrame | WaitingGap) -> int:
    """What it holds in memory."""
    return item.nbytes if isinstance(item, WaitingFrame) else 0
