"""A live stream whose camera, net or server is in trouble, from the camera to the files."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from mien.contract.live import AWAY, SLOW_DECODER, SLOW_ENCODER
from mien.transport.redis import RedisTransport
from tests.builders import read_number
from tests.cameras import Camera, Proxy, camera_clip
from tests.live_runs import BEHIND, Run, check_books, check_hardly_any_lost, lines_of, request_for
from tests.pipelines import FixedTime
from tests.servers import Server

AWAY_S = 8.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    started = Server("valkey", folder).start()
    yield started
    started.remove()


def frames_of(folder: Path) -> list[dict[str, object]]:
    return [line for line in lines_of(folder) if "frame" in line]


def wait_for_faces(folder: Path, count: int) -> None:
    deadline_s = time.monotonic() + 30
    while sum(bool(line["faces"]) for line in frames_of(folder)) < count:
        assert time.monotonic() < deadline_s, "no analysis came"
        time.sleep(0.1)


@pytest.mark.parametrize("hangs", [False, True])
def test_while_the_server_is_away_the_camera_is_recorded_without_faces(
    camera: Camera, server: Server, tmp_path: Path, hangs: bool
) -> None:
    run = Run(request_for(camera, tmp_path), FixedTime(0.01), transport=RedisTransport(server.url))
    run.wait_for(50)
    wait_for_faces(tmp_path, 10)
    before = run.stream.progress.frames
    if hangs:
        with server.hanging():
            time.sleep(AWAY_S)
    else:
        server.kill()
        time.sleep(AWAY_S)
    written = run.stream.progress.frames - before
    faces = sum(bool(line["faces"]) for line in frames_of(tmp_path))
    if not hangs:
        server.start()
    wait_for_faces(tmp_path, faces + 20)
    outcome = run.end()

    assert written > 5 * AWAY_S, "the pictures go on"
    reasons = check_books(tmp_path, outcome)
    assert reasons[AWAY] > 5 * AWAY_S
    assert set(reasons) <= {AWAY, *BEHIND}
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames"]["failed"] == 0
    assert report["live"]["outages"] == 0
    assert {line.get("reason") for line in frames_of(tmp_path)} >= {None, AWAY}
    lost = sum(reasons.get(reason, 0) for reason in (SLOW_DECODER, SLOW_ENCODER))
    assert outcome.outputs[0].frames == outcome.end.frame_count - lost


def test_a_camera_whose_server_is_away_can_be_ended(
    camera: Camera, server: Server, tmp_path: Path
) -> None:
    run = Run(request_for(camera, tmp_path), transport=RedisTransport(server.url))
    run.wait_for(25)
    server.kill()
    time.sleep(1)
    outcome = run.end()
    check_books(tmp_path, outcome)
    with av.open(tmp_path / "out.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == outcome.end.frame_count


def test_a_net_that_loses_a_fifth_of_it_and_freezes_is_told_in_every_book(
    camera: Camera, tmp_path: Path
) -> None:
    with Proxy(camera.port, loss=0.2) as proxy:
        run = Run(request_for(camera, tmp_path, port=proxy.port))
        run.wait_for(75)
        proxy.freeze()
        time.sleep(2.5)
        proxy.thaw()
        run.wait_for(run.stream.progress.frames + 75)
        outcome = run.end()
    reasons = check_books(tmp_path, outcome)
    assert set(reasons) <= BEHIND
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames"]["corrupt"] == outcome.end.corrupt
    assert report["live"]["drops"].get("corrupt", 0) == outcome.end.corrupt
    outages = [line for line in lines_of(tmp_path) if line.get("event") == "outage"]
    assert len(outages) == report["live"]["outages"] >= 1
    assert max(float(str(line["length_s"])) for line in outages) > 2
    times = [float(str(line["time_s"])) for line in frames_of(tmp_path)]
    assert all(one < other for one, other in pairwise(times))
    for outage in outages:
        begin, length = float(str(outage["time_s"])), float(str(outage["length_s"]))
        assert not [at for at in times if begin < at < begin + length]
    with av.open(tmp_path / "out.mp4") as container:
        shown = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert all(one < other for one, other in pairwise(shown))
    assert max(other - one for one, other in pairwise(shown)) < 1.6, "the output stands still"


def test_a_camera_that_comes_back_with_another_codec_goes_on_in_the_same_file(
    camera: Camera, tmp_path: Path
) -> None:
    run = Run(request_for(camera, tmp_path))
    run.wait_for(25)
    camera.kill()
    camera_clip(camera.folder / "clip.mp4", codec="libx265")
    camera.start()
    run.wait_back()
    run.wait_for(run.stream.progress.frames + 25)
    outcome = run.end()
    check_hardly_any_lost(tmp_path, outcome)
    lines = frames_of(tmp_path)
    assert {line["epoch"] for line in lines} == {0, 1}
    assert all(line["faces"] for line in lines if "reason" not in line)
    with av.open(tmp_path / "out.mp4") as container:
        numbers = [
            read_number(frame.to_ndarray(format="rgb24").astype(np.uint8))
            for frame in container.decode(video=0)
        ]
    last = numbers[-40:]
    assert len(set(last)) == 40, "the pictures after it are whole"
    assert all((other - one) % 50 == 1 for one, other in itertools.pairwise(last))
