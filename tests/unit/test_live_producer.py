"""When a live source's pictures are handed on and analysed, and for how long they are shown."""

import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest

from mien.contract.frames import SECOND_NS, Capture, EndOfStream, Frame, Gap
from mien.contract.geometry import plan_analysis
from mien.contract.ledger import Ledger
from mien.contract.live import LONGEST_SILENCE_NS, Credit, LiveProgress
from mien.contract.pictures import Colour, Picture
from mien.contract.stage import StageClock
from mien.contract.waiting import WaitingFrame, WaitingGap
from mien.transport.memory import MemoryTransport
from producer.image_sender import ImageSender
from producer.live_producer import LiveProducer
from producer.opening import USUAL_TIMEOUTS_S
from producer.sampling import AnalysisSampler, ConstantRate, EveryFrame, OutputSampler
from producer.window import FrameWindow
from tests.analyses import SETTINGS

SIZE = (64, 48)


class Script:
    """A source that gives these frames and gaps, and looks after each at what has been sent."""

    skipped = corrupt = 0
    reason = "stopped"

    def __init__(self, items: Sequence[Frame | Gap]) -> None:
        self._items = items
        self.end_ns = items[-1].pts_ns + SECOND_NS
        self.transport = MemoryTransport()
        self.sent: list[int] = []

    def frames(self) -> Iterator[Frame | Gap]:
        work = self.transport.work()
        for item in self._items:
            yield item
            self.sent.append(len(work.take(9, 0)))


def frame(number: int, arrived_ns: int = 0) -> Frame:
    """The picture of a second of the stream."""
    pixels = np.zeros((SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
    capture = Capture(0, arrived_ns, 0)
    return Frame(number, number * SECOND_NS, Picture(pixels, *SIZE, Colour()), capture)


def run(source: Script, sampler: OutputSampler) -> list[WaitingFrame | WaitingGap]:
    """What is handed on."""
    window = FrameWindow(10**6)
    handed_on: list[WaitingFrame | WaitingGap] = []
    sender = ImageSender(
        "a", source.transport.stream("a", SETTINGS, live=True), AnalysisSampler(None),
        plan_analysis(*SIZE, analyze_size_px=64, min_face_px=None), SETTINGS, StageClock(),
    )  # fmt: skip
    LiveProducer(
        source=source, output_sampler=sampler, sender=sender, window=window, ledger=Ledger(),
        credit=Credit(), progress=LiveProgress(),
    ).run()  # fmt: skip
    while not isinstance(item := window.first(), EndOfStream):
        handed_on.append(item)
        window.release()
    return handed_on


def test_a_frame_that_waits_for_the_next_one_is_sent_to_be_analysed_at_once() -> None:
    source = Script([frame(0), frame(1), frame(2)])
    handed_on = run(source, ConstantRate(Fraction(10)))
    assert source.sent == [1, 1, 1]
    assert len(handed_on) == 3
    assert all(isinstance(item, WaitingFrame) and item.analysed for item in handed_on)


def test_a_frame_is_ready_once_it_is_known_for_how_long_it_shows() -> None:
    began_ns = time.monotonic_ns()
    gap = Gap(2 * SECOND_NS, SECOND_NS, 0, 0)
    first, last, _ = run(Script([frame(0, 5), frame(1, 7), gap]), ConstantRate(Fraction(10)))
    assert isinstance(first, WaitingFrame)
    assert isinstance(last, WaitingFrame)
    assert first.ready_ns == 7, "when the next one came"
    assert last.ready_ns >= began_ns, "when the gap was told"


def test_a_picture_that_does_not_wait_is_shown_as_long_as_the_one_before() -> None:
    handed_on = run(Script([frame(0), frame(1), frame(2)]), EveryFrame())
    shown_ns = [showing.duration_ns for item in handed_on for showing in item.showings]
    assert shown_ns == [SECOND_NS // 25, SECOND_NS, SECOND_NS]


def test_a_picture_is_not_repeated_for_as_long_as_the_machine_stood_still() -> None:
    handed_on = run(Script([frame(0), frame(3600), frame(3601)]), ConstantRate(Fraction(10)))
    assert [len(item.showings) for item in handed_on] == [350, 10, 10]
    starts_s = [showing.pts_ns / SECOND_NS for item in handed_on for showing in item.showings]
    assert starts_s == pytest.approx([n / 10 for n in (*range(350), *range(36_000, 36_020))])


def test_pictures_that_are_far_apart_leave_nothing_of_the_output_out() -> None:
    handed_on = run(Script([frame(0), frame(5), frame(34)]), ConstantRate(Fraction(10)))
    assert [len(item.showings) for item in handed_on] == [50, 290, 10]


def test_a_source_tells_of_a_gap_before_it_can_be_taken_for_a_standstill() -> None:
    assert 1.1 * max(USUAL_TIMEOUTS_S) * SECOND_NS < LONGEST_SILENCE_NS
