"""The frames that wait in the stream process for their analysis."""

from __future__ import annotations

import threading
from collections import deque

from mien.contract.frames import EndOfStream
from mien.contract.waiting import WaitingFrame
from mien.transport.ports import Closed


class FrameWindow:
    """A queue of frames bounded in bytes; a full window is the producer's backpressure.

    It cannot deadlock: where it is full of frames that all wait for an analysis that is not in
    it, the muxer is told to go on without.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._frames: deque[WaitingFrame] = deque()
        self._bytes = 0
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

    def first(self) -> WaitingFrame | EndOfStream:
        with self._changed:
            while not self._frames and self._end is None:
                self._check_open()
                self._changed.wait()
            self._check_open()
            if self._frames:
                return self._frames[0]
            assert self._end is not None  # noqa: S101 - the loop above has seen to it
            return self._end

    def next_analysed(self) -> WaitingFrame | None:
        with self._changed:
            seen = 1
            while True:
                self._check_open()
                while seen < len(self._frames):
                    if self._frames[seen].analysed:
                        return self._frames[seen]
                    seen += 1
                if self._end is not None or self._blocked:
                    return None
                self._changed.wait()

    def release(self) -> None:
        with self._changed:
            self._bytes -= self._frames.popleft().nbytes
            self._blocked = False  # until the producer has tried again
            self._changed.notify_all()

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures that wait now."""
        return self._bytes

    def _check_open(self) -> None:
        if self._closed:
            raise Closed
