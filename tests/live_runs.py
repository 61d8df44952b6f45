"""Live streams from a camera to files, as `mien run` has them, with a pipeline of the test's."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from mien.contract.ledger import FRAME_STATES
from mien.contract.live import BUSY, LATE, SLOW_DECODER, SLOW_ENCODER
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Picture
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.contract.stage import StageClock
from mien.stages import StageGroup
from mien.stream import Outcome, Stream
from mien.transport.memory import MemoryTransport
from mien.transport.ports import Transport
from producer.opening import Timeouts
from producer.source import open_source
from tests.cameras import Camera
from tests.pipelines import OneFace
from tests.watcher import QUICK
from workers.analyzer import Analyzer
from workers.sink import Sink

BEHIND = {BUSY, LATE, SLOW_DECODER, SLOW_ENCODER}
"""Reasons for which a machine with other things to do gives up pictures of a camera."""


RUNNING: list[Run] = []
"""Those that nobody has ended yet."""


class SlowSink:
    """A sink that takes its time, as an encoder does on a busy machine."""

    def __init__(self, sink: Sink, seconds_s: float) -> None:
        self._sink, self._seconds_s = sink, seconds_s
        self.finish, self.commit = sink.finish, sink.commit
        self.abort, self.health = sink.abort, sink.health

    def write(self, picture: Picture, pts_ns: int, duration_ns: int) -> None:
        time.sleep(self._seconds_s)
        self._sink.write(picture, pts_ns, duration_ns)


class Run:
    """What `mien run` does with a camera, with another pipeline."""

    def __init__(
        self,
        request: RunRequest,
        pipeline: OneFace | None = None,
        *,
        write_s: float = 0.0,
        transport: Transport | None = None,
        attended: bool = True,
        timeout_s: Timeouts = QUICK,
    ) -> None:
        """attended: whether an analyzer is there from the beginning; else see `attend`."""
        self._eyes = pipeline or OneFace()
        self._transport, clock = transport or MemoryTransport(), StageClock()
        self._source = open_source(request.source, timeout_s=timeout_s)
        try:
            self.stream = Stream(
                request, self._source, self._transport, weights={"sha256": "0" * 64}, clock=clock
            )
        except BaseException:
            self._transport.close()
            self._source.close()
            raise
        RUNNING.append(self)
        if write_s:
            assert self.stream._sink is not None
            self.stream._sink = SlowSink(self.stream._sink, write_s)
        self._group = StageGroup(self._stop)
        self._group.start("producer", self.stream.produce)
        self._muxer = self._group.start("muxer", self.stream.mux)
        work = self._transport.work()
        self._analyzer = Analyzer(work, lambda _: self._eyes, batch=8, clock=clock)
        if attended:
            self.attend()

    def attend(self) -> None:
        """Begin to analyse."""
        self._group.start("analyzer", self._analyzer.run)

    def _stop(self) -> None:
        self.stream.stop()
        self._transport.close()

    def wait_for(self, frames: int, limit_s: float = 60) -> None:
        deadline = time.monotonic() + limit_s
        while self.stream.progress.frames < frames and self._muxer.is_alive():
            assert time.monotonic() < deadline, self.stream.live_status()
            time.sleep(0.02)

    def wait_back(self, limit_s: float = 60) -> None:
        """Wait for the camera's return, and for a second of it."""
        deadline = time.monotonic() + limit_s
        while self.stream.live_status()["reconnects"] == 0:
            assert time.monotonic() < deadline, self.stream.live_status()
            time.sleep(0.02)
        self.wait_for(self.stream.progress.frames + 25)

    def end(self) -> Outcome:
        """As Ctrl-C does."""
        try:
            self.stream.end_early()
            self._muxer.join()
            self._analyzer.drain()
            self._group.join()
            return self.stream.finish()
        finally:
            self.abort()

    def abort(self) -> None:
        """End it whatever it does; does nothing where it has ended."""
        if self not in RUNNING:
            return
        RUNNING.remove(self)
        self._stop()
        with suppress(BaseException):  # whoever aborts it has a failure of his own
            self._group.join(lambda: True)
        self.stream.abort()
        self._source.close()


def request_for(
    camera: Camera, folder: Path, *, port: int | None = None, **changes: object
) -> RunRequest:
    """port: of a proxy before the camera."""
    return request_of(camera.url(port=port), folder, **changes)


def request_of(source: str, folder: Path, **changes: object) -> RunRequest:
    """A run of a live source whose output, results and report are in the folder."""
    settings: dict[str, object] = {
        "analysis": AnalysisRequest(),
        "outputs": (OutputSettings(folder / "out.mp4", None),),
        "results": folder / "results.jsonl",
        "report": folder / "report.json",
    }
    return RunRequest(source, **(settings | changes))  # type: ignore[arg-type]


def lines_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def check_books(folder: Path, outcome: Outcome) -> dict[str, int]:
    """Every frame has one state; the reasons of losses."""
    frames = json.loads((folder / "report.json").read_text())["frames"]
    total = outcome.end.frame_count + outcome.end.corrupt
    assert sum(frames[state] for state in FRAME_STATES) == total
    reasons: dict[str, int] = frames["reasons"]
    return reasons


def check_hardly_any_lost(folder: Path, outcome: Outcome) -> None:
    """The books add up, and no picture was given up but for want of time, and few."""
    reasons = check_books(folder, outcome)
    assert set(reasons) <= BEHIND
    assert sum(reasons.values()) <= 0.2 * outcome.end.frame_count
