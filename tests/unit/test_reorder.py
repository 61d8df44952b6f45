"""Analyses come in any order, some twice; frames get theirs in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mien.contract.analyses import AnalysisImage, AnalysisRecord, AnalysisSettings, FrameAnalysis
from mien.contract.pictures import Colour, Picture
from mien.transport.memory import MemoryTransport
from mien.transport.ports import StreamPort
from workers.reorder import ReorderBuffer

SETTINGS = AnalysisSettings("mtcnn", 24.0, 0.9, "single", "0" * 64)


def record(index: int, mark: float = 0.0) -> AnalysisRecord:
    boxes = np.full((1, 4), mark, np.float32)
    return AnalysisRecord(
        index, FrameAnalysis(boxes, None, np.zeros((1, 7), np.float32), SETTINGS.sha256)
    )


def published(records: list[AnalysisRecord]) -> StreamPort:
    """A stream whose result feed holds these records, in this order."""
    transport = MemoryTransport()
    stream = transport.stream("s", SETTINGS)
    work = transport.work()
    for sent in records:
        pixels = np.zeros((3, 2), np.uint8)
        stream.offer(AnalysisImage("s", sent.index, Picture(pixels, 2, 2, Colour()), SETTINGS))
        (lease,) = work.take(1, 1)
        work.publish(lease, sent)
    return stream


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=8))
def test_every_frame_gets_its_analysis_whatever_the_order_and_the_repeats(
    order: list[int], repeats: list[int]
) -> None:
    buffer = ReorderBuffer(published([record(index) for index in [*order, *repeats]]))
    assert [buffer.take(index).index for index in range(12)] == list(range(12))


def test_the_first_of_two_analyses_of_a_frame_counts() -> None:
    buffer = ReorderBuffer(published([record(0, 1.0), record(0, 2.0), record(1, 3.0)]))
    first, second = buffer.take(0).analysis, buffer.take(1).analysis
    assert first is not None
    assert second is not None
    assert first.boxes[0, 0] == 1.0
    assert second.boxes[0, 0] == 3.0
