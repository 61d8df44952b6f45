"""Steadies what is shown of a face, so that its label does not flicker."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mien.contract.analyses import Floats

LEAD = 1.3
"""How many times likelier another expression must be before the label changes."""
READABLE_STEP = 0.05
"""The number on a label stays until it is off by this: one that changes often cannot be read."""


@dataclass(slots=True)
class _Memory:
    probabilities: Floats
    shown: int
    told: float
    seen_ns: int


@dataclass(frozen=True, slots=True)
class Steady:
    """The smoothed look on one face."""

    shown: int
    """Index of the expression on the label."""
    told: float
    """The number on the label: its probability, within READABLE_STEP."""


class Smoother:
    """Averages probabilities along each track and changes a label only with a clear lead.

    The weight of the past falls to 1/e within `time_s`, whatever the rate of analyses. With
    `time_s` 0 every analysis speaks for itself.
    """

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._tracks: dict[int, _Memory] = {}

    def update(self, track: int, probabilities: Floats, time_ns: int) -> Steady:
        """What to show for a track, given this frame's own probabilities (7,)."""
        memory = self._tracks.get(track)
        if memory is None or self._time_s <= 0:
            best = int(probabilities.argmax())
            memory = _Memory(probabilities, best, float(probabilities[best]), time_ns)
            self._tracks[track] = memory
            return Steady(best, memory.told)
        keep = math.exp(-(time_ns - memory.seen_ns) / 1e9 / self._time_s)
        mixed = (keep * memory.probabilities + (1 - keep) * probabilities).astype(np.float32)
        best = int(mixed.argmax())
        changes = mixed[best] > mixed[memory.shown] * LEAD
        if changes:
            memory.shown = best
        likely = float(mixed[memory.shown])
        if changes or abs(likely - memory.told) >= READABLE_STEP:
            memory.told = likely
        memory.probabilities, memory.seen_ns = mixed, time_ns
        return Steady(memory.shown, memory.told)

    def keep(self, tracks: set[int]) -> None:
        """Forget all other tracks, so that memory stays flat."""
        self._tracks = {track: m for track, m in self._tracks.items() if track in tracks}
