"""What every transport promises; the same tests run over each of them."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from mien.contract.analyses import AnalysisImage, AnalysisRecord, AnalysisSettings, FrameAnalysis
from mien.contract.pictures import Colour, Picture
from mien.transport.memory import MemoryTransport
from mien.transport.ports import Closed, Transport

SETTINGS = AnalysisSettings("mtcnn", 24.0, 0.9, "single", "0" * 64)


@pytest.fixture(params=["memory"])
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    opened = MemoryTransport()
    yield opened
    opened.close()


def image(stream: str, index: int) -> AnalysisImage:
    pixels = np.full((6, 4), index % 256, np.uint8)
    return AnalysisImage(stream, index, Picture(pixels, 4, 4, Colour()), SETTINGS)


def record(index: int) -> AnalysisRecord:
    nothing = np.zeros((0, 4), np.float32)
    probabilities = np.zeros((0, 7), np.float32)
    return AnalysisRecord(index, FrameAnalysis(nothing, None, probabilities, SETTINGS.sha256))


def test_work_is_handed_out_oldest_first_and_once(transport: Transport) -> None:
    stream = transport.stream("a")
    for index in range(5):
        stream.offer(image("a", index))
    work = transport.work()
    first, second = work.take(3, 1), work.take(3, 1)
    assert [lease.image.index for lease in first + second] == [0, 1, 2, 3, 4]
    assert all(lease.deliveries == 1 for lease in first + second)
    assert work.take(3, 0.01) == []


def test_pixels_and_settings_arrive_as_they_were_sent(transport: Transport) -> None:
    sent = image("a", 7)
    transport.stream("a").offer(sent)
    (lease,) = transport.work().take(1, 1)
    assert lease.image.settings == SETTINGS
    assert lease.image.picture.colour == sent.picture.colour
    assert np.array_equal(lease.image.picture.data, sent.picture.data)


def test_results_come_to_the_stream_that_asked_in_order_of_publication(
    transport: Transport,
) -> None:
    one, two = transport.stream("one"), transport.stream("two")
    one.offer(image("one", 0))
    two.offer(image("two", 0))
    one.offer(image("one", 1))
    work = transport.work()
    leases = work.take(3, 1)
    for lease in reversed(leases):
        work.publish(lease, record(lease.image.index))
    assert [r.index for r in one.read(0, 1)] == [1, 0]
    assert [r.index for r in one.read(1, 1)] == [0]  # one that was read in part is read again
    assert [r.index for r in two.read(0, 1)] == [0]


def test_work_that_was_given_back_is_delivered_again_and_counted(transport: Transport) -> None:
    transport.stream("a").offer(image("a", 0))
    work = transport.work()
    (lease,) = work.take(1, 1)
    work.give_back(lease)
    (again,) = work.take(1, 1)
    assert again.image.index == 0
    assert again.deliveries == 2


def test_reading_waits_for_a_result_and_no_longer_than_asked(transport: Transport) -> None:
    stream, work = transport.stream("a"), transport.work()
    begin = time.monotonic()
    assert list(stream.read(0, 0.1)) == []
    assert time.monotonic() - begin >= 0.09
    stream.offer(image("a", 0))
    (lease,) = work.take(1, 1)
    threading.Timer(0.1, work.publish, (lease, record(0))).start()
    assert [r.index for r in stream.read(0, 10)] == [0]


def test_a_stream_that_is_closed_leaves_no_work_behind(transport: Transport) -> None:
    stream, other = transport.stream("a"), transport.stream("b")
    stream.offer(image("a", 0))
    other.offer(image("b", 0))
    stream.close()
    assert [lease.image.stream for lease in transport.work().take(9, 1)] == ["b"]


def test_closing_wakes_an_analyzer_and_a_stream(transport: Transport) -> None:
    stream, work = transport.stream("a"), transport.work()
    threading.Timer(0.1, transport.close).start()
    with pytest.raises(Closed):
        work.take(1, 30)
    with pytest.raises(Closed):
        stream.read(0, 30)
