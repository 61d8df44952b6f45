"""Seconds of all that befalls a camera: what is lost is told, and it is back in time."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import av
import pytest

from mien.stream import Outcome
from producer import backoff
from tests.cameras import Camera, Porter, Proxy
from tests.live_runs import Run, check_books, lines_of, request_for
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

PLAY_S = 20.0
FAULT_S = 8.0
"""Longer than it takes until the waits between attempts grow no more."""

FPS = 25
BACK_S = 10.0
"""From the camera's return to its first picture."""

REFUSED_S = 8.0
BACK_AFTER_REFUSAL_S = REFUSED_S + 5
"""A camera that refuses is asked seldom, since some lock out who asks more often."""

STEP_S = 1.6
"""The most that an output may stand still: in an outage it shows its last picture once a second."""


def is_killed(camera: Camera, proxy: Proxy) -> None:
    camera.kill()
    time.sleep(FAULT_S)
    camera.start()


def says_nothing(camera: Camera, proxy: Proxy) -> None:
    camera.kill()
    with Porter(None, camera.port):
        time.sleep(FAULT_S)
    camera.start()


def wants_another_password(camera: Camera, proxy: Proxy) -> None:
    camera.kill()
    with Porter("401 Unauthorized", camera.port) as porter:
        time.sleep(FAULT_S)
        assert 1 <= porter.requests <= 4, "one attempt is up to two requests"
    camera.start()


def freezes(camera: Camera, proxy: Proxy) -> None:
    proxy.freeze()
    time.sleep(FAULT_S)
    proxy.thaw()


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_a_camera_plays_on_at_its_own_speed(camera: Camera, tmp_path: Path, loss: float) -> None:
    with Proxy(camera.port, loss=loss) as proxy:
        run = Run(request_for(camera, tmp_path, port=proxy.port))
        run.wait_for(FPS)
        counts = []
        for _ in range(4):
            before = run.stream.progress.frames
            time.sleep(PLAY_S / 4)
            counts.append(run.stream.progress.frames - before)
        outcome = run.end()
    assert counts[-1] > 0.5 * counts[0] * (1 - loss), "as fast as in the beginning"
    report = check_all(tmp_path, outcome)
    assert report["live"]["outages"] == 0 or loss


@pytest.mark.parametrize(
    ("fault", "back_s"),
    [
        (is_killed, BACK_S),
        (says_nothing, BACK_S),
        (freezes, BACK_S),
        (wants_another_password, BACK_AFTER_REFUSAL_S),
    ],
)
def test_what_befalls_a_camera_is_survived_and_told(
    camera: Camera,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Camera, Proxy], None],
    back_s: float,
) -> None:
    monkeypatch.setattr(backoff, "REFUSED_S", REFUSED_S)
    with Proxy(camera.port) as proxy:
        run = Run(request_for(camera, tmp_path, port=proxy.port))
        run.wait_for(FPS * 4)
        fault(camera, proxy)
        returned_s = time.monotonic()
        run.wait_back(back_s + 3)
        assert time.monotonic() - returned_s - 1 < back_s, "a second of it was played, too"
        run.wait_for(run.stream.progress.frames + FPS * 4)
        outcome = run.end()
    report = check_all(tmp_path, outcome)
    assert report["live"]["outages"] == report["live"]["reconnects"] == 1
    assert longest_outage_s(tmp_path) > FAULT_S


def test_a_camera_that_ends_again_and_again_is_opened_again_and_again(
    camera: Camera, tmp_path: Path
) -> None:
    request = request_for(camera, tmp_path)
    run = Run(dataclasses.replace(request, source=camera.url(times=1)))
    run.wait_for(FPS)
    wait_for(lambda: run.stream.live_status()["reconnects"] >= 3)
    report = check_all(tmp_path, run.end())
    assert report["live"]["reconnects"] >= 3
    assert longest_outage_s(tmp_path) < BACK_S


def test_an_outage_that_lasts_at_the_end_is_told_and_shown(camera: Camera, tmp_path: Path) -> None:
    run = Run(request_for(camera, tmp_path))
    run.wait_for(2 * FPS)
    camera.kill()
    time.sleep(FAULT_S / 2)
    report = check_all(tmp_path, run.end())
    assert report["live"]["outages"] == 1
    assert report["live"]["reconnects"] == 0
    assert longest_outage_s(tmp_path) > FAULT_S / 2 - STEP_S


def check_all(folder: Path, outcome: Outcome) -> dict[str, dict[str, float]]:
    """The report, once it, the results and the output agree."""
    check_books(folder, outcome)
    report: dict[str, dict[str, float]] = json.loads((folder / "report.json").read_text())
    lines = lines_of(folder)
    times = [float(str(line["time_s"])) for line in lines if "frame" in line]
    assert is_rising(times)
    outages = [span(outage) for outage in outages_of(folder)]
    assert len(outages) == report["live"]["outages"]
    for begin, end in outages:
        assert not [at for at in times if begin < at < end]
    end_s = max([times[-1], *(end for _, end in outages)])
    with av.open(folder / "out.mp4") as container:
        shown = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert is_rising(shown)
    assert max(other - one for one, other in pairwise(shown)) < STEP_S, "the output stands still"
    assert shown[-1] - shown[0] == pytest.approx(end_s - times[0], abs=STEP_S)
    return report


def span(outage: dict[str, object]) -> tuple[float, float]:
    """Its begin and end, in seconds of the stream."""
    begin_s = float(str(outage["time_s"]))
    return begin_s, begin_s + float(str(outage["length_s"]))


def is_rising(times: Sequence[float]) -> bool:
    return all(one < other for one, other in pairwise(times))


def outages_of(folder: Path) -> list[dict[str, object]]:
    return [line for line in lines_of(folder) if line.get("event") == "outage"]


def longest_outage_s(folder: Path) -> float:
    return max(float(str(outage["length_s"])) for outage in outages_of(folder))
