"""How an analyzer batches, what it does with images that killed others, and how it stops."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mien.contract.analyses import AnalysisRecord, AnalysisSettings, FrameAnalysis
from mien.contract.pictures import Pixels
from mien.contract.stage import StageClock
from mien.transport.memory import MemoryTransport
from mien.transport.ports import Lease, WorkPort
from tests.analyses import OTHERS, SETTINGS, image
from workers.analyzer import MOST_DELIVERIES, Analyzer
from workers.batching import equal_batches


def lease(index: int, deliveries: int = 1, settings: AnalysisSettings = SETTINGS) -> Lease:
    return Lease(image("a", index, settings), deliveries, "")


class Recorder:
    """Notes which images it was given together; `then` is called with each batch."""

    def __init__(
        self, then: Callable[[], object] = lambda: None, numerics: Mapping[str, str] = {}
    ) -> None:
        self.numerics = numerics
        self.batches: list[list[int]] = []
        self._then = then

    def analyze(
        self, images: Sequence[Pixels], on_step: Callable[[str, float], None] | None = None
    ) -> list[FrameAnalysis]:
        self.batches.append([int(pixels.mean()) for pixels in images])
        self._then()
        nothing = np.zeros((0, 4), np.float32)
        empty = FrameAnalysis(nothing, None, np.zeros((0, 7), np.float32), SETTINGS.sha256)
        return [empty for _ in images]


@pytest.fixture
def transport() -> Iterator[MemoryTransport]:
    opened = MemoryTransport()
    yield opened
    opened.close()


def start(work: WorkPort, eyes: Recorder, batch: int = 4, delay_s: float = 0) -> Analyzer:
    return Analyzer(work, lambda _: eyes, batch=batch, clock=StageClock(), delay_s=delay_s)


def test_only_equal_settings_share_a_batch_and_suspects_come_last_and_alone() -> None:
    leases = [lease(0), lease(1, 2), lease(2, 1, OTHERS), lease(3), lease(4, 3)]
    batches = [[one.image.index for one in batch] for batch in equal_batches(leases)]
    assert batches == [[0, 3], [2], [1], [4]]


def test_an_image_that_never_came_back_is_given_up_and_its_neighbour_is_not(
    transport: MemoryTransport,
) -> None:
    stream, work, eyes = transport.stream("a", SETTINGS), transport.work(), Recorder()
    stream.offer(image("a", 0))
    (taken,) = work.take(1, 1)
    work.give_back(replace(taken, deliveries=MOST_DELIVERIES + 1))  # as if so many had died on it
    stream.offer(image("a", 1))
    analyzer = start(work, eyes)
    thread = threading.Thread(target=analyzer.run)
    thread.start()
    found: dict[int, AnalysisRecord] = {}
    while len(found) < 2:
        found.update({record.index: record for record in stream.read(len(found), 10)})
    transport.close()
    thread.join(10)
    assert found[0].analysis is None
    assert found[0].reason == f"given up after {MOST_DELIVERIES} attempts to analyse it"
    assert found[1].analysis is not None
    assert len(eyes.batches) == 1  # it was not even tried


def test_a_draining_analyzer_finishes_its_batch_and_gives_the_rest_back(
    transport: MemoryTransport,
) -> None:
    ours, theirs = transport.stream("a", SETTINGS), transport.stream("b", OTHERS)
    for index in range(2):
        ours.offer(image("a", index))
        theirs.offer(image("b", index, OTHERS))
    eyes = Recorder(then=lambda: analyzer.drain())
    analyzer = start(transport.work(), eyes)
    analyzer.run()
    assert len(eyes.batches) == 1
    assert len(eyes.batches[0]) == 2
    assert len(ours.read(0, 0) or theirs.read(0, 0)) == 2
    left = transport.work()
    assert [len(left.take(9, 0)) for _ in range(3)] == [1, 1, 0]  # each analyzer's share
    analyzer.run()  # it has drained
    assert len(eyes.batches) == 1


def test_a_batch_that_is_not_full_waits_for_others_to_share_it(
    transport: MemoryTransport,
) -> None:
    stream, eyes = transport.stream("a", SETTINGS), Recorder(then=lambda: analyzer.drain())
    analyzer = start(transport.work(), eyes, batch=3, delay_s=20)
    stream.offer(image("a", 0))
    for index in (1, 2):
        threading.Timer(0.1 * index, stream.offer, (image("a", index),)).start()
    analyzer.run()
    assert len(eyes.batches) == 1
    assert len(eyes.batches[0]) == 3


def test_a_stream_is_told_what_its_own_analyses_were_made_with(transport: MemoryTransport) -> None:
    ours, theirs = transport.stream("a", SETTINGS), transport.stream("b", OTHERS)
    ours.offer(image("a", 0))
    theirs.offer(image("b", 0, OTHERS))
    eyes = {
        SETTINGS: Recorder(numerics={"detector_dtype": "float32"}),
        OTHERS: Recorder(numerics={"detector_dtype": "uint8"}),
    }
    both_have_begun = threading.Barrier(2)

    def pipeline_for(settings: AnalysisSettings) -> Recorder:
        both_have_begun.wait(10)
        return eyes[settings]

    threads = [
        threading.Thread(target=Analyzer(work, pipeline_for, batch=1, clock=StageClock()).run)
        for work in (transport.work(), transport.work())
    ]
    for thread in threads:
        thread.start()
    assert [len(stream.read(0, 10)) for stream in (ours, theirs)] == [1, 1]
    assert ours.numerics() == {"detector_dtype": "float32"}
    assert theirs.numerics() == {"detector_dtype": "uint8"}
    transport.close()
    for thread in threads:
        thread.join(10)
