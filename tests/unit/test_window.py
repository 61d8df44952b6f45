"""The frame window: bounded, in order, and never stuck."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mien.contract.errors import Closed
from mien.contract.frames import EndOfStream, Gap
from mien.contract.pictures import Colour, Picture
from mien.contract.waiting import Showing, WaitingFrame, WaitingGap
from producer.window import FrameWindow

END = EndOfStream(3, 0, 120, "end of file")


def frame(index: int, *, analysed: bool = False, nbytes: int = 10) -> WaitingFrame:
    return WaitingFrame(index, index * 40, None, (Showing(index * 40, 40),), analysed, nbytes)


def in_thread(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_frames_leave_in_order_and_the_end_comes_last() -> None:
    window = FrameWindow(100)
    for index in range(3):
        window.put(frame(index))
    window.finish(END)
    seen = []
    while not isinstance(first := window.first(), EndOfStream):
        seen.append(first.index)
        window.release()
    assert seen == [0, 1, 2]
    assert first == END


def test_a_full_window_holds_the_producer_until_there_is_room() -> None:
    window = FrameWindow(25)
    window.put(frame(0))
    window.put(frame(1))
    thread = in_thread(lambda: window.put(frame(2)))
    thread.join(0.1)
    assert thread.is_alive()
    assert window.nbytes == 20
    window.release()
    thread.join(5)
    assert not thread.is_alive()
    assert window.nbytes == 20


def test_a_frame_larger_than_the_window_enters_an_empty_one() -> None:
    window = FrameWindow(5)
    window.put(frame(0))
    first = window.first()
    assert isinstance(first, WaitingFrame)
    assert first.index == 0


def test_the_next_analysed_frame_is_waited_for() -> None:
    window = FrameWindow(100)
    window.put(frame(0))
    found: list[WaitingFrame | None] = []
    thread = in_thread(lambda: found.append(window.next_analysed()))
    window.put(frame(1))
    thread.join(0.1)
    assert thread.is_alive()
    window.put(frame(2, analysed=True))
    thread.join(5)
    assert [f.index for f in found if f] == [2]


def test_a_window_full_of_waiting_frames_lets_the_muxer_go_on_without() -> None:
    window = FrameWindow(20)
    window.put(frame(0))
    window.put(frame(1))
    blocked = in_thread(lambda: window.put(frame(2, analysed=True)))
    assert window.next_analysed() is None
    window.release()
    blocked.join(5)
    assert not blocked.is_alive()


def test_room_that_was_made_lets_the_next_analysed_frame_come() -> None:
    window = FrameWindow(20)
    window.put(frame(0))
    window.put(frame(1))
    blocked = in_thread(lambda: window.put(frame(2, analysed=True)))
    assert window.next_analysed() is None
    window.release()
    found = window.next_analysed()
    assert found is not None
    assert found.index == 2
    blocked.join(5)


def test_at_the_end_no_further_analysis_is_waited_for() -> None:
    window = FrameWindow(100)
    window.put(frame(0))
    window.finish(END)
    assert window.next_analysed() is None


@pytest.mark.parametrize("wait", ["first", "next_analysed", "put"])
def test_closing_wakes_everybody_who_waits(wait: str) -> None:
    window = FrameWindow(10)
    if wait != "first":
        window.put(frame(0))
    action: Callable[[], object] = {
        "first": window.first,
        "next_analysed": window.next_analysed,
        "put": lambda: window.put(frame(1)),
    }[wait]
    raised: list[bool] = []

    def call() -> None:
        try:
            action()
        except Closed:
            raised.append(True)

    thread = in_thread(call)
    thread.join(0.05)
    assert thread.is_alive()
    window.close()
    thread.join(5)
    assert raised == [True]


def shown(index: int, *, analysed: bool = False) -> WaitingFrame:
    data = np.zeros((6, 4), np.uint8)
    picture = Picture(data, 4, 4, Colour())
    return WaitingFrame(index, index, picture, (Showing(index, 40),), analysed, data.nbytes)


def test_a_live_frame_enters_a_full_window_at_the_cost_of_an_older_picture() -> None:
    window = FrameWindow(3 * 24)
    for index in range(5):
        window.push(shown(index))
    assert window.nbytes == 3 * 24
    assert window.crowded
    seen = []
    for _ in range(5):
        frame = window.first()
        assert isinstance(frame, WaitingFrame)
        seen.append((frame.index, frame.stripped))
        window.release()
    assert seen == [(0, False), (1, True), (2, True), (3, False), (4, False)]
    assert window.nbytes == 0


class Watched(deque[WaitingFrame | WaitingGap]):
    """Counts how often somebody looks into it."""

    looks = 0

    def __getitem__(self, number: Any) -> Any:
        self.looks += 1
        return super().__getitem__(number)


def test_a_picture_is_given_up_without_a_look_at_those_that_were_before() -> None:
    window = FrameWindow(3 * 24)
    window._frames = watched = Watched()
    for index in range(300):
        window.push(shown(index))
    window.release()
    for index in range(300, 400):
        window.push(shown(index))
    assert window.nbytes == 3 * 24
    assert watched.looks <= 400


def test_nobody_looks_for_an_analysis_beyond_a_gap() -> None:
    window = FrameWindow(100)
    window.push(shown(0))
    window.push(WaitingGap(Gap(50, 0, 0, 0), ()))
    window.push(shown(1, analysed=True))
    assert window.next_analysed() is None


def test_a_live_frame_waits_for_the_next_analysis_only_until_its_time_is_up() -> None:
    window = FrameWindow(100)
    window.push(shown(0))
    assert window.next_analysed(until_s=time.monotonic() + 0.05) is None
