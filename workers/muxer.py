"""Stage 3: brings frames and analyses together again and writes what the user gets."""

from __future__ import annotations

from dataclasses import dataclass

from mien.contract.analyses import FrameAnalysis
from mien.contract.frames import SECOND_NS, EndOfStream
from mien.contract.ledger import FrameState, Ledger
from mien.contract.outputs import DrawnFace
from mien.contract.pictures import Picture
from mien.contract.stage import Progress, StageClock
from mien.contract.waiting import FrameFeed, WaitingFrame, WaitingGap
from workers.annotation import Annotator
from workers.cuts import CutFinder
from workers.faces import FaceHistory, FaceSnapshot, drawn_at
from workers.reorder import ReorderBuffer
from workers.results_port import Results
from workers.sink import Sink
from workers.summary import Summary

TRUSTED_NS = SECOND_NS
"""Where faces are hidden, an analysis says nothing of pictures that come so long after it, unless
rarer ones were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MuxerParts:
    """What a muxer works with, whether its source waits for it or not."""

    feed: FrameFeed
    analyses: ReorderBuffer
    history: FaceHistory
    sink: Sink | None
    """None where nobody wants pictures."""
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


class Muxer:
    """Walks through the frames of one stream in order.

    A frame waits for the analysis before it, or its own, and for the next one, so that boxes can
    be interpolated and flashes be told from faces; unless `hold` says that the window is too small
    for that.
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
        self._reasons: dict[int, str] = {}  # why frames have no analysis, until their turn
        self._ahead: tuple[int, FaceSnapshot | None] | None = None  # its index and what it gave

    def run(self) -> EndOfStream:
        """Work until the counted end of the stream; raises `Closed` when the run is stopped."""
        while True:
            item = self._feed.first()
            if isinstance(item, EndOfStream):
                self._summary.finish(item.end_ns)
                if self._progress.live is None:  # what is sampled out does not come here
                    self._progress.frames = item.frame_count
                return item
            if isinstance(item, WaitingGap):
                self._bridge(item)
            else:
                self._pass(item)
                self._progress.frames = item.index + 1
                self._progress.position_ns = item.pts_ns
            self._feed.release()

    def _pass(self, frame: WaitingFrame) -> None:
        """Bring one frame to its end, and into the books."""
        state = self._reach(frame)
        self._show(frame)
        self._ledger.count(state, reason=self._reasons.pop(frame.index, None))

    def _bridge(self, waiting: WaitingGap) -> None:
        """A moment without a picture; files have none."""

    def _reach(self, frame: WaitingFrame) -> FrameState:
        """Bring the snapshots before and after up to this frame; waits for them."""
        lost = frame.analysed and not self._arrive(frame)
        if self._ahead is None and not self._hold:
            coming = self._feed.next_analysed()
            if coming is not None:
                self._ahead = (coming.index, self._receive(coming))
        if frame.analysed:
            known: FrameState = "muxed-analysed" if frame.showings else "analysed-only"
            return "failed" if lost else known
        return "muxed-held" if self._after is None else "muxed-interpolated"

    def _arrive(self, frame: WaitingFrame) -> bool:
        """Make the analysis of this frame the one before; False where there is none."""
        if self._ahead is not None and self._ahead[0] == frame.index:
            snapshot = self._ahead[1]
        else:
            snapshot = self._receive(frame)
        self._ahead = None
        self._before = snapshot or self._before
        return snapshot is not None

    @property
    def _after(self) -> FaceSnapshot | None:
        return None if self._ahead is None else self._ahead[1]

    def _receive(self, frame: WaitingFrame) -> FaceSnapshot | None:
        """Wait for the analysis of a frame; it goes into the results in the order of frames."""
        record = self._analyses.take(frame.index)
        if record.analysis is None:
            reason = self._reasons[frame.index] = record.reason or "unknown"
            self._results.lost(frame.index, frame.pts_ns, reason)
            return None
        snapshot = self._remember(frame, record.analysis)
        self._results.write(snapshot)
        return snapshot

    def _remember(self, frame: WaitingFrame, analysis: FrameAnalysis) -> FaceSnapshot:
        snapshot = self._history.add(frame.index, frame.pts_ns, analysis)
        self._summary.add(snapshot)
        self._progress.faces += len(snapshot.found)
        return snapshot

    def _show(self, frame: WaitingFrame) -> None:
        if self._sink is None or frame.picture is None:
            return
        with self._clock.time("annotate"):
            self._annotator.draw(frame.picture, self._known(frame.picture, frame.pts_ns))
        with self._clock.time("encode"):
            for showing in frame.showings:
                self._feed.first()  # raises when the run is stopped: one frame may fill an hour
                self._sink.write(frame.picture, showing.pts_ns, showing.duration_ns)

    def _known(self, picture: Picture, pts_ns: int) -> list[DrawnFace] | None:
        """The faces of a picture as far as analyses tell; None where none of them tells anything.

        An old label does no harm, but nobody knows whom an old box does not hide.
        """
        if self._cuts.is_cut(picture):
            self._cut_ns = pts_ns
        before, cautious = self._before, self._blur
        if before is None or (cautious and pts_ns - before.time_ns > self._trusted_ns):
            return None
        return drawn_at(before, self._after, pts_ns, cautious=cautious, cut_ns=self._cut_ns)
