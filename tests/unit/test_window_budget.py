"""What may wait in memory: enough for what was asked for, within bounds."""

from dataclasses import replace
from fractions import Fraction

import pytest

from mien.contract.geometry import plan_analysis
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.contract.waiting import Showing, WaitingFrame
from mien.window_budget import MOST_BYTES, WindowBudget
from producer.window import FrameWindow
from tests.live import INFO


def budget_for(size: tuple[int, int], fps: int, max_latency_s: float) -> WindowBudget:
    request = RunRequest(
        INFO.name,
        AnalysisRequest(analyze_fps=None),
        (OutputSettings("rtsp://server/out", None),),
        max_latency_s=max_latency_s,
    )
    info = replace(INFO, width=size[0], height=size[1], source_fps=Fraction(fps))
    return WindowBudget(request, info, plan_analysis(*size, analyze_size_px=1280, min_face_px=None))


@pytest.mark.parametrize(
    ("size", "fps", "max_latency_s"),
    [
        ((640, 360), 25, 30.0),
        ((1280, 720), 25, 5.0),
        ((1920, 1080), 25, 2.5),
        ((3840, 2160), 25, 0.5),
    ],
)
def test_as_many_live_pictures_find_room_as_come_while_one_waits(
    size: tuple[int, int], fps: int, max_latency_s: float
) -> None:
    budget = budget_for(size, fps, max_latency_s)
    assert budget.longest_wait_s >= max_latency_s
    window = FrameWindow(budget.window_bytes)
    image_px = 0 if size[0] <= 1280 else 1280 * 720
    nbytes = (size[0] * size[1] + image_px) * 3 // 2
    for index in range(round(fps * max_latency_s)):
        shown = (Showing(index, 1),)
        window.push(WaitingFrame(index, index, None, shown, analysed=True, nbytes=nbytes))
        assert not window.crowded


def test_what_does_not_fit_into_memory_is_known() -> None:
    budget = budget_for((3840, 2160), 25, 5.0)
    assert budget.window_bytes == MOST_BYTES
    assert 1 < budget.longest_wait_s < 1.5
