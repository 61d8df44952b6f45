"""Stage 1 for a source that does not wait: what cannot be handled in time is given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

from mien.contract.analyses import AnalysisImage, AnalysisSettings
from mien.contract.frames import EndOfStream, Frame, Gap
from mien.contract.geometry import AnalysisGeometry
from mien.contract.ledger import Ledger
from mien.contract.live import SLOW_DECODER, Credit, LiveProgress
from mien.contract.stage import StageClock
from mien.contract.waiting import Showing, WaitingFrame, WaitingGap
from mien.transport.ports import StreamPort
from producer.analysis_image import shrink
from producer.sampling import AnalysisSampler, OutputSampler
from producer.timestamps import LAST_RESORT_S, to_ns
from producer.window import FrameWindow

LONGEST_STEP_NS = 1_000_000_000
"""No frame is taken to be shown for longer, before the next one's time is known."""

CORRUPT = "corrupt"
"""The reason of packets that gave no picture."""


class LiveFrameSource(Protocol):
    """What the producer needs of a live source (`producer.live.LiveSource` is one)."""

    @property
    def corrupt(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def reason(self) -> str: ...

    def frames(self) -> Iterator[Frame | Gap]: ...


class LiveProducer:
    """Feeds one live stream's window and work queue, and never waits for room in either.

    A frame is handed on at once, but where the output has a constant rate: there, it is known
    with the next one how often it is shown. A frame is sent to be analysed only where its
    analysis can be hoped for in time.
    """

    def __init__(
        self,
        *,
        stream: str,
        source: LiveFrameSource,
        window: FrameWindow,
        port: StreamPort,
        ledger: Ledger,
        output_sampler: OutputSampler,
        analysis_sampler: AnalysisSampler,
        geometry: AnalysisGeometry,
        settings: AnalysisSettings,
        clock: StageClock,
        credit: Credit,
        progress: LiveProgress,
    ) -> None:
        self._stream = stream
        self._source = source
        self._window = window
        self._port = port
        self._ledger = ledger
        self._output_sampler = output_sampler
        self._analysis_sampler = analysis_sampler
        self.geometry = geometry
        self._settings = settings
        self._clock = clock
        self._credit = credit
        self._progress = progress
        self._stopped = threading.Event()
        self._skipped = self._corrupt = 0  # those that are in the books
        self._before: Frame | Gap | None = None
        self._last_ns = 0
        self._step_ns = to_ns(LAST_RESORT_S)

    def stop(self) -> None:
        """End the stream after the frame that is read now, as if the source had ended."""
        self._stopped.set()

    def run(self) -> None:
        """Read the source until it is stopped; raises `Closed` when the run is."""
        count = 0
        reason = ""
        for item in self._source.frames():
            count += isinstance(item, Frame)
            self._take(item)
            self._tell_losses()
            if self._stopped.is_set():
                reason = "stopped"
                break
        end_ns = self._source.end_ns
        if self._before is not None:
            self._hand_on(self._before, end_ns, last=True)
        self._tell_losses()
        reason = reason or self._source.reason
        self._window.finish(EndOfStream(count + self._skipped, self._corrupt, end_ns, reason))

    def _take(self, item: Frame | Gap) -> None:
        if self._output_sampler.immediate:
            self._step_ns = max(1, min(item.pts_ns - self._last_ns, LONGEST_STEP_NS))
            self._last_ns = item.pts_ns
            self._hand_on(item, item.pts_ns + self._step_ns, last=False)
            return
        if self._before is not None:
            self._hand_on(self._before, item.pts_ns, last=False)
        self._before = item

    def _tell_losses(self) -> None:
        """Put what the source has lost since the last time into the books."""
        skipped, corrupt = self._source.skipped, self._source.corrupt
        if skipped > self._skipped:
            self._ledger.count("dropped", skipped - self._skipped, SLOW_DECODER)
            self._progress.lost(SLOW_DECODER, skipped - self._skipped)
        if corrupt > self._corrupt:
            self._ledger.count("corrupt", corrupt - self._corrupt)
            self._progress.lost(CORRUPT, corrupt - self._corrupt)
        self._skipped, self._corrupt = skipped, corrupt

    def _hand_on(self, item: Frame | Gap, next_ns: int, *, last: bool) -> None:
        if isinstance(item, Frame):
            self._hand_on_frame(item, next_ns, last=last)
        elif item.over:
            self._window.push(WaitingGap(item, ()))
        else:
            showings = self._output_sampler.showings(item.pts_ns, next_ns, last=last)
            self._window.push(WaitingGap(item, showings))

    def _hand_on_frame(self, frame: Frame, next_ns: int, *, last: bool) -> None:
        showings = self._output_sampler.showings(frame.pts_ns, next_ns, last=last)
        wanted = self._analysis_sampler.wants(frame.pts_ns)
        if not showings and not wanted:
            self._ledger.count("sampled-out")
            return
        if wanted and self._credit.take(frame.index):
            self._send(frame, showings)
        else:
            self._keep(frame, showings, unsent=wanted)

    def _send(self, frame: Frame, showings: tuple[Showing, ...]) -> None:
        with self._clock.time("shrink"):
            image = shrink(frame.picture, self.geometry)
        picture = frame.picture if showings else None
        held = {id(part): part.nbytes for part in (picture, image) if part is not None}
        self._window.push(
            WaitingFrame(
                frame.index, frame.pts_ns, picture, showings, analysed=True,
                nbytes=sum(held.values()), capture=frame.capture,
            )
        )  # fmt: skip
        self._port.offer(AnalysisImage(self._stream, frame.index, image, self._settings))

    def _keep(self, frame: Frame, showings: tuple[Showing, ...], *, unsent: bool) -> None:
        picture = frame.picture if showings else None
        nbytes = picture.nbytes if picture is not None else 0
        self._window.push(
            WaitingFrame(
                frame.index, frame.pts_ns, picture, showings, analysed=False, nbytes=nbytes,
                capture=frame.capture, unsent=unsent,
            )
        )  # fmt: skip
