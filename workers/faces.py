"""From analyses to faces with a history: what results say and what frames show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mien.contract.analyses import Floats, FrameAnalysis
from mien.contract.geometry import AnalysisGeometry
from mien.contract.outputs import DrawnFace
from workers.box_smoothing import BoxSmoother
from workers.smoothing import Smoother, Steady
from workers.tracking import Tracker

COAST_S = 0.25
"""How long a face that was missed by the detector is still drawn, where it should be by now."""

FLASH_S = 0.3
"""A face found once, and missed by an analysis within this time after it, is not drawn."""


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """One detection, with its track."""

    track: int
    box: Floats
    """float32 (4,): x1, y1, x2, y2 in source pixels, in steps of .1: where it was found."""
    place: Floats
    """float32 (4,): where to draw it, which is steadier, and moves on while it is missed."""
    confidence: float | None
    probabilities: Floats
    """float32 (7,): this frame's own."""
    steady: Steady
    seen_ns: int
    age: int
    """In how many analyses the track was found, this one included."""
    uncertain: bool | None = None
    """Whether this frame's likeliest expression is too improbable; None: nobody asked."""
    dim: bool = False
    """Whether the smoothed number on the label is too low."""


@dataclass(frozen=True, slots=True)
class FaceSnapshot:
    """All faces at the time of one analysed frame."""

    index: int
    time_ns: int
    found: tuple[TrackedFace, ...]
    """Faces of this frame, sorted by track."""
    held: tuple[TrackedFace, ...]
    """Faces that were there a moment ago, and most likely still are: drawn all the same."""
    doubtful: tuple[TrackedFace, ...]
    """Faces that the tracker still waits for, and that may have left: they matter where faces are
    hidden, since most come back from a turn of the head."""

    def faces(self, *, cautious: bool) -> dict[int, TrackedFace]:
        """What is to be drawn, by track; `cautious` adds the doubtful ones."""
        drawn = (*self.found, *self.held, *(self.doubtful if cautious else ()))
        return {face.track: face for face in drawn}


class FaceHistory:
    """Turns the analyses of one stream, in order, into snapshots."""

    def __init__(
        self, geometry: AnalysisGeometry, smoothing_s: float, abstain: float | None = None
    ) -> None:
        """abstain: the probability below which an expression is uncertain; None: none is."""
        self._geometry = geometry
        self._abstain = abstain
        self._tracker = Tracker()
        self._smoother = Smoother(smoothing_s)
        self._boxes = BoxSmoother()
        self._ages: dict[int, int] = {}
        self._last: list[TrackedFace] = []

    def add(self, index: int, time_ns: int, analysis: FrameAnalysis) -> FaceSnapshot:
        """The snapshot of an analysed frame; frames must come in order."""
        boxes = np.round(self._geometry.to_source(analysis.boxes), 1)
        tracks = self._tracker.update(boxes, time_ns)
        found = []
        for row in sorted(range(len(tracks)), key=tracks.__getitem__):
            track, probabilities = tracks[row], analysis.probabilities[row]
            confidence = None
            if analysis.confidences is not None:
                confidence = float(analysis.confidences[row])
            steady = self._smoother.update(track, probabilities, time_ns)
            place = self._inside(self._boxes.update(track, boxes[row], time_ns))
            self._ages[track] = age = self._ages.get(track, 0) + 1
            face = TrackedFace(
                track, boxes[row], place, confidence, probabilities, steady, time_ns, age
            )
            found.append(self._doubted(face))
        self._forget()
        held, doubtful = self._missed({face.track for face in found}, time_ns)
        self._last = [*found, *held, *doubtful]
        return FaceSnapshot(index, time_ns, tuple(found), tuple(held), tuple(doubtful))

    def miss(self) -> None:
        """There was no picture to look for faces in; tracks count it as one that missed them."""
        self._tracker.miss()

    def _missed(self, found: set[int], time_ns: int) -> tuple[list[TrackedFace], list[TrackedFace]]:
        """Faces that the detector did not find this time: held ones, and doubtful ones."""
        held, doubtful = [], []
        for face in self._last:
            if face.track in found or face.track not in self._tracker.known:
                continue
            recent = time_ns - face.seen_ns <= COAST_S * 1e9
            place = self._inside(self._boxes.expect(face.track, time_ns))
            missed = replace(face, place=place)
            if recent and face.age > 1 and not self._at_edge(place):
                held.append(missed)
            elif recent or _has_area(place):
                doubtful.append(missed)
        return held, doubtful

    def _doubted(self, face: TrackedFace) -> TrackedFace:
        """The face, marked where it is uncertain; probabilities are rounded as in the results."""
        if self._abstain is None:
            return face
        likeliest = round(float(face.probabilities.max()), 4)
        return replace(
            face, uncertain=likeliest < self._abstain, dim=face.steady.told < self._abstain
        )

    def _forget(self) -> None:
        known = self._tracker.known
        self._smoother.keep(known)
        self._boxes.keep(known)
        self._ages = {track: age for track, age in self._ages.items() if track in known}

    def _inside(self, box: Floats) -> Floats:
        size = (self._geometry.source_width, self._geometry.source_height) * 2
        clipped: Floats = np.clip(box, 0, np.array(size, np.float32))
        return clipped

    def _at_edge(self, box: Floats) -> bool:
        x1, y1, x2, y2 = box
        width, height = self._geometry.source_width, self._geometry.source_height
        return bool(x1 <= 1 or y1 <= 1 or x2 >= width - 1 or y2 >= height - 1)


