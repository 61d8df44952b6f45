"""Stage 3 for a source that does not wait: no picture waits longer than it may."""

from __future__ import annotations

import time

from mien.contract.frames import SECOND_NS, Capture
from mien.contract.ledger import FrameState
from mien.contract.live import AWAY, BUSY, LATE, SLOW_ENCODER, Credit, LiveProgress
from mien.contract.outputs import DrawnFace
from mien.contract.pictures import Picture
from mien.contract.waiting import WaitingFrame, WaitingGap
from workers.muxer import Muxer, MuxerParts
from workers.stale import StalePicture

VOUCHED_NS = 10 * SECOND_NS
"""How long the last analysis tells who is there, while newer ones are missing."""

BEHIND_S = 0.5
"""A picture that is this late after the end of its wait is given up instead of written."""


class LiveMuxer(Muxer):
    """Walks through the frames of one live stream in order.

    A frame waits for analyses as a file's does, but only until its time is up; then boxes are
    held, and an analysis that comes later counts for nothing. Where encoding falls behind,
    pictures that are too old are given up. Gaps show the last picture, marked as old.
    """

    def __init__(
        self, parts: MuxerParts, *, max_latency_s: float, credit: Credit, live: LiveProgress
    ) -> None:
        """max_latency_s: how long a picture waits."""
        super().__init__(parts)
        self._max_latency_s = max_latency_s
        self._credit = credit
        self._live = live
        self._stale = StalePicture()
        self._last_picture: Picture | None = None

    def _pass(self, frame: WaitingFrame) -> None:
        capture = frame.capture
        assert capture is not None  # noqa: S101 - every live frame has one
        until_s = limit_s = frame.ready_ns / 1e9 + self._max_latency_s
        if self._feed.crowded:
            until_s = 0.0
        if self._credit.waiting:
            self._analyses.poll()
        reason = self._reach(frame, capture, until_s)
        state = self._state(frame, reason)
        behind = time.monotonic() > limit_s + BEHIND_S
        if frame.showings and (frame.stripped or behind):
            state, reason = "dropped", SLOW_ENCODER
        else:
            self._show(frame)
            self._last_picture = frame.picture or self._last_picture
            if frame.showings or self._sink is None:
                self._live.written(time.monotonic() - capture.arrived_ns / 1e9)
        if reason is not None:
            self._live.lost(reason)
        self._ledger.count(state, reason=reason)

    def _reach(self, frame: WaitingFrame, capture: Capture, until_s: float) -> str | None:
        """Bring the snapshots before and after up to this frame; why it has none of its own."""
        reason = BUSY if frame.unsent else None
        if frame.analysed:
            reason = self._arrive(frame, until_s)
        if reason is not None:
            self._results.lost(frame.index, frame.pts_ns, reason, capture)
            before = self._before
            if before and not self._after and frame.pts_ns - before.time_ns > VOUCHED_NS:
                self._lose_sight(frame.pts_ns)
        self._look_ahead(until_s)
        return reason

    def _state(self, frame: WaitingFrame, reason: str | None) -> FrameState:
        if reason is not None and not frame.showings:
            return "dropped"  # nothing came of it
        if reason not in (None, BUSY, LATE, AWAY):
            return "failed"
        return super()._state(frame, reason)

    def _known(self, picture: Picture, pts_ns: int) -> list[DrawnFace] | None:
        """As a file's, but no box stays for long while analyses are missing: that may be hours."""
        known, before = super()._known(picture, pts_ns), self._before
        vouched_ns = max(VOUCHED_NS, self._trusted_ns)
        if before and not self._after and pts_ns - before.time_ns > vouched_ns:
            return None
        return known

    def _lose_sight(self, since_ns: int) -> None:
        """From then on it is not known who is there."""
        self._summary.finish(since_ns)
        self._history.miss()

    def _bridge(self, waiting: WaitingGap) -> None:
        """Show the last picture once more, marked as old; tell of the outage when it is over."""
        gap = waiting.gap
        self._lose_sight(gap.since_ns)
        self._before = self._ahead = None
        self._progress.position_ns = gap.pts_ns
        length_ns = gap.pts_ns - gap.since_ns
        if gap.over:
            self._results.outage(gap, length_ns)
            self._live.outage()
        if self._sink is None or self._last_picture is None:
            return
        picture = self._stale.of(self._last_picture, length_ns // SECOND_NS)
        self._encode(self._sink, picture, waiting.showings)
