"""Stage 1: reads a source, decides what is shown and what is analysed, and hands frames on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mien.contract.frames import EndOfStream, EndReason, Frame
from mien.contract.ledger import Ledger
from mien.contract.stage import StageClock
from mien.contract.waiting import WaitingFrame
from producer.image_sender import ImageSender, held_bytes
from producer.sampling import OutputSampler
from producer.window import FrameWindow


class FrameSource(Protocol):
    """What the producer needs of a source that ends (`producer.source.Source` is one)."""

    @property
    def corrupt(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def reason(self) -> EndReason: ...

    def frames(self) -> Iterator[Frame]: ...


class Producer:
    """Feeds one stream's window and work queue.

    A frame is handed on when the next one's time is known, since only then is it known how long
    it is shown. It must not look at pixels beyond shrinking them.
    """

    def __init__(
        self,
        *,
        source: FrameSource,
        output_sampler: OutputSampler,
        sender: ImageSender,
        window: FrameWindow,
        ledger: Ledger,
        clock: StageClock,
    ) -> None:
        self._source = source
        self._output_sampler = output_sampler
        self._sender = sender
        self._window = window
        self._ledger = ledger
        self._clock = clock

    def run(self) -> None:
        """Read the source to its end; raises `Closed` when the run is stopped."""
        before: Frame | None = None
        count = 0
        for frame in self._clock.timed("decode", self._source.frames()):
            count += 1
            if before is not None:
                self._hand_on(before, frame.pts_ns, last=False)
            before = frame
        end_ns = self._source.end_ns
        if before is not None:
            self._hand_on(before, end_ns, last=True)
        corrupt, reason = self._source.corrupt, self._source.reason
        self._ledger.count("corrupt", corrupt)
        self._window.finish(EndOfStream(count, corrupt, end_ns, reason))

    def _hand_on(self, frame: Frame, next_ns: int, *, last: bool) -> None:
        showings = self._output_sampler.showings(frame.pts_ns, next_ns, last=last)
        analysed = self._sender.wants(frame.pts_ns)
        if not showings and not analysed:
            self._ledger.count("sampled-out")
            return
        picture = frame.picture if showings else None
        image = self._sender.image_of(frame.picture) if analysed else None
        nbytes = held_bytes(picture, image)
        self._window.put(
            WaitingFrame(frame.index, frame.pts_ns, picture, showings, analysed, nbytes)
        )
        if image is not None:
            self._sender.send(frame.index, image)
