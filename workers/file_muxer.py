"""Stage 3 for a source that waits: every picture gets its analysis."""

from __future__ import annotations

from mien.contract.frames import EndOfStream
from mien.contract.ledger import FrameState
from mien.contract.waiting import WaitingFrame, WaitingGap
from workers.muxer import Muxer


class FileMuxer(Muxer):
    """Walks through the frames of one video or photo; they wait for analyses without limit."""

    def run(self) -> EndOfStream:
        end = super().run()
        self._progress.frames = end.frame_count  # what is sampled out does not come here
        return end

    def _pass(self, frame: WaitingFrame) -> None:
        reason = self._arrive(frame) if frame.analysed else None
        if reason is not None:
            self._results.lost(frame.index, frame.pts_ns, reason)
        self._look_ahead()
        self._show(frame)
        self._ledger.count(self._state(frame, reason), reason=reason)

    def _bridge(self, waiting: WaitingGap) -> None:
        raise TypeError("a file has no gaps")

    def _state(self, frame: WaitingFrame, reason: str | None) -> FrameState:
        return super()._state(frame, reason) if reason is None else "failed"
