"""What a camera's muxer makes of outages, and of analyses that do not come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from mien.contract.analyses import AnalysisRecord, FrameAnalysis
from mien.contract.frames import SECOND_NS, Capture, EndOfStream, Gap
from mien.contract.geometry import AnalysisGeometry
from mien.contract.ledger import Ledger
from mien.contract.live import Credit, LiveProgress
from mien.contract.outputs import DrawnFace
from mien.contract.stage import Progress, StageClock
from mien.contract.waiting import Showing, WaitingFrame, WaitingGap
from mien.transport.memory import MemoryTransport
from producer.window import FrameWindow
from tests.analyses import SETTINGS, image
from tests.live import FRAME_NS, INFO, numbered, settings_for
from workers.annotation import Annotator
from workers.faces import FaceHistory
from workers.live_muxer import LiveMuxer
from workers.muxer import MuxerParts
from workers.outputs import open_sink
from workers.reorder import ReorderBuffer
from workers.results import NoResults
from workers.sink import Sink
from workers.summary import Summary

STEP_NS = SECOND_NS // 10


@dataclass
class Watched:
    """A camera that gives ten pictures a second, of one face that does not move."""

    items: list[WaitingFrame | WaitingGap] = field(default_factory=list)
    records: list[AnalysisRecord] = field(default_factory=list)
    now_ns: int = 0
    interval_ns: int = 0
    live: LiveProgress = field(default_factory=LiveProgress)

    def see(self, seconds: float) -> None:
        for _ in range(round(seconds * SECOND_NS) // STEP_NS):
            self._frame(STEP_NS, analysed=True)

    def be_unseen(self, seconds: int) -> None:
        """One picture a second that no analyzer has time for."""
        for _ in range(seconds):
            self._frame(SECOND_NS, unsent=True)

    def be_away(self, seconds: float) -> None:
        since_ns = self.now_ns
        for share in (0.5, 1.0):
            self.now_ns = since_ns + round(share * seconds * SECOND_NS)
            gap = Gap(self.now_ns, since_ns, 0, 0, over=share == 1.0)
            self.items.append(WaitingGap(gap, ()))

    def summary(self, sink: Sink | None = None, most_tracks: int | None = None) -> Summary:
        """What the muxer has counted at the end; it must not look ahead of a camera's own time."""
        window, summary = FrameWindow(10**9), Summary(most_tracks)
        for item in self.items:
            window.push(item)
        window.finish(EndOfStream(len(self.records), 0, self.now_ns, "stopped"))
        transport = MemoryTransport()
        port, work = transport.stream("a", SETTINGS, live=True), transport.work()
        for record in self.records:
            port.offer(image("a", record.index))
        for lease, record in zip(work.take(10**6, 0.0), self.records, strict=True):
            work.publish(lease, record)
        credit = Credit()
        parts = MuxerParts(
            feed=window, analyses=ReorderBuffer(port, credit), sink=sink, results=NoResults(),
            summary=summary,
            history=FaceHistory(AnalysisGeometry(640, 360, 640, 360, 24.0), 0.5), ledger=Ledger(),
            progress=Progress(), clock=StageClock(), hold=True, blur=False,
            interval_ns=self.interval_ns,
        )  # fmt: skip
        LiveMuxer(parts, max_latency_s=60.0, credit=credit, live=self.live).run()
        return summary

    def _frame(self, lasts_ns: int, *, analysed: bool = False, unsent: bool = False) -> None:
        index, came_ns = len(self.items), time.monotonic_ns()
        self.items.append(
            WaitingFrame(
                index, self.now_ns, None, (), analysed, 0, Capture(0, came_ns, 0), unsent, came_ns
            )
        )
        if analysed:
            self.records.append(AnalysisRecord(index, happy([100, 50, 200, 150])))
        self.now_ns += lasts_ns


def happy(*boxes: Sequence[float]) -> FrameAnalysis:
    probabilities = np.full((len(boxes), 7), 0.02, np.float32)
    probabilities[:, 3] = 0.88
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return FrameAnalysis(found, np.ones(len(boxes), np.float32), probabilities, "")


def seen_s(summary: Summary) -> dict[int, float]:
    """Seconds by track."""
    return {n: sum(track.shown_ns.values()) / SECOND_NS for n, track in summary.tracks.items()}


def test_nobody_was_seen_in_an_outage_and_who_comes_after_it_is_a_new_face() -> None:
    camera = Watched()
    camera.see(1)
    camera.be_away(8 * 3600)
    camera.see(2)
    assert seen_s(camera.summary()) == {1: 1.0, 2: 2.0}


def test_a_face_keeps_its_number_over_an_outage_of_less_than_a_second() -> None:
    camera = Watched()
    camera.see(1)
    camera.be_away(0.7)
    camera.see(2)
    assert seen_s(camera.summary()) == {1: 3.0}


def test_where_no_analyses_come_a_face_counts_as_seen_for_ten_seconds_more() -> None:
    camera = Watched()
    camera.see(1)
    camera.be_unseen(3600)
    camera.see(2)
    seen = seen_s(camera.summary())
    assert seen.keys() == {1, 2}
    assert 10 < seen[1] < 13
    assert seen[2] == 2.0


def test_a_face_keeps_its_number_where_analyzers_come_round_to_it_seldom() -> None:
    camera = Watched()
    for _ in range(10):
        camera.see(0.1)
        camera.be_unseen(3)
    assert seen_s(camera.summary()) == {1: 31.0}


def test_pictures_that_are_analysed_and_not_shown_do_not_count_as_written(tmp_path: Path) -> None:
    camera = Watched()
    camera.see(2)
    for number, item in enumerate(camera.items[::4]):
        assert isinstance(item, WaitingFrame)
        showing = Showing(item.pts_ns, FRAME_NS)
        shown = replace(item, picture=numbered(number), showings=(showing,))
        camera.items[item.index] = shown
    sink = open_sink(settings_for(tmp_path / "cam.mkv"), INFO, None)
    camera.summary(sink)
    (output,) = sink.finish()
    assert sum(camera.live.latency.counts().counts) == output.frames == 5


@pytest.mark.parametrize(("interval_s", "boxed_s"), [(0, 10), (60, 60)])
def test_no_box_stays_where_nobody_has_looked_for_ten_seconds_unless_so_few_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interval_s: int, boxed_s: int
) -> None:
    known: list[Sequence[DrawnFace] | None] = []
    monkeypatch.setattr(Annotator, "draw", lambda self, picture, faces: known.append(faces))
    camera = Watched(interval_ns=interval_s * SECOND_NS)
    camera.see(0.1)
    camera.be_unseen(100)
    camera.see(0.1)
    camera.items = [
        replace(item, picture=numbered(1), showings=(Showing(item.pts_ns, FRAME_NS),))
        for item in camera.items
        if isinstance(item, WaitingFrame)
    ]
    sink = open_sink(settings_for(tmp_path / "cam.mkv"), INFO, None)
    camera.summary(sink)
    sink.abort()
    boxes = [None if faces is None else len(faces) for faces in known]
    assert boxes == [1] * (boxed_s + 1) + [None] * (100 - boxed_s) + [1]


def test_where_there_is_no_video_every_analysed_picture_counts_as_written() -> None:
    camera = Watched()
    camera.see(2)
    camera.summary()
    assert sum(camera.live.latency.counts().counts) == 20
