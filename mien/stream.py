"""One stream from its source to its files, over any transport; the analyzers are elsewhere."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from mien.contract.analyses import AnalysisSettings
from mien.contract.atomic import AtomicFile
from mien.contract.frames import SECOND_NS, EndOfStream, SourceInfo
from mien.contract.geometry import AnalysisGeometry, plan_analysis
from mien.contract.ledger import Ledger
from mien.contract.live import Credit, LiveProgress
from mien.contract.outputs import OutputSettings
from mien.contract.requests import RunRequest
from mien.contract.stage import Progress, StageClock
from mien.report import Provenance, write_report
from mien.stream_stats import StreamStats, short_reason
from mien.transport.ports import Transport
from mien.window_budget import WindowBudget
from producer.addresses import local_path
from producer.audio import AudioFeed
from producer.image_sender import ImageSender
from producer.live import LiveSource
from producer.live_producer import LiveProducer
from producer.producer import Producer
from producer.sampling import AnalysisSampler, ConstantRate, EveryFrame, NoFrame, OutputSampler
from producer.source import Source
from producer.window import FrameWindow
from workers.containers import constant_fps
from workers.faces import FaceHistory
from workers.file_muxer import FileMuxer
from workers.live_muxer import LiveMuxer
from workers.muxer import Muxer, MuxerParts
from workers.outputs import check_outputs, open_sink
from workers.reorder import ReorderBuffer
from workers.results import open_results
from workers.results_port import Results
from workers.sink import OutputHealth, OutputSummary, Sink
from workers.summary import Summary, TrackSummary

STREAM = "local"
"""Name of a process's only stream; over a server every job has a name of its own, since attempts
at the same name share their analyses."""

_log = logging.getLogger(__name__)

MOST_LIVE_TRACKS = 1000
"""A camera sees new faces for ever; of older ones only the results know. A file's are all in the
report: at some 500 bytes each (and 2 kB while it is written), 100,000 of them take 50 MB."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave, for the person who waits for it."""

    info: SourceInfo
    end: EndOfStream
    progress: Progress
    tracks: list[TrackSummary]
    outputs: list[OutputSummary]
    results: Path | None
    report: Path | None
    seconds: Mapping[str, float]
    """Wall seconds by step, over all threads, and `wall`: from the opened source to the finished
    files."""
    missing_ns: int
    """Time of which a damaged file lost the pictures, about."""


