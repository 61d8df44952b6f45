"""Gives faces an identity over time: which detection is the same face as one before."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.contract.analyses import Floats

MIN_IOU = 0.2
"""Boxes that overlap less are the same face only if they are near and of like size."""
MAX_SHIFT = 1.5
"""Largest distance of centres between analyses, in face sizes, for boxes that do not overlap."""
MAX_GROWTH = 1.6
"""Largest ratio of sizes between analyses for boxes that do not overlap."""
FORGET_S = 1.0
"""A face that is not found for so long gets a new track when it comes back ..."""
FORGET_MISSES = 2
"""... if it was missed in so many analyses, however far they lie apart."""


@dataclass(slots=True)
class _Track:
    number: int
    box: Floats
    seen_ns: int
    misses: int = 0
    """Times since it was seen last at which it was, or should have been, looked for."""
    velocity: Floats = field(default_factory=lambda: np.zeros(4, np.float32))
    """Pixels a second of each side of the box."""

    def is_lost(self, time_ns: int) -> bool:
        return self.misses >= FORGET_MISSES and time_ns - self.seen_ns > FORGET_S * 1e9

    def predict(self, time_ns: int) -> Floats:
        return self.box + self.velocity * np.float32(min(time_ns - self.seen_ns, 3e8) / 1e9)


class Tracker:
    """Stable ids for the faces of one stream.

    Assigns detections to tracks one to one, best pair first: by overlap (IoU) with where the
    track is expected, then by nearness for faces that move more than their own size between two
    analyses. A track survives misses for a second.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._numbers = 0

    def update(self, boxes: Floats, time_ns: int) -> list[int]:
        """Track ids of the detections `boxes` (n, 4) at `time_ns`, in their order, from 1."""
        self._tracks = [track for track in self._tracks if not track.is_lost(time_ns)]
        self.miss()
        owners: dict[int, _Track] = {}
        for number, detection in self._pairs(boxes, time_ns):
            owners[detection] = self._tracks[number]
        for detection, box in enumerate(boxes):
            known = owners.get(detection)
            if known is None:
                self._numbers += 1
                owners[detection] = _Track(self._numbers, box, time_ns)
                self._tracks.append(owners[detection])
            else:
                _move(known, box, time_ns)
        return [owners[detection].number for detection in range(len(boxes))]

    def miss(self) -> None:
        """Count one time at which the faces were not found, or nobody could look for them."""
        for track in self._tracks:
            track.misses += 1

    @property
    def known(self) -> set[int]:
        """Ids of the tracks that may still come back."""
        return {track.number for track in self._tracks}

    def _pairs(self, boxes: Floats, time_ns: int) -> list[tuple[int, int]]:
        if not self._tracks or not len(boxes):
            return []
        expected = np.stack([track.predict(time_ns) for track in self._tracks])
        scores = _likeness(expected, boxes)
        pairs: list[tuple[int, int]] = []
        while scores.max() > 0:
            track, detection = divmod(int(scores.argmax()), scores.shape[1])
            pairs.append((track, detection))
            scores[track, :] = 0
            scores[:, detection] = 0
        return pairs


def _move(track: _Track, box: Floats, time_ns: int) -> None:
    passed_s = max((time_ns - track.seen_ns) / 1e9, 1e-3)
    track.velocity = (0.5 * track.velocity + 0.5 * (box - track.box) / passed_s).astype(np.float32)
    track.box = box
    track.seen_ns = time_ns
    track.misses = 0


def _likeness(expected: Floats, found: Floats) -> NDArray[np.float64]:
    """Scores (tracks, detections): 1 + IoU where boxes overlap, below 1 where near, else 0."""
    overlap = iou(expected, found)
    centres = (expected[:, None, :2] + expected[:, None, 2:]) / 2
    distances = np.linalg.norm(centres - (found[None, :, :2] + found[None, :, 2:]) / 2, axis=2)
    old, new = _sizes(expected)[:, None], _sizes(found)[None, :]
    shift = distances / np.maximum(np.maximum(old, new), 1)
    growth = np.maximum(old, new) / np.maximum(np.minimum(old, new), 1)
    near = np.where((shift < MAX_SHIFT) & (growth < MAX_GROWTH), 1 - shift / MAX_SHIFT, 0)
    return np.where(overlap >= MIN_IOU, 1 + overlap, near)


def iou(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Intersection over union of boxes (n, 4) and (m, 4), as (n, m)."""
    corners = np.maximum(first[:, None, :2], second[None, :, :2])
    ends = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(ends - corners, 0, None), axis=2, dtype=np.float64)
    both = _areas(first)[:, None] + _areas(second)[None, :]
    ratio: NDArray[np.float64] = shared / np.maximum(both - shared, 1e-9)
    return ratio


def _areas(boxes: Floats) -> NDArray[np.float64]:
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    areas: NDArray[np.float64] = np.prod(sides, axis=1, dtype=np.float64)
    return areas


def _sizes(boxes: Floats) -> NDArray[np.float64]:
    return np.sqrt(_areas(boxes))