def drawn_at(
    before: FaceSnapshot,
    after: FaceSnapshot | None,
    time_ns: int,
    *,
    cautious: bool = False,
    cut_ns: int = 0,
) -> list[DrawnFace]:
    """The faces that a frame shows, at the time of an analysed frame or between two of them.

    A face of both is interpolated; one of the first alone is held for the first half of the way
    (if it was seen for one moment only, it is not drawn at all), one of the second alone is not
    there yet. Without a second snapshot everything is held. `cautious` is for hiding faces: it
    covers whatever may be one, all the way and a little before it was found, from where it was to
    where it will be, and wherever one that was missed may be. Nothing is left over from before
    `cut_ns`, when the last cut was; where faces are hidden, for no longer than COAST_S.
    """
    now = before.faces(cautious=cautious)
    later = {} if after is None else after.faces(cautious=cautious)
    if cautious:
        return _hidden_at(now, later, time_ns, cut_ns)
    way_ns = max(after.time_ns - before.time_ns, 1) if after is not None else 1
    share = (time_ns - before.time_ns) / way_ns if after is not None else 0.0
    short = after is not None and way_ns <= FLASH_S * 1e9
    drawn = []
    for track, face in now.items():
        then = later.get(track)
        if face.seen_ns < cut_ns:
            if then is not None and then.seen_ns >= cut_ns:
                drawn.append(_draw(then, then.place))
        elif then is not None:
            drawn.append(_draw(face, face.place + share * (then.place - face.place)))
        elif share < 0.5 and not (short and face.age == 1):
            drawn.append(_draw(face, face.place))
    return drawn


def _hidden_at(
    now: dict[int, TrackedFace], later: dict[int, TrackedFace], time_ns: int, cut_ns: int
) -> list[DrawnFace]:
    """What is hidden is rather too large than too small.

    A track may join the faces of two shots, of which the old one stays until the cut and the new
    one is there from then on; not every cut is noticed, and nobody moves in a straight line. So
    both places are covered, not one on the way between them.
    """
    drawn = []
    for track, face in now.items():
        then = later.get(track)
        if not _is_past(face, time_ns, cut_ns):
            drawn.append(_draw(face, _hull(*_places(face), *_places(then))))
        elif then is not None and then.seen_ns >= cut_ns:
            drawn.append(_draw(then, then.box))
    return drawn + [_draw(face, face.box) for track, face in later.items() if track not in now]


def _is_past(face: TrackedFace, time_ns: int, cut_ns: int) -> bool:
    """Whether a face belongs to the shot before; what looked like a cut may have been none."""
    return face.seen_ns < cut_ns and time_ns - face.seen_ns > COAST_S * 1e9


def _has_area(place: Floats) -> bool:
    """False for what lies wholly outside of the picture and was clipped to it."""
    return bool((place[:2] < place[2:]).all())


def _places(face: TrackedFace | None) -> tuple[Floats, ...]:
    """Where a face was found and where it should be by now."""
    return () if face is None else (face.box, face.place)


def _hull(*boxes: Floats) -> Floats:
    """The smallest box that holds them all."""
    low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
    return np.concatenate([low[:2], high[2:]])


def _draw(face: TrackedFace, box: Floats) -> DrawnFace:
    x1, y1, x2, y2 = (float(side) for side in box)
    return DrawnFace(face.track, (x1, y1, x2, y2), face.steady.shown, face.steady.told, face.dim)
