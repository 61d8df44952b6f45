"""Ctrl-C and SIGTERM as a wish that is looked at when it can be granted, never an exception.

An exception in the middle of anything would unwind beside running threads, and closing a decoder
under its reader takes the process down.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)

LEAVE = signal.SIGUSR2
"""A stream worker that was told to stop asks its job by this to let another worker go on, where
the job would not end by itself. It is blocked in workers: a job that has no ear for it never
hears it, and one that has gets what came before it listened."""


class Interrupts:
    """Counts the wishes to stop, while it is entered; outside the main thread there are none."""

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, signal.Handlers | None] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)  # type: ignore[assignment]
        return self

    def listen_for_leave(self) -> None:
        """Count `LEAVE`, too, until the end; one that is waiting comes at once."""
        if self._before and LEAVE not in self._before:
            self._before[LEAVE] = signal.signal(LEAVE, self._note)  # type: ignore[assignment]
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {LEAVE})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if LEAVE in self._before:
            signal.pthread_sigmask(signal.SIG_BLOCK, {LEAVE})
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
