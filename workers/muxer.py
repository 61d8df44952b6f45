"""Stage 3: brings frames and analyses together again and writes what the user gets."""

from __future__ import annotations

from mien.contract.analyses import FrameAnalysis
from mien.contract.frames import EndOfStream
from mien.contract.ledger import FrameState, Ledger
from mien.contract.stage import Progress, StageClock
from mien.contract.waiting import FrameFeed, WaitingFrame
from workers.annotation import annotate
from workers.faces import FaceHistory, FaceSnapshot, drawn_at
from workers.reorder import ReorderBuffer
from workers.results import Results
from workers.sink import Sink
from workers.summary import Summary

Ahead = tuple[int, FaceSnapshot | None]


class Muxer:
    """Walks through the frames of one stream in order.

    A frame that is analysed waits for its own analysis; one in between waits for the next, so
    that its boxes can be interpolated, unless `hold` says that the window is too small for that.
    It never changes which frames are shown or when: that was decided by the producer.
    """

    def __init__(
        self,
        *,
        feed: FrameFeed,
        analyses: ReorderBuffer,
        history: FaceHistory,
        sink: Sink | None,
        results: Results,
        summary: Summary,
        ledger: Ledger,
        progress: Progress,
        clock: StageClock,
        hold: bool,
        blur: bool,
    ) -> None:
        self._feed = feed
        self._analyses = analyses
        self._history = history
        self._sink = sink
        self._results = results
        self._summary = summary
        self._ledger = ledger
        self._progress = progress
        self._clock = clock
        self._hold = hold
        self._blur = blur
        self._before: FaceSnapshot | None = None
        self._ahead: Ahead | None = None

    def run(self) -> EndOfStream:
        """Work until the counted end of the stream; raises `Closed` when the run is stopped."""
        while True:
            frame = self._feed.first()
            if isinstance(frame, EndOfStream):
                self._summary.finish(frame.end_ns)
                return frame
            state, after = self._analysed(frame) if frame.analysed else self._between()
            self._show(frame, after)
            self._ledger.count(state)
            self._progress.frames = frame.index + 1
            self._progress.position_ns = frame.pts_ns
            self._feed.release()

    def _analysed(self, frame: WaitingFrame) -> tuple[FrameState, None]:
        if self._ahead is not None and self._ahead[0] == frame.index:
            snapshot = self._ahead[1]
        else:
            snapshot = self._receive(frame)
        self._ahead = None
        if snapshot is None:
            return "failed", None
        self._before = snapshot
        return ("muxed-analysed" if frame.showings else "analysed-only"), None

    def _between(self) -> tuple[FrameState, FaceSnapshot | None]:
        if self._ahead is None and not self._hold:
            coming = self._feed.next_analysed()
            if coming is not None:
                self._ahead = (coming.index, self._receive(coming))
        if self._ahead is None or self._ahead[1] is None:
            return "muxed-held", None
        return "muxed-interpolated", self._ahead[1]

    def _receive(self, frame: WaitingFrame) -> FaceSnapshot | None:
        """Wait for the analysis of a frame; it goes into the results in the order of frames."""
        record = self._analyses.take(frame.index)
        if record.analysis is None:
            self._results.lost(frame.index, frame.pts_ns, record.reason or "unknown")
            return None
        return self._remember(frame, record.analysis)

    def _remember(self, frame: WaitingFrame, analysis: FrameAnalysis) -> FaceSnapshot:
        snapshot = self._history.add(frame.index, frame.pts_ns, analysis)
        self._results.write(snapshot)
        self._summary.add(snapshot)
        self._progress.faces += len(snapshot.found)
        return snapshot

    def _show(self, frame: WaitingFrame, after: FaceSnapshot | None) -> None:
        if self._sink is None or frame.picture is None:
            return
        if self._before is not None:
            faces = drawn_at(self._before, after, frame.pts_ns)
            with self._clock.time("annotate"):
                annotate(frame.picture, faces, blur=self._blur)
        with self._clock.time("encode"):
            for showing in frame.showings:
                self._sink.write(frame.picture, showing.pts_ns, showing.duration_ns)
