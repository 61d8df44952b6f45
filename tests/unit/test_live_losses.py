"""What a live source loses is in the books at once, and once."""

from collections.abc import Iterator

import numpy as np

from mien.contract.frames import Capture, EndOfStream, Frame, Gap
from mien.contract.geometry import plan_analysis
from mien.contract.ledger import Ledger
from mien.contract.live import SLOW_DECODER, Credit, LiveProgress
from mien.contract.pictures import Colour, Picture
from mien.contract.stage import StageClock
from mien.transport.memory import MemoryTransport
from producer.image_sender import ImageSender
from producer.live_producer import CORRUPT, LiveProducer
from producer.sampling import AnalysisSampler, NoFrame
from producer.window import FrameWindow
from tests.analyses import SETTINGS

SIZE = (64, 48)
STEP_NS = 40_000_000


class Losing:
    """A source that loses three packets and damages one before every frame or gap."""

    reason = "stopped"

    def __init__(self, count: int) -> None:
        self._count = count
        self.skipped = self.corrupt = 0
        self.end_ns = count * STEP_NS
        self.books: list[tuple[int, int]] = []
        self.ledger = Ledger()

    def frames(self) -> Iterator[Frame | Gap]:
        pixels = np.zeros((SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
        for number in range(self._count):
            self.skipped += 3
            self.corrupt += 1
            at_ns = number * STEP_NS
            if number % 2:
                yield Gap(at_ns, at_ns - STEP_NS, 0, 0)
            else:
                picture = Picture(pixels, *SIZE, Colour())
                yield Frame(number // 2, at_ns, picture, Capture(0, 0, 0))
            counts = self.ledger.counts()
            self.books.append((counts["dropped", SLOW_DECODER], counts["corrupt", None]))
        self.skipped += 2  # after the last picture


def run(source: Losing) -> tuple[LiveProgress, EndOfStream]:
    window, progress = FrameWindow(10**6), LiveProgress()
    sender = ImageSender(
        "a", MemoryTransport().stream("a", SETTINGS, live=True), AnalysisSampler(None),
        plan_analysis(*SIZE, analyze_size_px=64, min_face_px=None), SETTINGS, StageClock(),
    )  # fmt: skip
    LiveProducer(
        source=source, output_sampler=NoFrame(), sender=sender, window=window,
        ledger=source.ledger, credit=Credit(), progress=progress,
    ).run()  # fmt: skip
    while not isinstance(item := window.first(), EndOfStream):
        window.release()
    return progress, item


def test_losses_are_told_with_every_frame_and_every_gap() -> None:
    source = Losing(6)
    run(source)
    assert source.books == [(3 * number, number) for number in range(1, 7)]


def test_losses_are_counted_once_and_to_the_end() -> None:
    source = Losing(6)
    progress, end = run(source)
    counts = source.ledger.counts()
    assert counts["dropped", SLOW_DECODER] == 20
    assert counts["corrupt", None] == end.corrupt == 6
    assert end.frame_count == 3 + 20
    assert progress.as_dict()["drops"] == {SLOW_DECODER: 20, CORRUPT: 6}
