"""What a person wants to know first: which face showed what for how long."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mien.contract.expressions import EXPRESSIONS
from workers.faces import FaceSnapshot


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
            "first_s": round(self.first_ns / 1e9, 6),
            "last_s": round(self.last_ns / 1e9, 6),
            "shown_s": {
                name: round(self.shown_ns[name] / 1e9, 3)
                for name in EXPRESSIONS
                if self.shown_ns[name]
            },
        }


class Summary:
    """Adds up, for every track, the time between analyses by the expression that it began with."""

    def __init__(self, most_tracks: int | None = None) -> None:
        """most_tracks: more are not kept, the oldest go first; None keeps all."""
        self.tracks: dict[int, TrackSummary] = {}
        self.expressions: Counter[str] = Counter()
        """Detections so far by their own expression."""
        self._most = most_tracks
        self._before: FaceSnapshot | None = None

    def add(self, snapshot: FaceSnapshot) -> None:
        """Count the time from the snapshot before until this one."""
        self._pass(snapshot.time_ns)
        self._before = snapshot
        for face in snapshot.found:
            self.expressions[EXPRESSIONS[int(face.probabilities.argmax())]] += 1
            entry = self.tracks.setdefault(
                face.track, TrackSummary(face.track, snapshot.time_ns, snapshot.time_ns)
            )
            entry.last_ns = snapshot.time_ns
        while self._most is not None and len(self.tracks) > self._most + len(snapshot.found):
            here = {face.track for face in snapshot.found}
            del self.tracks[next(track for track in self.tracks if track not in here)]

    def finish(self, end_ns: int) -> None:
        """Count the time from the last snapshot until the end of the source."""
        self._pass(end_ns)
        self._before = None

    def _pass(self, until_ns: int) -> None:
        if self._before is None:
            return
        for face in self._before.found:
            shown = EXPRESSIONS[face.steady.shown]
            self.tracks[face.track].shown_ns[shown] += until_ns - self._before.time_ns
