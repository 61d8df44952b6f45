"""Stage 1 for a source that does not wait: what cannot be handled in time is given up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mien.contract.frames import SECOND_NS, EndOfStream, EndReason, Frame, Gap
from mien.contract.ledger import Ledger
from mien.contract.live import LONGEST_SILENCE_NS, SLOW_DECODER, Credit, LiveProgress
from mien.contract.pictures import Picture
from mien.contract.waiting import Showing, WaitingFrame, WaitingGap
from producer.image_sender import ImageSender, held_bytes
from producer.sampling import OutputSampler
from producer.timestamps import LAST_RESORT_S, to_ns
from producer.window import FrameWindow

LONGEST_STEP_NS = SECOND_NS
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
    def reason(self) -> EndReason: ...

    def frames(self) -> Iterator[Frame | Gap]: ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame or gap, and what became of its analysis."""

    item: Frame | Gap
    image: Picture | None = None
    """What was sent to be analysed; None where nothing was."""
    unsent: bool = False
    """Whether it was to be analysed, and was not sent since its analysis would have come late."""


class LiveProducer:
    """Feeds one live stream's window and work queue, and never waits for room in either.

    A frame is handed on at once, but where the output has a constant rate: there, it is known
    with the next one how often it is shown. A frame is sent to be analysed at once, and only where
    its analysis can be hoped for in time.
    """

    def __init__(
        self,
        *,
        source: LiveFrameSource,
        output_sampler: OutputSampler,
        sender: ImageSender,
        window: FrameWindow,
        ledger: Ledger,
        credit: Credit,
        progress: LiveProgress,
    ) -> None:
        self._source = source
        self._output_sampler = output_sampler
        self._sender = sender
        self._window = window
        self._ledger = ledger
        self._credit = credit
        self._progress = progress
        self._skipped = self._corrupt = 0  # those that are in the books
        self._before: Taken | None = None
        self._last_ns: int | None = None
        self._step_ns = to_ns(LAST_RESORT_S)

    def run(self) -> None:
        """Read the source until it is stopped; raises `Closed` when the run is."""
        count = 0
        for item in self._source.frames():
            count += isinstance(item, Frame)
            self._take(item)
            self._tell_losses()
        end_ns = self._source.end_ns
        if self._before is not None:
            self._hand_on(self._before, end_ns, time.monotonic_ns(), last=True)
        self._tell_losses()
        count += self._skipped
        self._window.finish(EndOfStream(count, self._corrupt, end_ns, self._source.reason))

    def _take(self, item: Frame | Gap) -> None:
        taken, came_ns = self._taken(item), _arrived_ns(item)
        if self._output_sampler.immediate:
            if self._last_ns is not None:
                self._step_ns = max(1, min(item.pts_ns - self._last_ns, LONGEST_STEP_NS))
            self._last_ns = item.pts_ns
            self._hand_on(taken, item.pts_ns + self._step_ns, came_ns, last=False)
            return
        if self._before is not None:
            self._hand_on(self._before, item.pts_ns, came_ns, last=False)
        self._before = taken

    def _taken(self, item: Frame | Gap) -> Taken:
        """Send a frame that is to be analysed on its way, though it may have to wait here."""
        if isinstance(item, Gap) or not self._sender.wants(item.pts_ns):
            return Taken(item)
        if not self._credit.take(item.index):
            return Taken(item, unsent=True)
        image = self._sender.image_of(item.picture)
        self._sender.send(item.index, image)
        return Taken(item, image)

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

    def _hand_on(self, taken: Taken, next_ns: int, ready_ns: int, *, last: bool) -> None:
        """next_ns: how long it is shown; ready_ns: since when that is known."""
        item = taken.item
        if isinstance(item, Gap) and item.over:
            self._window.push(WaitingGap(item, ()))
            return
        next_ns = min(next_ns, item.pts_ns + LONGEST_SILENCE_NS)
        showings = self._output_sampler.showings(item.pts_ns, next_ns, last=last)
        if isinstance(item, Gap):
            self._window.push(WaitingGap(item, showings))
        elif showings or taken.image is not None or taken.unsent:
            self._push(item, taken, showings, ready_ns)
        else:
            self._ledger.count("sampled-out")

    def _push(
        self, frame: Frame, taken: Taken, showings: tuple[Showing, ...], ready_ns: int
    ) -> None:
        picture, image = frame.picture if showings else None, taken.image
        self._window.push(
            WaitingFrame(
                frame.index, frame.pts_ns, picture, showings, analysed=image is not None,
                nbytes=held_bytes(picture, image), capture=frame.capture, unsent=taken.unsent,
                ready_ns=ready_ns,
            )
        )  # fmt: skip


def _arrived_ns(item: Frame | Gap) -> int:
    """When it came, by `time.monotonic_ns`; a gap comes when it is told."""
    capture = item.capture if isinstance(item, Frame) else None
    return time.monotonic_ns() if capture is None else capture.arrived_ns
