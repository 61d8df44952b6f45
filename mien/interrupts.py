"""Ctrl-C and SIGTERM as a count that is polled when one can stop, never as an exception.

An exception in the middle of anything would unwind beside running threads, and closing a decoder
while a thread reads from it crashes the process.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

HAND_OVER = signal.SIGUSR2
"""Sent by a stream worker that was told to stop to its work horse: a job that has no end stops, for
another worker to continue it. It is blocked in workers and work horses: a job that has an end never
gets it, one that has none gets also a signal that came before it began to listen."""


class Interrupts:
    """Counts signals to stop, while it is entered; outside the main thread it gets none."""

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, signal.Handlers | None] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                self._before[number] = signal.signal(number, self._note)  # type: ignore[assignment]
        return self

    def listen_for_hand_over(self) -> None:
        """Count `HAND_OVER`, too, until the end; one that is pending counts at once."""
        if self._before and HAND_OVER not in self._before:
            self._before[HAND_OVER] = signal.signal(HAND_OVER, self._note)  # type: ignore[assignment]
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {HAND_OVER})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if HAND_OVER in self._before:
            signal.pthread_sigmask(signal.SIG_BLOCK, {HAND_OVER})
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
