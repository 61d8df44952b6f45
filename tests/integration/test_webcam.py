"""A webcam, where this machine has one; it is pulled out and put in where its driver can do that.

Linux has a driver of a webcam that is not there: `modprobe vivid node_types=1 input_types=0`.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path

import av
import pytest

from tests.live_runs import Run, check_books, lines_of, request_of
from tests.watcher import Watcher, epochs

DEVICE = Path(os.environ.get("MIEN_TEST_WEBCAM", "/dev/video0"))
DRIVER, UNIT = Path("/sys/bus/platform/drivers/vivid"), "vivid.0"
AWAY_S = 5.0

pytestmark = pytest.mark.skipif(
    not DEVICE.is_char_device(), reason=f"this machine has no webcam at {DEVICE}"
)


def test_a_webcam_is_watched_until_it_is_stopped(tmp_path: Path) -> None:
    run = Run(request_of(str(DEVICE), tmp_path))
    run.wait_for(20)
    outcome = run.end()
    check_books(tmp_path, outcome)
    times_s = [float(str(line["time_s"])) for line in lines_of(tmp_path)]
    assert all(one < other for one, other in pairwise(times_s))
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert len(shown) > 1
    assert shown[-1] - shown[0] == pytest.approx(times_s[-1] - times_s[0], abs=1.5)


def can_be_pulled_out() -> bool:
    of = Path("/sys/class/video4linux", DEVICE.name, "device").resolve().name
    return of == UNIT and os.access(DRIVER / "unbind", os.W_OK)


@pytest.mark.skipif(not can_be_pulled_out(), reason=f"{DEVICE} is not of the driver vivid")
def test_a_webcam_that_is_pulled_out_is_back_when_it_is_put_in_again() -> None:
    with Watcher(str(DEVICE)) as watcher:
        watcher.more(10)
        try:
            (DRIVER / "unbind").write_text(UNIT)
            watcher.wait_for(lambda: bool(watcher.source.trouble))
            time.sleep(AWAY_S)
        finally:
            (DRIVER / "bind").write_text(UNIT)
        watcher.wait_for(lambda: watcher.source.reconnects == 1)
        watcher.more(10)
    assert epochs(watcher) == {0, 1}
    (outage,) = watcher.outages
    assert outage.pts_ns - outage.since_ns > AWAY_S * 1e9
