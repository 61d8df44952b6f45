"""Hidden faces stay hidden where analyses do not come: what nobody has looked at is not shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.contract.analyses import AnalysisSettings
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.contract.stage import StageClock
from mien.stages import StageGroup
from mien.stream import Stream
from mien.transport.memory import MemoryTransport
from mien.transport.ports import Lease, WorkPort
from producer.source import open_source
from tests.builders import make_clip
from tests.cameras import Camera, camera_clip
from tests.live_runs import Run, check_books, lines_of, request_for
from tests.pipelines import Gate, NoFace, OneFace
from tests.waiting import wait_for
from workers.analyzer import MOST_DELIVERIES, Analyzer

TRUSTED_S = 1.0
SIZE = (320, 180)
ROOM = np.s_[4:40, :], np.s_[140:176, :]
"""Above and below the face that `OneFace` finds."""
FACE = np.s_[62:78, 110:210]
"""Of the face itself, above the words on the picture of an outage."""
EDGE, FACE_EDGE = 15, 40
"""Steps of luma that no blend has: a face's averages lie closer together than a picture's."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What can be seen on one picture of the output."""

    time_s: float
    is_clear: bool
    """Whether the room round the face can be seen: its cells have sharp edges."""
    face_is_clear: bool


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Camera]:
    """One that serves a clip with edges on every picture's face, which is never to be seen."""
    folder = tmp_path / "camera"
    folder.mkdir()
    camera_clip(folder / "clip.mp4", first_number=16)
    with Camera(folder) as camera:
        yield camera


def hiding(folder: Path) -> tuple[OutputSettings, ...]:
    return (OutputSettings(folder / "out.mp4", None, blur=True),)


def live(
    camera: Camera, folder: Path, eyes: OneFace | None = None, *, attended: bool = True
) -> Run:
    request = request_for(camera, folder, outputs=hiding(folder), max_latency_s=0.3)
    return Run(request, eyes, attended=attended)


def sharpest(part: NDArray[Any]) -> int:
    """The greatest step from a sample to its right neighbour."""
    return int(np.abs(np.diff(part.astype(int), axis=1)).max())


def shown(folder: Path) -> list[Shown]:
    with av.open(folder / "out.mp4") as container:
        pictures = [(f.time, f.to_ndarray(format="gray")) for f in container.decode(video=0)]
    return [
        Shown(float(at or 0), all(sharpest(luma[part]) > EDGE for part in ROOM),
              sharpest(luma[FACE]) > FACE_EDGE)
        for at, luma in pictures
    ]  # fmt: skip


def check_hidden(folder: Path, pictures: Sequence[Shown], since_s: float = 0.0) -> None:
    """A picture is clear if it was looked at, or one was a second before: later than `since_s`."""
    looked = [float(str(line["time_s"])) for line in lines_of(folder) if line.get("faces")]
    for one in pictures:
        ages = [one.time_s - at for at in looked if since_s <= at < one.time_s + 0.002]
        age_s = min(ages, default=1e9)
        if abs(age_s - TRUSTED_S) > 0.01:  # results tell milliseconds
            assert one.is_clear == (age_s < TRUSTED_S), (one, age_s)
        assert not one.face_is_clear, one


def test_a_camera_without_an_analyzer_is_hidden_whole_and_its_faces_alone_once_one_comes(
    camera: Camera, tmp_path: Path
) -> None:
    run = live(camera, tmp_path, attended=False)
    run.wait_for(40)
    run.attend()
    run.wait_for(run.stream.progress.frames + 60)
    check_books(tmp_path, run.end())
    pictures = shown(tmp_path)
    assert not any(one.is_clear for one in pictures[:40])
    assert all(one.is_clear for one in pictures[-20:])
    check_hidden(tmp_path, pictures)


def test_pictures_in_which_nobody_was_found_are_clear(camera: Camera, tmp_path: Path) -> None:
    run = live(camera, tmp_path, NoFace())
    run.wait_for(40)
    run.end()
    pictures = shown(tmp_path)
    first_s = min(float(str(o["time_s"])) for o in lines_of(tmp_path) if o["faces"] == [])
    seen = [one for one in pictures if one.time_s > first_s - 0.002]
    assert len(seen) > 20
    assert all(one.is_clear and one.face_is_clear for one in seen)


