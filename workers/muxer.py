"""Stage 3: brings frames and analyses together again and writes what the user gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from mien.contract.analyses import FrameAnalysis
from mien.contract.frames import SECOND_NS, EndOfStream
from mien.contract.ledger import FrameState, Ledger
from mien.contract.live import LATE
from mien.contract.outputs import DrawnFace
from mien.contract.pictures import Picture
from mien.contract.stage import Progress, StageClock
from mien.contract.waiting import FrameFeed, Showing, WaitingFrame, WaitingGap
from workers.annotation import Annotator
from workers.cuts import CutFinder
from workers.faces import FaceHistory, FaceSnapshot, drawn_at
from workers.reorder import ReorderBuffer
from workers.results_port import Results
from workers.sink import Sink
from workers.summary import Summary

TRUSTED_NS = SECOND_NS
"""Where faces are hidden, an analysis counts for pictures up to this long after it, or up to one
interval of analysis where that is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuxerParts:
    """What a muxer works with, whether its source waits for it or not."""

    feed: FrameFeed
    analyses: ReorderBuffer
    history: FaceHistory
    sink: Sink | None
    """None where no pictures are wanted."""
    results: Results
    summary: Summary
    ledger: Ledger
    progress: Progress
    clock: StageClock
    hold: bool
    """Whether frames do not wait for the analysis after them, since it may not be in the window."""
    blur: bool
    """Whether faces are hidden."""
    interval_ns: int
    """From one analysis to the next, as was asked for."""


class Arrival(NamedTuple):
    """What came of the analysis of a frame."""

    snapshot: FaceSnapshot | None
    reason: str | None
    """Why there is no snapshot; None where there is one."""


class Muxer(ABC):
    """Walks through the frames of one stream in order.

    A frame waits for the analysis before it, or its own, and for the next one, so that boxes can
    be interpolated and flashes be told from faces; unless `hold` says that the window is too small
    for that. How long it waits, and what becomes of it, depends on the kind of source.
    It never changes which frames are shown or when: that was decided by the producer.
    """

    def __init__(self, parts: MuxerParts) -> None:
        self._feed = parts.feed
        self._analyses = parts.analyses
        self._history = parts.history
        self._sink = parts.sink
        self._results = parts.results
        self._summary = parts.summary
        self._ledger = parts.ledger
        self._progress = parts.progress
        self._clock = parts.clock
        self._hold = parts.hold
        self._blur = parts.blur
        self._trusted_ns = max(TRUSTED_NS, parts.interval_ns)
        self._annotator = Annotator(blur=parts.blur)
        self._cuts = CutFinder()
        self._cut_ns = 0
        self._before: FaceSnapshot | None = None
        self._ahead: Arrival | None = None  # of the next analysed frame, before its turn

    def run(self) -> EndOfStream:
        """Work until the counted end of the stream; raises `Closed` when the run is stopped."""
        while True:
            item = self._feed.first()
            if isinstance(item, EndOfStream):
                self._summary.finish(item.end_ns)
                return item
            if isinstance(item, WaitingGap):
                self._bridge(item)
            else:
                self._pass(item)
                self._progress.frames = item.index + 1
                self._progress.position_ns = item.pts_ns
            self._feed.release()

    @abstractmethod
    def _pass(self, frame: WaitingFrame) -> None:
        """Bring one frame to its end, and into the books."""

    @abstractmethod
    def _bridge(self, waiting: WaitingGap) -> None:
        """Show what there is to show of a moment without a picture."""

    def _arrive(self, frame: WaitingFrame, until_s: float | None = None) -> str | None:
        """Take the analysis of a frame whose turn has come; says why where there is none.

        until_s: by `time.monotonic`: when it is given up as late; None waits for it.
        """
        arrival, self._ahead = self._ahead or self._receive(frame, until_s), None
        if arrival is None:
            self._analyses.give_up(frame.index)
            return LATE
        if arrival.snapshot is not None:
            self._before = arrival.snapshot
            self._results.write(arrival.snapshot, frame.capture)
        return arrival.reason

    def _look_ahead(self, until_s: float | None = None) -> None:
        """Wait for the next analysis, so that boxes can be interpolated.

        Results have it at its frame's turn.
        """
        if self._ahead is None and not self._hold:
            frame = self._feed.next_analysed(until_s)
            if frame is not None:
                self._ahead = self._receive(frame, until_s)

    def _receive(self, frame: WaitingFrame, until_s: float | None) -> Arrival | None:
        """Wait for the analysis of a frame; None where it has not come until then."""
        record = self._analyses.take(frame.index, until_s)
        if record is None:
            return None
        if record.analysis is None:
            return Arrival(None, record.reason or "unknown")
        return Arrival(self._remember(frame, record.analysis), None)

    def _remember(self, frame: WaitingFrame, analysis: FrameAnalysis) -> FaceSnapshot:
        snapshot = self._history.add(frame.index, frame.pts_ns, analysis)
        self._summary.add(snapshot)
        self._progress.faces += len(snapshot.found)
        return snapshot

    @property
    def _after(self) -> FaceSnapshot | None:
        return None if self._ahead is None else self._ahead.snapshot

    def _state(self, frame: WaitingFrame, reason: str | None) -> FrameState:
        """How the ledger counts a frame. reason: why it lacks an analysis that it should have."""
        if frame.analysed and reason is None:
            return "muxed-analysed" if frame.showings else "analysed-only"
        return "muxed-held" if self._after is None else "muxed-interpolated"

    def _show(self, frame: WaitingFrame) -> None:
        if self._sink is None or frame.picture is None:
            return
        with self._clock.time("annotate"):
            self._annotator.draw(frame.picture, self._known(frame.picture, frame.pts_ns))
        self._encode(self._sink, frame.picture, frame.showings)

    def _encode(self, sink: Sink, picture: Picture, showings: tuple[Showing, ...]) -> None:
        with self._clock.time("encode"):
            for showing in showings:
                self._feed.first()  # raises when the run is stopped: one frame may fill an hour
                sink.write(picture, showing.pts_ns, showing.duration_ns)

    def _known(self, picture: Picture, pts_ns: int) -> list[DrawnFace] | None:
        """The faces of a picture; None where no analysis tells which there are.

        Where faces are hidden, old analyses do not count: somebody may have moved out of a box.
        An old label does no harm.
        """
        if self._cuts.is_cut(picture):
            self._cut_ns = pts_ns
        before, cautious = self._before, self._blur
        if before is None or (cautious and pts_ns - before.time_ns > self._trusted_ns):
            return None
        return drawn_at(before, self._after, pts_ns, cautious=cautious, cut_ns=self._cut_ns)
