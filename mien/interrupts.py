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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