class Stream:
    """Producer, window and muxer of one source, wired together.

    `produce` and `mux` run side by side, each in a thread of the caller's; `stop` wakes both.
    Then `finish` puts the files in place, or `abort` leaves nothing behind.
    """

    def __init__(
        self,
        request: RunRequest,
        source: Source | LiveSource,
        transport: Transport,
        *,
        weights: Mapping[str, object],
        clock: StageClock,
        results: Results | None = None,
        name: str = STREAM,
        source_mark: str = "",
        again: bool = False,
    ) -> None:
        """Opens the files.

        source_mark: analyses of an attempt with another one are not used.
        again: an earlier attempt has opened the files before; a live stream's results are added
            to.
        """
        self._request = request
        self._name = name
        self._source = source
        self._camera = source if isinstance(source, LiveSource) else None
        self._weights = weights
        self._clock = clock
        self._begin = time.perf_counter()
        self.info = source.info
        self.is_live = self._camera is not None
        self.progress = Progress(live=LiveProgress() if self.is_live else None)
        self._credit = Credit(max_latency_s=request.max_latency_s)
        self._ledger = Ledger()
        self._summary = Summary(MOST_LIVE_TRACKS if self.is_live else None)
        self._end: EndOfStream | None = None
        self.geometry, self.settings = self._plan()
        self._budget = WindowBudget(request, self.info, self.geometry)
        self._window = FrameWindow(self._budget.window_bytes)
        check_outputs(request.outputs, self.info.kind)
        outputs = [_with_rate(output, self.info) for output in request.outputs]
        with ExitStack() as begun:
            self._sink = _open_sink(outputs, request.source, source)
            if self._sink is not None:
                begun.callback(self._sink.abort)
            # after the sink: a camera's results of before are gone once new ones are open
            self._results = results or open_results(
                request.results,
                overwrite=request.overwrite and not (again and self.is_live),
                live=self.is_live,
                abstains=request.analysis.abstain is not None,
            )
            begun.callback(self._results.abort)
            self._port = transport.stream(
                name, self.settings, live=self.is_live, source_mark=source_mark
            )
            self._begun = begun.pop_all()
        self._producer = self._make_producer(outputs)
        if self.is_live and (longest_s := self._budget.longest_wait_s) < request.max_latency_s:
            _log.warning("pictures wait %.1f s at most, since no more fit into memory", longest_s)

    @property
    def is_remote(self) -> bool:
        """Whether the source is read from a net or a device, which may not answer."""
        return local_path(self._request.source) is None

    def live_status(self) -> dict[str, object]:
        """What is told of a live stream while it runs; empty for others."""
        camera, live = self._camera, self.progress.live
        if camera is None or live is None:
            return {}
        return {
            **live.as_dict(),
            "reconnects": camera.reconnects,
            "trouble": camera.trouble,
            "size_changes": camera.changes,
            "outputs": [dataclasses.asdict(health) for health in self._health()],
        }

    def stats(self) -> StreamStats:
        """All that has been counted so far; may be asked from any thread, and after the end."""
        camera, live, frames = self._camera, self.progress.live, Counter[tuple[str, str]]()
        for (state, reason), count in self._ledger.counts().items():
            frames[state, short_reason(reason)] += count
        return StreamStats(
            frames=dict(frames),
            faces=dict(self._summary.expressions),
            reconnects=dict(camera.reconnects_by) if camera else {},
            stages=self._clock.histograms(),
            latency=live.latency.counts() if live else None,
            up=not (camera and camera.trouble),
            fps=live.fps if live else 0.0,
            window_bytes=self._window.nbytes,
            outputs=tuple(health.fine for health in self._health()),
        )

    def _health(self) -> list[OutputHealth]:
        return [] if self._sink is None else self._sink.health()

    def produce(self) -> None:
        """Read the source to its end."""
        self._producer.run()

    def mux(self) -> None:
        """Write every frame until the source's counted end."""
        self._end = self._make_muxer().run()

    def end_early(self) -> None:
        """End a camera with what it has given so far; an outage that lasts is told as well."""
        if self._camera is not None:
            self._camera.stop()

    def stop(self) -> None:
        """Wake both stages; they raise `Closed`."""
        self.end_early()
        self._window.close()
        self._port.close()

    def finish(self, *, goes_on: bool = False) -> Outcome:
        """Check the books and put the files in place, after both stages have returned.

        All of them are finished before the first gets its name: where one fails, none is there.

        goes_on: another attempt at a camera follows; its viewers are not told of an end.

        Raises:
            OutputError: a file cannot be written or does not read back.
            LedgerError: a frame was lost.
            Superseded: a newer attempt at the stream has begun; nothing is put in place.
        """
        end = self._end
        assert end is not None  # noqa: S101 - a muxer that returned has set it
        self._ledger.check(end.frame_count, end.corrupt)
        self._port.confirm()
        provenance = Provenance(
            self._request, self.info, self.geometry, self._weights, self._port.numerics()
        )
        outputs = self._finish_sink(goes_on=goes_on)
        self._results.finish(provenance)
        wall_s = time.perf_counter() - self._begin
        outcome = Outcome(
            info=self.info,
            end=end,
            progress=self.progress,
            tracks=[self._summary.tracks[number] for number in sorted(self._summary.tracks)],
            outputs=outputs,
            results=self._request.results,
            report=self._request.report,
            seconds=self._clock.as_dict() | {"wall": round(wall_s, 3)},
            missing_ns=self._source.missing_ns,
        )
        report = self._write_report(provenance, outcome)
        self._port.confirm()
        for file in (self._sink, self._results, report):
            if file is not None:
                file.commit()
        return outcome

    def abort(self) -> None:
        """Leave nothing half-written; does nothing to what is in place already."""
        self._port.close()
        self._begun.close()

    def _finish_sink(self, *, goes_on: bool) -> list[OutputSummary]:
        if self._sink is None:
            return []
        with self._clock.time("finish"):
            return self._sink.finish(goes_on=goes_on)

    def _write_report(self, provenance: Provenance, outcome: Outcome) -> AtomicFile | None:
        if self._request.report is None:
            return None
        account = {
            "end": outcome.end,
            "missing_s": round(outcome.missing_ns / 1e9, 3),
            "frames": self._ledger.as_dict(),
            "seconds": outcome.seconds,
            "tracks": [track.as_dict() for track in outcome.tracks],
            "outputs": outcome.outputs,
        }
        if self.is_live:
            account["live"] = self.live_status()
        overwrite = self._request.overwrite
        report = write_report(self._request.report, provenance, account, overwrite=overwrite)
        self._begun.callback(report.abort)
        return report

    def _plan(self) -> tuple[AnalysisGeometry, AnalysisSettings]:
        analysis = self._request.analysis
        geometry = plan_analysis(
            self.info.width,
            self.info.height,
            analyze_size_px=analysis.analyze_size_px,
            min_face_px=analysis.min_face_px,
        )
        settings = AnalysisSettings(
            detector=analysis.detector,
            min_face_px=round(geometry.min_face_px, 3),
            min_confidence=analysis.min_confidence,
            views=analysis.views,
            weights_sha256=str(self._weights["sha256"]),
        )
        return geometry, settings

    def _make_producer(self, outputs: Sequence[OutputSettings]) -> Producer | LiveProducer:
        sampler, live = _output_sampler(outputs), self.progress.live
        sender = ImageSender(
            self._name, self._port, AnalysisSampler(self._request.analysis.analyze_fps),
            self.geometry, self.settings, self._clock,
        )  # fmt: skip
        if isinstance(self._source, LiveSource):
            assert live is not None  # noqa: S101 - every camera has one
            return LiveProducer(
                source=self._source, output_sampler=sampler, sender=sender, window=self._window,
                ledger=self._ledger, credit=self._credit, progress=live,
            )  # fmt: skip
        return Producer(
            source=self._source, output_sampler=sampler, sender=sender, window=self._window,
            ledger=self._ledger, clock=self._clock,
        )  # fmt: skip

    def _make_muxer(self) -> Muxer:
        request, live = self._request, self.progress.live
        parts = MuxerParts(
            feed=self._window,
            analyses=ReorderBuffer(self._port, self._credit if live else None),
            history=FaceHistory(
                self.geometry, request.analysis.smoothing_s, request.analysis.abstain
            ),
            sink=self._sink,
            results=self._results,
            summary=self._summary,
            ledger=self._ledger,
            progress=self.progress,
            clock=self._clock,
            hold=self._budget.must_hold,
            blur=any(output.blur for output in request.outputs),
            interval_ns=_interval_ns(request.analysis.analyze_fps),
        )
        if live is None:
            return FileMuxer(parts)
        return LiveMuxer(parts, live=live, credit=self._credit, max_latency_s=request.max_latency_s)


def _with_rate(output: OutputSettings, info: SourceInfo) -> OutputSettings:
    """The output's settings with the rate that its container insists on, if it does."""
    if info.kind == "photo":
        return dataclasses.replace(output, fps=None)  # it is shown once, whatever the rate
    if output.fps is not None or info.kind == "live":
        return output
    return dataclasses.replace(output, fps=constant_fps(output.path, info))


def _open_sink(
    outputs: Sequence[OutputSettings], name: str, source: Source | LiveSource
) -> Sink | None:
    if not outputs:
        return None
    heard = source.info.kind == "video"
    audio = AudioFeed(name, restarts=source.restarts) if heard else None
    try:
        return open_sink(outputs, source.info, audio)
    except BaseException:
        if audio is not None:
            audio.close()
        raise


def _output_sampler(outputs: Sequence[OutputSettings]) -> OutputSampler:
    if not outputs:
        return NoFrame()
    fps = outputs[0].fps  # all have the same
    return EveryFrame() if fps is None else ConstantRate(fps)


def _interval_ns(analyze_fps: Fraction | None) -> int:
    """From one analysis to the next; every picture has its own where no rate is asked for."""
    return 0 if analyze_fps is None else math.ceil(SECOND_NS / analyze_fps)
