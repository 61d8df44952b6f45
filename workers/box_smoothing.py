"""Steadies where boxes are drawn, so that they do not tremble on a face that keeps still."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mien.contract.analyses import Floats

STILL_HZ = 0.5
"""Cut-off for a face that keeps still, since the detector's boxes jitter by a few per cent."""
MOVING_HZ = 5.0
"""Added for each face width a second that it moves: boxes lag by 3 % of a face at most."""
SPEED_HZ = 1.0
"""Cut-off of the speed itself."""
FAR_S = 0.3
"""Longest extrapolation of a face that was not found."""


@dataclass(slots=True)
class _Motion:
    values: Floats
    speeds: Floats
    """Change of the values per second."""
    seen_ns: int


class BoxSmoother:
    """A One Euro filter for centre and size of each track's box.

    It smooths the more, the slower a face moves, so that boxes are calm on still faces and do not
    trail behind moving ones. It must not touch what results say: these are the detector's boxes.

    Source: Casiez, Roussel, Vogel, 1€ Filter, CHI 2012.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, _Motion] = {}

    def update(self, track: int, box: Floats, time_ns: int) -> Floats:
        """Where to draw the box (4,) that was found for a track; float32 (4,)."""
        values = _measures(box)
        motion = self._tracks.get(track)
        if motion is None:
            self._tracks[track] = _Motion(values, np.zeros(4, np.float32), time_ns)
            return box
        passed_s = max((time_ns - motion.seen_ns) / 1e9, 1e-3)
        unit = _unit(motion.values)
        speeds = (values - motion.values) / unit / np.float32(passed_s)
        gain = np.float32(_gain(SPEED_HZ, passed_s))
        motion.speeds += gain * (speeds * unit - motion.speeds)
        place, growth = np.hypot(*(motion.speeds / unit)[:2]), np.abs(motion.speeds[2:]).max()
        gains = [_gain(STILL_HZ + MOVING_HZ * float(speed), passed_s) for speed in (place, growth)]
        motion.values = motion.values + np.repeat(gains, 2).astype(np.float32) * (
            values - motion.values
        )
        motion.seen_ns = time_ns
        return _box(motion.values)

    def expect(self, track: int, time_ns: int) -> Floats:
        """Where a track's box most likely is by now, if its face moved on as it did."""
        motion = self._tracks[track]
        passed_s = np.float32(min((time_ns - motion.seen_ns) / 1e9, FAR_S))
        values = motion.values.copy()
        values[:2] += motion.speeds[:2] * passed_s
        return _box(values)

    def keep(self, tracks: set[int]) -> None:
        """Forget all other tracks, so that memory stays flat."""
        self._tracks = {track: m for track, m in self._tracks.items() if track in tracks}


def _gain(cutoff_hz: float, passed_s: float) -> float:
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * passed_s))


def _measures(box: Floats) -> Floats:
    """Centre in pixels, and logarithms of width and height."""
    sides = np.log(np.maximum(box[2:] - box[:2], np.float32(1)))
    return np.concatenate([(box[:2] + box[2:]) / 2, sides]).astype(np.float32)


def _box(values: Floats) -> Floats:
    half = np.exp(values[2:]) / 2
    return np.concatenate([values[:2] - half, values[:2] + half]).astype(np.float32)


def _unit(values: Floats) -> Floats:
    """Units of the speeds (4,): face widths for the centre; the sizes are relative already."""
    width = math.exp(float(values[2]))
    return np.array([width, width, 1, 1], np.float32)
