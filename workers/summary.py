"""What a person wants to know first: which face showed what for how long."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mien.contract.expressions import EXPRESSIONS
from workers.faces import FaceSnapshot
from workers.results_table import expression_of, seconds


@dataclass(slots=True)
class TrackSummary:
    """One face over its whole life."""

    track: int
    first_ns: int
    last_ns: int
    shown_ns: Counter[str] = field(default_factory=Counter)
    """Nanoseconds by the expression shown."""

    def as_dict(self) -> dict[str, object]:
        return {
            "track": self.track,
            "first_s": seconds(self.first_ns),
            "last_s": seconds(self.last_ns),
            "shown_s": {
                name: round(self.shown_ns[name] / 1e9, 3)
                for name in EXPRESSIONS
                if self.shown_ns[name]
            },
        }


class Summary:
    """Adds up, for every track, the time between analyses by the expression that it began with."""

    def __init__(self, most_tracks: int | None = None) -> None:
        """most_tracks: more are not kept, those not seen for longest go first; None keeps all."""
        self.tracks: dict[int, TrackSummary] = {}
        """By number; those seen last come last."""
        self.expressions: Counter[str] = Counter()
        """Detections so far by their own expression."""
        self._most = most_tracks
        self._before: FaceSnapshot | None = None

    def add(self, snapshot: FaceSnapshot) -> None:
        """Count the time from the snapshot before until this one."""
        self._pass(snapshot.time_ns)
        self._before = snapshot
        for face in snapshot.found:
            self.expressions[expression_of(face)] += 1
            entry = self.tracks.pop(face.track, None)
            entry = entry or TrackSummary(face.track, snapshot.time_ns, snapshot.time_ns)
            entry.last_ns = snapshot.time_ns
            self.tracks[face.track] = entry
        while self._most is not None and len(self.tracks) > self._most + len(snapshot.found):
            del self.tracks[next(iter(self.tracks))]

    def finish(self, end_ns: int) -> None:
        """Count the time from the last snapshot until nothing more is known of its faces."""
        self._pass(end_ns)
        self._before = None

    def _pass(self, until_ns: int) -> None:
        if self._before is None:
            return
        for face in self._before.found:
            shown = EXPRESSIONS[face.steady.shown]
            self.tracks[face.track].shown_ns[shown] += until_ns - self._before.time_ns
