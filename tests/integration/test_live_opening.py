"""A source that is being opened can be left at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from mien.contract.errors import SourceError
from producer.live import LiveOptions
from producer.source import open_source
from tests.cameras import Camera, Porter, Proxy, camera_clip
from tests.e2e.conftest import command
from tests.waiting import wait_for

PATIENT = (20.0, 20.0)
SOON_S = 5.0
"""Far less than an opening takes that nobody answers."""


class Ended(Exception):  # noqa: N818 - what a test does, no error
    """As a job raises it that is cancelled."""


def no_more() -> bool:
    return False


def cancelled() -> bool:
    raise Ended


def after(seconds_s: float, ends: Callable[[], bool]) -> Callable[[str], bool]:
    until_s = time.monotonic() + seconds_s
    return lambda trouble: time.monotonic() < until_s or ends()


def are_gone(*names: str, but: AbstractSet[threading.Thread] = frozenset()) -> bool:
    threads = set(threading.enumerate()) - but
    return not [thread for thread in threads if thread.name in names]


@pytest.mark.parametrize("options", [LiveOptions(), LiveOptions(wait=True)])
@pytest.mark.parametrize(("ends", "error"), [(no_more, SourceError), (cancelled, Ended)])
def test_a_camera_that_says_nothing_is_left_when_asked(
    options: LiveOptions, ends: Callable[[], bool], error: type[Exception]
) -> None:
    others = set(threading.enumerate())  # of sources that were read before, and end by themselves
    with Porter(None) as porter:
        began_s = time.monotonic()
        with pytest.raises(error):
            open_source(
                f"rtsp://127.0.0.1:{porter.port}/1",
                timeout_s=PATIENT,
                live=options,
                wait=after(0.5, ends),
            )
        assert time.monotonic() - began_s < SOON_S
        wait_for(lambda: porter.requests == 1, SOON_S)
        wait_for(lambda: are_gone("camera", but=others), SOON_S)


@pytest.mark.parametrize(("ends", "error"), [(no_more, SourceError), (cancelled, Ended)])
def test_a_server_that_says_nothing_is_left_when_asked(
    ends: Callable[[], bool], error: type[Exception]
) -> None:
    with Porter(None) as porter:
        began_s = time.monotonic()
        with pytest.raises(error):
            open_source(
                f"http://127.0.0.1:{porter.port}/live.m3u8",
                timeout_s=PATIENT,
                wait=after(0.5, ends),
            )
        assert time.monotonic() - began_s < SOON_S
    # its thread ends by itself, when there is an answer or when time is up
    wait_for(lambda: are_gone("opening"), SOON_S)


def test_a_camera_that_answers_and_sends_no_picture_is_left_when_asked(tmp_path: Path) -> None:
    camera_clip(tmp_path / "clip.mp4")
    with Camera(tmp_path) as camera, Proxy(camera.port, loss=1.0) as proxy:
        began_s = time.monotonic()
        with pytest.raises(SourceError):
            open_source(camera.url(port=proxy.port), timeout_s=PATIENT, wait=after(2.0, no_more))
        assert time.monotonic() - began_s < 2 + SOON_S


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize("options", [(), ("--give-up-after", "1h")])
def test_ctrl_c_ends_a_run_whose_source_says_nothing(
    tmp_path: Path, scheme: str, options: tuple[str, ...]
) -> None:
    with Porter(None) as porter:
        address = f"{scheme}://127.0.0.1:{porter.port}/1"
        run = subprocess.Popen(
            command("run", address, "--no-video", "--results", "r.jsonl", *options),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: porter.requests > 0, 60)
        began_s = time.monotonic()
        os.kill(run.pid, signal.SIGINT)
        _, err = run.communicate(timeout=60)
        assert time.monotonic() - began_s < SOON_S
    assert run.returncode == 130, err
    assert "interrupted" in err
    assert list(tmp_path.iterdir()) == []
