"""The frame ledger: every frame read from a source ends in exactly one state."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Literal, get_args

from mien.contract.errors import MienError

FrameState = Literal[
    "muxed-analysed",
    "muxed-interpolated",
    "muxed-held",
    "analysed-only",
    "sampled-out",
    "dropped",
    "corrupt",
    "failed",
]
FRAME_STATES: tuple[FrameState, ...] = get_args(FrameState)


class LedgerError(MienError):
    """Frames were lost or counted twice: a bug of ours."""


class Ledger:
    """Counts frames by state, from several threads; never forgets one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[FrameState, str | None]] = Counter()

    def count(self, state: FrameState, frames: int = 1, reason: str | None = None) -> None:
        """Put `frames` frames into a state; `reason` is wanted where frames are lost."""
        with self._lock:
            self._counts[state, reason] += frames

    @property
    def total(self) -> int:
        with self._lock:
            return self._counts.total()

    def counts(self) -> dict[tuple[FrameState, str | None], int]:
        """Frames by state and reason."""
        with self._lock:
            return dict(self._counts)

    def as_dict(self) -> dict[str, object]:
        """All states with their counts, and the reasons of losses."""
        states: Counter[FrameState] = Counter()
        reasons: Counter[str] = Counter()
        for (state, reason), frames in self.counts().items():
            states[state] += frames
            if reason is not None:
                reasons[reason] += frames
        counts: dict[str, object] = {state: states[state] for state in FRAME_STATES}
        return {**counts, "reasons": dict(reasons)}

    def check(self, decoded: int, corrupt: int) -> None:
        """Raise `LedgerError` unless the states add up to what was read."""
        if self.total != decoded + corrupt:
            raise LedgerError(
                f"the frame ledger does not add up: {decoded} frames decoded and {corrupt} "
                f"corrupt, but {self.total} accounted for"
            )