def test_boxes_of_busy_analyzers_are_held_for_a_second_and_then_all_is_hidden(
    camera: Camera, tmp_path: Path
) -> None:
    eyes = Gate()
    run = live(camera, tmp_path, eyes)
    run.wait_for(30)
    eyes.open.clear()
    run.wait_for(run.stream.progress.frames + 55)
    eyes.open.set()
    run.wait_for(run.stream.progress.frames + 40)
    assert check_books(tmp_path, run.end())["analyzers busy"] > 5
    pictures = shown(tmp_path)
    clear = [one.is_clear for one in pictures]
    assert clear[25]
    assert clear[-1]
    assert clear.count(False) > 10
    check_hidden(tmp_path, pictures)


def test_after_an_outage_all_is_hidden_until_the_first_analysis(
    camera: Camera, tmp_path: Path
) -> None:
    eyes = Gate()
    run = live(camera, tmp_path, eyes)
    run.wait_for(30)
    camera.kill()
    eyes.open.clear()
    camera.start()
    run.wait_back()
    eyes.open.set()
    run.wait_for(run.stream.progress.frames + 40)
    check_books(tmp_path, run.end())
    (outage,) = [line for line in lines_of(tmp_path) if line.get("event") == "outage"]
    begin, length = float(str(outage["time_s"])), float(str(outage["length_s"]))
    pictures = shown(tmp_path)
    stale = [one for one in pictures if begin < one.time_s < begin + length - 0.01]
    back = [one for one in pictures if one.time_s > begin + length - 0.01]
    assert stale
    assert all(one.is_clear and not one.face_is_clear for one in stale), "as the one before"
    assert not any(one.is_clear for one in back[:20])
    assert back[-1].is_clear
    check_hidden(tmp_path, back, since_s=begin + length - 0.01)


def test_the_picture_of_an_outage_is_hidden_whole_if_the_last_one_was(
    camera: Camera, tmp_path: Path
) -> None:
    run = live(camera, tmp_path, attended=False)
    run.wait_for(25)
    camera.kill()
    count = run.stream.progress.frames
    position_ns = run.stream.progress.position_ns
    wait_for(lambda: run.stream.progress.position_ns >= position_ns + 1_500_000_000)
    assert run.stream.progress.frames < count + 25, "the camera is dead"
    run.end()
    pictures = shown(tmp_path)
    assert len(pictures) > count
    assert not any(one.is_clear or one.face_is_clear for one in pictures)


class Hopeless:
    """Work whose images from some of the frames have been tried too often."""

    def __init__(self, work: WorkPort, is_lost: Callable[[int], bool]) -> None:
        self._work, self._is_lost = work, is_lost
        self.publish, self.give_back = work.publish, work.give_back

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        return [
            replace(lease, deliveries=MOST_DELIVERIES + 1)
            if self._is_lost(lease.image.index)
            else lease
            for lease in self._work.take(limit, wait_s)
        ]


def run_file(folder: Path, is_lost: Callable[[int], bool], **analysis: object) -> list[Shown]:
    """A file of four seconds with edges on every face, of which some analyses are given up."""
    clip = make_clip(folder / "clip.mp4", size=SIZE, frames=100, first_number=16)
    request = RunRequest(
        str(clip), AnalysisRequest(**analysis), hiding(folder), results=folder / "results.jsonl"  # type: ignore[arg-type]
    )  # fmt: skip
    transport, clock = MemoryTransport(), StageClock()
    source = open_source(request.source)
    stream = Stream(request, source, transport, weights={"sha256": "0" * 64}, clock=clock)
    eyes = OneFace()

    def pipeline_for(settings: AnalysisSettings) -> OneFace:
        return eyes

    def stop() -> None:
        stream.stop()
        transport.close()

    group = StageGroup(stop)
    try:
        group.start("producer", stream.produce)
        muxer = group.start("muxer", stream.mux)
        work = Hopeless(transport.work(), is_lost)
        group.start("analyzer", Analyzer(work, pipeline_for, batch=4, clock=clock).run)
        muxer.join()
        transport.close()
        group.join()
        stream.finish()
    finally:
        stream.abort()
        source.close()
    return shown(folder)


def test_a_file_is_hidden_whole_where_its_analyses_were_given_up(tmp_path: Path) -> None:
    pictures = run_file(tmp_path, lambda index: index < 5 or 20 <= index < 70)
    clear = [one.is_clear for one in pictures]
    assert not any(clear[:5])
    assert all(clear[5:20])
    assert not any(clear[50:70])
    assert all(clear[70:])
    check_hidden(tmp_path, pictures)


def test_rare_analyses_that_were_asked_for_hide_faces_alone(tmp_path: Path) -> None:
    pictures = run_file(tmp_path, lambda index: False, analyze_fps=Fraction(1, 2))
    assert all(one.is_clear and not one.face_is_clear for one in pictures)
    assert all(one.time_s < other.time_s for one, other in pairwise(pictures))
