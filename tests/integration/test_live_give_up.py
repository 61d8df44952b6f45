"""How long a source is waited for is what was asked for, whatever it does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mien.contract.errors import SourceError
from producer.live import LiveOptions
from producer.source import open_source
from tests.cameras import Camera, Porter, Proxy, camera_clip

LIMITS = (15.0, 6.0)
"""For opening and for reading; without a picture a connection is over after three of the latter."""

ASKED_S = 3.5
MOST_S = 9.0
"""With all that a busy machine adds; without a limit of its own an opening takes 16 s."""


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Camera]:
    camera_clip(tmp_path / "clip.mp4")
    with Camera(tmp_path) as camera:
        yield camera


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_one_that_never_answers_is_waited_for_no_longer_than_asked(scheme: str) -> None:
    began_s = time.monotonic()
    with Porter(None) as porter, pytest.raises(SourceError, match="did not answer in time"):
        open_source(
            f"{scheme}://127.0.0.1:{porter.port}/1",
            timeout_s=LIMITS,
            live=LiveOptions(ASKED_S, wait=True),
        )
    assert ASKED_S <= time.monotonic() - began_s < MOST_S


def test_one_that_sends_no_picture_at_first_is_waited_for_no_longer_than_asked(
    camera: Camera,
) -> None:
    with Proxy(camera.port) as proxy:
        proxy.spoil()
        began_s = time.monotonic()
        with pytest.raises(SourceError):
            open_source(
                camera.url(port=proxy.port),
                timeout_s=LIMITS,
                live=LiveOptions(ASKED_S, wait=True),
            )
        assert ASKED_S <= time.monotonic() - began_s < MOST_S


def test_a_camera_that_is_well_is_opened_however_soon_it_is_given_up(camera: Camera) -> None:
    source = open_source(camera.url(), timeout_s=LIMITS, live=LiveOptions(0.01, wait=True))
    source.close()


@pytest.mark.parametrize("is_silent", [True, False])
def test_a_lost_camera_that_comes_back_without_a_picture_is_given_up_as_asked(
    camera: Camera, is_silent: bool
) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(camera.port))
        port = camera.port if is_silent else proxy.port
        source = open_source(camera.url(port=port), timeout_s=LIMITS, live=LiveOptions(ASKED_S))
        stack.callback(source.close)
        items = source.frames()
        for _ in range(10):
            next(items)
        if is_silent:
            camera.kill()
            stack.enter_context(Porter(None, camera.port))
        else:
            proxy.spoil()
        lost_s = time.monotonic()
        for _ in items:
            pass
        assert ASKED_S <= time.monotonic() - lost_s < MOST_S
    assert source.reason == "connection lost"
