"""A stream and an analyzer in processes of their own, over a server: the result of one process."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mien.contract.errors import JobError
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.contract.stage import StageClock
from mien.embedded import run as run_embedded
from mien.stages import StageGroup
from mien.stream import Stream
from mien.transport.keys import Lifetimes
from mien.transport.ports import Superseded
from mien.transport.redis import RedisTransport
from model.weights_file import read_info
from producer.source import open_source
from tests.analyses import SETTINGS
from tests.faces import make_face_clip
from tests.servers import Server

FRAMES = 30
LIVES = {"heart_s": 1.0, "beat_s": 0.1, "renew_s": 0.5}

ANALYZER = """
import sys
from mien.contract.stage import StageClock
from mien.pipelines import Pipelines
from mien.transport.keys import Lifetimes
from mien.transport.redis import RedisTransport
from workers.analyzer import Analyzer

class Mortal:  # dies as it is about to hand in its n-th analysis
    def __init__(self, work, published):
        self.work, self.left = work, published
        self.take, self.give_back = work.take, work.give_back
    def publish(self, lease, record, numerics):
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        self.work.publish(lease, record, numerics)

import os, signal
url, published = sys.argv[1], int(sys.argv[2])
transport = RedisTransport(url, lifetimes=Lifetimes(heart_s=1.0, beat_s=0.1))
pipelines = Pipelines(["default"], "cpu")
work = Mortal(transport.work(), published)
print("ready", flush=True)
Analyzer(work, pipelines.get, batch=4, clock=StageClock()).run()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server("valkey", tmp_path_factory.mktemp("server")).start()
    yield started
    started.remove()


@pytest.fixture(scope="module")
def immortal(server: Server) -> Iterator[subprocess.Popen[str]]:
    """An analyzer that all tests share: torch takes long to load."""
    with analyzer(server) as process:
        yield process


@contextmanager
def analyzer(server: Server, published: int = -1) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", ANALYZER, server.url, str(published)]
    one_core = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=one_core) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def request_for(clip: Path, folder: Path) -> RunRequest:
    folder.mkdir()
    return RunRequest(
        str(clip),
        AnalysisRequest(analyze_fps=None),
        (OutputSettings(folder / "out.mp4", None),),
        results=folder / "results.jsonl",
        window_bytes=6 * 320 * 240 * 3,
        batch=2,
        device="cpu",
    )


def stream_name(request: RunRequest) -> str:
    """Another one for every test."""
    assert request.results is not None
    return request.results.parent.parent.name


def run_over(server: Server, request: RunRequest, then: Callable[[], object] = bool) -> None:
    """What a stream process does; `then` is called before the files are put in place."""
    transport = RedisTransport(server.url, lifetimes=Lifetimes(**LIVES))
    source = open_source(request.source)
    weights = {"sha256": read_info("default").sha256}
    stream = Stream(
        request, source, transport, weights=weights, clock=StageClock(), name=stream_name(request)
    )

    def stop() -> None:
        stream.stop()
        transport.close()

    try:
        group = StageGroup(stop)
        group.start("producer", stream.produce)
        group.start("muxer", stream.mux)
        group.join()
        then()
        stream.finish()
    finally:
        stream.abort()
        source.close()
        transport.close()


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def assert_same(folder: Path, expected: Path) -> None:
    found, wanted = lines_of(folder), lines_of(expected)
    assert [(line["frame"], line["time_s"]) for line in found] == [
        (line["frame"], line["time_s"]) for line in wanted
    ]
    for line, other in zip(found, wanted, strict=True):
        assert len(line["faces"]) == len(other["faces"]) == 1
        face, twin = line["faces"][0], other["faces"][0]
        assert (face["track"], face["shown"]) == (twin["track"], twin["shown"])
        np.testing.assert_allclose(face["box"], twin["box"], atol=0.5)
        for name, probability in twin["probabilities"].items():
            assert face["probabilities"][name] == pytest.approx(probability, abs=0.005)
    with av.open(folder / "out.mp4") as ours, av.open(expected / "out.mp4") as theirs:
        times = [[f.pts for f in out.decode(video=0)] for out in (ours, theirs)]
    assert times[0] == times[1]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "face.mp4"
    return make_face_clip(path, frames=FRAMES, fps=Fraction(25))


@pytest.fixture(scope="module")
def embedded(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded") / "run"
    run_embedded(request_for(clip, folder))
    return folder


def test_over_a_server_the_result_is_that_of_one_process(
    server: Server, immortal: object, clip: Path, embedded: Path, tmp_path: Path
) -> None:
    run_over(server, request_for(clip, tmp_path / "over"))
    assert_same(tmp_path / "over", embedded)


def test_a_killed_analyzer_costs_no_frame(
    server: Server,
    immortal: subprocess.Popen[str],
    clip: Path,
    embedded: Path,
    tmp_path: Path,
) -> None:
    immortal.send_signal(signal.SIGSTOP)  # so that the other one is sure to have work
    with analyzer(server, published=7) as doomed:

        def relieve() -> None:
            doomed.wait()
            immortal.send_signal(signal.SIGCONT)

        relief = threading.Thread(target=relieve)
        relief.start()
        try:
            run_over(server, request_for(clip, tmp_path / "over"))
            assert doomed.poll() == -signal.SIGKILL
        finally:
            doomed.kill()
            relief.join()
    assert_same(tmp_path / "over", embedded)


def test_a_stream_whose_place_was_taken_puts_nothing_in_place(
    server: Server, immortal: object, clip: Path, tmp_path: Path
) -> None:
    other = RedisTransport(server.url)
    request = request_for(clip, tmp_path / "over")
    with pytest.raises(Superseded) as caught:
        run_over(server, request, then=lambda: other.stream(stream_name(request), SETTINGS))
    assert isinstance(caught.value, JobError)
    assert list((tmp_path / "over").iterdir()) == []
    other.close()
