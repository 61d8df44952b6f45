"""Cameras that go away, fall silent, refuse or lose half of it, and what is read of them."""

from __future__ import annotations

import threading
import time
from itertools import islice, pairwise
from pathlib import Path

import pytest

from mien.contract.errors import SourceError
from mien.contract.frames import Frame, Gap
from producer.live import LiveOptions, LiveSource
from producer.opening import RefusedError
from producer.source import open_source
from tests.builders import read_number
from tests.cameras import Camera, Gatekeeper, Porter, Proxy, camera_clip
from tests.own_process import open_things
from tests.servers import free_port
from tests.waiting import wait_for
from tests.watcher import QUICK, Watcher, epochs


def test_a_camera_gives_every_picture_in_order_with_its_time_of_arrival(camera: Camera) -> None:
    began_ns = time.time_ns()
    with Watcher(camera.url()) as watcher:
        assert watcher.source.info.kind == "live"
        assert "hunter2" not in watcher.source.info.name
        watcher.more(75)
    numbers = [read_number(frame.picture) for frame in watcher.frames]
    assert numbers == [index % 50 for index in range(len(numbers))]
    steps = [b.pts_ns - a.pts_ns for a, b in pairwise(watcher.frames)]
    assert sorted(steps)[len(steps) // 2] == 40_000_000
    assert watcher.source.reason == "stopped"
    assert not watcher.outages
    captures = [frame.capture for frame in watcher.frames]
    assert all(c and began_ns < c.utc_ns < time.time_ns() for c in captures)


def test_a_camera_that_is_killed_is_back_within_ten_seconds_of_its_return(camera: Camera) -> None:
    with Watcher(camera.url()) as watcher:
        watcher.more()
        camera.kill()
        watcher.wait_for(lambda: watcher.source.trouble != "")
        time.sleep(1.5)
        camera.start()
        watcher.wait_for(lambda: watcher.source.reconnects == 1, limit_s=10)
        watcher.more()
    assert epochs(watcher) == {0, 1}
    (outage,) = watcher.outages
    first = next(f for f in watcher.frames if f.capture and f.capture.epoch == 1)
    assert outage.pts_ns - outage.since_ns > 1e9
    assert 0 < first.pts_ns - outage.pts_ns < 1_000_000
    assert outage.epoch == 0
    marks = [item for item in watcher.items if isinstance(item, Gap) and not item.over]
    assert len(marks) >= 5, "the output is told again and again that there is nothing"
    assert watcher.source.trouble == ""


def test_a_stream_that_ends_is_opened_again(camera: Camera) -> None:
    with Watcher(camera.url(times=1)) as watcher:
        watcher.wait_for(lambda: watcher.source.reconnects == 1)
        watcher.more(5)
    assert epochs(watcher) == {0, 1}
    assert len(watcher.outages) == 1


def test_forty_connections_leave_no_descriptor_or_thread_behind(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.backoff.FIRST_S", 0.01)
    monkeypatch.setattr("producer.backoff.LONGEST_S", 0.01)
    camera_clip(camera.folder / "clip.mp4", frames=2)
    with Watcher(camera.url(times=1)) as watcher:
        watcher.wait_for(lambda: watcher.source.reconnects >= 3)
        before = open_things()
        watcher.wait_for(lambda: watcher.source.reconnects >= 43, limit_s=100)
        now = open_things()
    assert all(after < first + 20 for after, first in zip(now, before, strict=True)), (before, now)


def test_a_stream_that_ends_is_the_end_for_those_who_want_it_so(camera: Camera) -> None:
    with Watcher(camera.url(times=1), LiveOptions(give_up_after_s=0)) as watcher:
        watcher.wait_for(lambda: watcher.source.reason != "")
    assert watcher.source.reason == "connection lost"
    assert len(watcher.frames) == 50
    assert len(watcher.items) == 50


def test_a_camera_that_stays_away_is_given_up_in_time(camera: Camera) -> None:
    with Watcher(camera.url(), LiveOptions(give_up_after_s=1.5)) as watcher:
        watcher.more(5)
        camera.kill()
        watcher.wait_for(lambda: watcher.source.reason != "")
    assert watcher.source.reason == "connection lost"
    (outage,) = watcher.outages
    assert outage.pts_ns - outage.since_ns > 1e9


def test_a_connection_that_freezes_is_cut_and_made_again(camera: Camera) -> None:
    with Proxy(camera.port) as proxy, Watcher(camera.url(port=proxy.port)) as watcher:
        watcher.more()
        proxy.freeze()
        watcher.wait_for(lambda: watcher.source.trouble != "")
        assert watcher.source.trouble == "it sends nothing any more"
        proxy.thaw()
        watcher.wait_for(lambda: watcher.source.reconnects == 1)
        watcher.more()
    assert epochs(watcher) == {0, 1}
    assert len(watcher.outages) == 1


def test_a_short_freeze_is_an_outage_of_the_same_connection(camera: Camera) -> None:
    with (
        Proxy(camera.port) as proxy,
        Watcher(camera.url(port=proxy.port), read_s=10) as watcher,
    ):
        watcher.more()
        proxy.freeze()
        time.sleep(1.5)
        proxy.thaw()
        watcher.more(50)
    assert epochs(watcher) == {0}
    (outage,) = watcher.outages
    assert 1e9 < outage.pts_ns - outage.since_ns < 3e9
    # what had been held up came as well, and nobody may take it for the time after it
    latest = watcher.frames[-1]
    assert latest.capture is not None
    first = watcher.frames[0].capture
    assert first is not None
    clock_ns = latest.capture.arrived_ns - first.arrived_ns
    assert latest.pts_ns - clock_ns < 1.2e9


def test_the_length_of_an_outage_is_that_of_the_clock_where_the_cameras_is_slow(
    camera: Camera,
) -> None:
    with (
        Proxy(camera.port, clock=0.5) as proxy,
        Watcher(camera.url(port=proxy.port), read_s=10) as watcher,
    ):
        watcher.more(125)  # five seconds, of which its clock knows half
        proxy.freeze()
        frozen_ns = time.monotonic_ns()
        time.sleep(1.5)
        proxy.thaw()
        watcher.more()
        true_ns = time.monotonic_ns() - frozen_ns
    steps = [b.pts_ns - a.pts_ns for a, b in pairwise(watcher.frames[:25])]
    assert sorted(steps)[12] == 20_000_000
    (outage,) = watcher.outages
    assert 1.3e9 < outage.pts_ns - outage.since_ns < min(2.2e9, true_ns)


def test_a_connection_that_loses_a_fifth_of_its_packets_goes_on(camera: Camera) -> None:
    with Proxy(camera.port, loss=0.2) as proxy, Watcher(camera.url(port=proxy.port)) as watcher:
        watcher.more(75)
    assert watcher.frames[-1].pts_ns > 2e9


def test_a_wrong_password_is_told_at_once(camera: Camera) -> None:
    for status, words in (("401 Unauthorized", "(401)"), ("404 Not Found", "(404)")):
        with Porter(status) as porter, pytest.raises(RefusedError) as caught:
            open_source(camera.url(port=porter.port), live=LiveOptions(wait=True))
        assert words in str(caught.value)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("digest", [False, True])
def test_a_camera_that_wants_a_password_gets_the_one_of_the_address(
    camera: Camera, digest: bool
) -> None:
    with Gatekeeper(camera.port, "me:hunter2", digest=digest) as gate:
        with Watcher(camera.url(port=gate.port)) as watcher:
            watcher.more()
        assert gate.refused >= 1, "it was asked for"
    with (
        Gatekeeper(camera.port, "me:another", digest=digest) as gate,
        pytest.raises(RefusedError, match="401"),
    ):
        open_source(camera.url(port=gate.port), live=LiveOptions(wait=True))


def test_a_password_that_is_changed_meanwhile_is_told_and_tried_slowly(camera: Camera) -> None:
    with Watcher(camera.url()) as watcher:
        watcher.more(5)
        camera.kill()
        with Porter("401 Unauthorized", camera.port) as porter:
            watcher.wait_for(lambda: "(401)" in watcher.source.trouble)
            asked = porter.requests
            time.sleep(2)
            assert porter.requests == asked
    assert watcher.source.reason == "stopped"


def test_a_server_that_knows_the_camera_only_some_time_after_its_start_is_read_at_once(
    camera: Camera,
) -> None:
    with Watcher(camera.url()) as watcher:
        watcher.more(5)
        camera.kill()
        with Porter("404 Not Found", camera.port) as porter:
            watcher.wait_for(lambda: "(404)" in watcher.source.trouble)
            time.sleep(3)
            assert porter.requests > 1
        camera.start()
        watcher.wait_for(lambda: watcher.source.reconnects == 1, limit_s=10)
        watcher.more(5)
    assert epochs(watcher) == {0, 1}


def test_a_camera_that_takes_connections_and_says_nothing_after_its_loss_is_waited_for(
    camera: Camera,
) -> None:
    with Watcher(camera.url()) as watcher:
        watcher.more(5)
        camera.kill()
        with Porter(None, camera.port) as porter:
            watcher.wait_for(lambda: "did not answer" in watcher.source.trouble)
            watcher.wait_for(lambda: porter.requests > 1)
        camera.start()
        watcher.wait_for(lambda: watcher.source.reconnects == 1, limit_s=12)
        watcher.more(5)
    assert epochs(watcher) == {0, 1}
    assert len(watcher.outages) == 1


def test_a_camera_that_comes_back_with_another_codec_is_read(camera: Camera) -> None:
    with Watcher(camera.url()) as watcher:
        watcher.more(5)
        assert watcher.source.info.codec == "h264"
        camera.kill()
        camera_clip(camera.folder / "clip.mp4", codec="libx265")
        camera.start()
        watcher.wait_for(lambda: watcher.source.reconnects == 1)
        watcher.more(55)
    later = [frame for frame in watcher.frames if frame.capture and frame.capture.epoch == 1]
    numbers = [read_number(frame.picture) for frame in later]
    assert numbers == [(numbers[0] + n) % 50 for n in range(len(numbers))]
    assert watcher.source.changes == 0


@pytest.mark.parametrize("silent", [True, False])
def test_a_camera_that_is_not_there_is_told_at_the_beginning(silent: bool) -> None:
    began_s = time.monotonic()
    with Porter(None) as porter:
        port = porter.port if silent else free_port()
        with pytest.raises(SourceError, match="cannot read rtsp://me@127"):
            open_source(f"rtsp://me:x@127.0.0.1:{port}/", timeout_s=(1.0, 1.0))
    assert time.monotonic() - began_s < 10


def test_time_begins_when_the_first_frame_is_asked_for(camera: Camera) -> None:
    source = open_source(camera.url(), timeout_s=QUICK)
    time.sleep(2.5)  # as long as it takes to load the networks
    items = source.frames()
    found = [next(items) for _ in range(30)]
    source.close()
    assert all(isinstance(item, Frame) for item in found)
    assert found[0].pts_ns == 0
    steps = [other.pts_ns - one.pts_ns for one, other in pairwise(found)]
    assert sorted(steps)[15] == 40_000_000
    assert max(steps) < 1e9
    assert min(steps[1:]) > 1e6
    assert isinstance(source, LiveSource)
    assert source.skipped == 0


def test_a_camera_whose_next_key_picture_is_far_away_begins_without_an_outage(
    camera: Camera,
) -> None:
    camera_clip(camera.folder / "clip.mp4", frames=200, gop=200)
    source = open_source(camera.url(), timeout_s=QUICK)
    assert isinstance(source, LiveSource)
    time.sleep(3.5)  # as long as it takes to load the networks
    items = list(islice(source.frames(), 50))
    source.close()
    assert all(isinstance(item, Frame) for item in items)
    numbers = [read_number(item.picture) for item in items if isinstance(item, Frame)]
    assert numbers[:2] == [0, numbers[1]]
    assert numbers[1] > 50, "what came before time began is not shown"
    assert numbers[1:] == list(range(numbers[1], numbers[1] + 49))
    assert source.trouble == ""
    assert source.skipped == source.corrupt == 0
    assert source.reconnects == 0


def test_a_camera_that_sends_no_key_picture_any_more_is_opened_again(camera: Camera) -> None:
    camera_clip(camera.folder / "clip.mp4", frames=1000, gop=1000)
    source = open_source(camera.url(), timeout_s=QUICK)
    assert isinstance(source, LiveSource)
    items = source.frames()
    next(items)
    time.sleep(4)
    for _ in items:
        if source.reconnects:
            break
    source.close()
    assert source.reconnects_by == {"no picture": 1}


def test_a_reader_that_falls_behind_goes_on_with_what_is_new(camera: Camera) -> None:
    source = open_source(camera.url(), timeout_s=QUICK)
    assert isinstance(source, LiveSource)
    items = source.frames()
    next(items)
    time.sleep(4)
    found: list[Frame] = []
    while len(found) < 100:
        item = next(items)
        if isinstance(item, Frame):
            found.append(item)
    source.close()
    assert source.skipped > 25
    assert source.corrupt == 0, "nothing is decoded that needs what was left out"
    assert found[-1].capture is not None
    assert time.monotonic_ns() - found[-1].capture.arrived_ns < 1e9


def test_what_nobody_takes_from_a_camera_does_not_fill_the_memory(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.connection.MOST_BYTES", 1)
    source = open_source(camera.url(), timeout_s=QUICK)
    assert isinstance(source, LiveSource)
    wait_for(lambda: source.skipped > 5, 10)
    items = source.frames()
    assert all(isinstance(next(items), Frame) for _ in range(3)), "what is new is shown"
    source.close()
    assert source.corrupt == 0


def test_a_camera_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    camera_clip(tmp_path / "clip.mp4")
    camera = Camera(tmp_path)
    starter = threading.Timer(1.0, camera.start)
    starter.start()
    try:
        source = open_source(camera.url(), timeout_s=QUICK, live=LiveOptions(wait=True))
        assert next(iter(source.frames())).pts_ns == 0
        source.close()
    finally:
        starter.join()
        camera.kill()


def test_waiting_for_a_camera_ends_when_asked() -> None:
    began_s = time.monotonic()
    with pytest.raises(SourceError, match="refused"):
        open_source(
            f"rtsp://127.0.0.1:{free_port()}/",
            timeout_s=QUICK,
            live=LiveOptions(wait=True),
            wait=lambda trouble: time.monotonic() - began_s < 0.5,
        )
    assert time.monotonic() - began_s < 8


def test_stopping_ends_a_read_that_stalls_at_once(camera: Camera) -> None:
    with (
        Proxy(camera.port) as proxy,
        Watcher(camera.url(port=proxy.port), read_s=10) as watcher,
    ):
        watcher.more(5)
        proxy.freeze()
        time.sleep(0.5)
        before = {t for t in threading.enumerate() if t.name == "camera"}
        watcher.stop()
        watcher.source.close()
        for thread in before:
            thread.join(3)
            assert not thread.is_alive(), "it still reads"
        proxy.thaw()


def test_pictures_of_another_size_are_fitted_into_the_first(camera: Camera) -> None:
    with Watcher(camera.url()) as watcher:
        watcher.more(5)
        camera.kill()
        camera_clip(camera.folder / "clip.mp4", size=(240, 240))
        camera.start()
        watcher.wait_for(lambda: watcher.source.reconnects == 1)
        watcher.more(5)
    sizes = {(frame.picture.width, frame.picture.height) for frame in watcher.frames}
    assert sizes == {(320, 180)}
    luma = watcher.frames[-1].picture.planes()[0]
    assert int(luma[:, :60].max()) < 40, "black beside a picture that is less wide"
    assert int(luma[:, 80:240].max()) > 200
    assert watcher.source.changes == 1
