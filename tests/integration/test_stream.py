"""A whole stream over the memory transport: no frame lost, none twice, all at their times."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest

from mien.contract.analyses import AnalysisSettings
from mien.contract.errors import MienError, OutputError, UsageError
from mien.contract.frames import Frame
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.contract.stage import StageClock
from mien.stages import StageGroup
from mien.stream import STREAM, Outcome, Stream
from mien.transport.memory import MemoryTransport
from mien.transport.ports import Superseded
from producer.source import open_source
from producer.video import VideoSource
from tests.builders import Sound, make_clip, read_number
from tests.pipelines import OneFace
from workers.analyzer import Analyzer

WEIGHTS = {"sha256": "0" * 64}
SIZE = (320, 240)
FRAME_BYTES = 320 * 240 * 3 // 2


def run(request: RunRequest, pipeline: OneFace | None = None, analyzers: int = 1) -> Outcome:
    """What `mien run` does, with another pipeline and any number of analyzers."""
    eyes = pipeline or OneFace()
    transport, clock = MemoryTransport(), StageClock()
    source = open_source(request.source)
    stream = Stream(request, source, transport, weights=WEIGHTS, clock=clock)

    def stop() -> None:
        stream.stop()
        transport.close()

    group = StageGroup(stop)
    try:
        group.start("producer", stream.produce)
        muxer = group.start("muxer", stream.mux)
        for number in range(analyzers):
            analyzer = Analyzer(transport.work(), lambda _: eyes, batch=request.batch, clock=clock)
            group.start(f"analyzer {number}", analyzer.run)
        muxer.join()
        transport.close()
        group.join()
        return stream.finish()
    finally:
        stream.abort()
        source.close()


def request_for(
    clip: Path, output: Path | None, fps: Fraction | None = None, **changes: object
) -> RunRequest:
    settings = () if output is None else (OutputSettings(output, fps, crf=12),)
    folder = clip.parent
    request = RunRequest(
        str(clip),
        AnalysisRequest(),
        settings,
        results=folder / "results.jsonl",
        report=folder / "report.json",
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def numbers_in(path: Path) -> list[int]:
    with av.open(path) as container:
        return [read_number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def states(folder: Path) -> dict[str, int]:
    frames = json.loads((folder / "report.json").read_text())["frames"]
    return {state: count for state, count in frames.items() if state != "reasons" and count}


def analysed(folder: Path) -> list[int]:
    lines = (folder / "results.jsonl").read_text().splitlines()
    return [json.loads(line)["frame"] for line in lines]


@pytest.mark.parametrize("analyzers", [1, 3])
def test_every_frame_comes_out_once_in_order_and_at_its_own_time(
    tmp_path: Path, analyzers: int
) -> None:
    gaps = [1, 1, 1, 40, 1, 7, 3, 1, 1, 90, 2, 2, 5, 1, 1, 1, 1, 30, 4, 4, 4, 1]
    pts = [sum(gaps[:i]) * 900 for i in range(len(gaps))]
    clip = make_clip(tmp_path / "vfr.mkv", size=SIZE, frames=len(gaps), pts=pts, audio=Sound())
    outcome = run(request_for(clip, tmp_path / "out.mkv"), analyzers=analyzers)
    assert numbers_in(tmp_path / "out.mkv") == list(range(len(gaps)))
    with av.open(clip) as before, av.open(tmp_path / "out.mkv") as after:
        times = [
            [float(f.pts * f.time_base) for f in container.decode(video=0) if f.pts is not None]
            for container in (before, after)
        ]
    assert times[1] == pytest.approx(times[0], abs=0.0011)
    assert sum(states(tmp_path).values()) == len(gaps) == outcome.end.frame_count


@pytest.mark.parametrize("fps", [Fraction(10), None])
def test_at_the_end_all_frames_are_done_shown_or_not(tmp_path: Path, fps: Fraction | None) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=30, fps=Fraction(25))
    outcome = run(request_for(clip, fps and tmp_path / "out.mp4", fps))
    assert states(tmp_path)["sampled-out"]
    assert outcome.progress.frames == outcome.info.frame_count == 30


@pytest.mark.parametrize("fps", [Fraction(5), Fraction(24), Fraction(30000, 1001), Fraction(60)])
def test_at_another_rate_the_right_frames_are_repeated_or_left_out(
    tmp_path: Path, fps: Fraction
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=50, fps=Fraction(25))
    outcome = run(request_for(clip, tmp_path / "out.mp4", fps))
    shown = numbers_in(tmp_path / "out.mp4")
    assert len(shown) == round(2 * fps)
    for slot, number in enumerate(shown):
        assert abs(Fraction(slot) / fps - Fraction(number, 25)) <= max(1 / fps, Fraction(1, 25))
    found = states(tmp_path)
    assert sum(found.values()) == 50 == outcome.end.frame_count
    assert ("sampled-out" in found) == (fps < 25)
    # the first at or after each tenth of a second, whatever the output shows
    assert analysed(tmp_path) == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23,
                                  25, 28, 30, 33, 35, 38, 40, 43, 45, 48]  # fmt: skip


def test_frames_that_are_analysed_but_not_shown_are_in_the_books(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=50, fps=Fraction(25))
    analysis = AnalysisRequest(analyze_fps=None)
    run(request_for(clip, tmp_path / "out.mp4", Fraction(5), analysis=analysis))
    assert states(tmp_path) == {"muxed-analysed": 10, "analysed-only": 40}


def test_in_a_window_that_is_too_small_boxes_are_held_and_nothing_is_lost(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=50, fps=Fraction(25))
    request = request_for(
        clip,
        tmp_path / "out.mp4",
        analysis=AnalysisRequest(analyze_fps=Fraction(1)),
        window_bytes=3 * FRAME_BYTES,
    )
    run(request)
    assert numbers_in(tmp_path / "out.mp4") == list(range(50))
    assert states(tmp_path) == {"muxed-analysed": 2, "muxed-held": 48}


def test_a_burst_that_overfills_the_window_does_not_stop_the_stream(tmp_path: Path) -> None:
    # On average ten frames a second, but thirty of them within a blink: more than the window has
    # room for, and none of them analysed.
    pts = [*range(30), *range(3000, 300_000, 9000)]
    clip = make_clip(
        tmp_path / "burst.mkv", size=SIZE, frames=len(pts), pts=[900 + 90 * p for p in pts]
    )
    request = request_for(
        clip, tmp_path / "out.mkv", window_bytes=12 * FRAME_BYTES, batch=1,
        analysis=AnalysisRequest(analyze_fps=Fraction(10)),
    )  # fmt: skip
    run(request)
    assert numbers_in(tmp_path / "out.mkv") == list(range(len(pts)))
    assert sum(states(tmp_path).values()) == len(pts)


def test_numbers_alone_keep_no_picture_and_lose_no_frame(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=50, fps=Fraction(25))
    run(request_for(clip, None))
    assert states(tmp_path) == {"analysed-only": 20, "sampled-out": 30}


def test_an_analyzer_that_fails_fails_the_run_and_leaves_nothing_behind(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=100, fps=Fraction(25))
    with pytest.raises(RuntimeError, match="fell off the bus"):
        run(request_for(clip, tmp_path / "out.mp4"), OneFace(fail_after=9))
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_source_that_fails_in_the_middle_fails_the_run_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = VideoSource.frames

    def break_off(source: VideoSource) -> Iterator[Frame]:
        yield from islice(read(source), 20)
        raise RuntimeError("the disk fell out")

    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=30, fps=Fraction(25))
    monkeypatch.setattr(VideoSource, "frames", break_off)
    before = threading.enumerate()
    with pytest.raises(RuntimeError, match="the disk fell out"):
        run(request_for(clip, tmp_path / "out.mp4"))
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert set(threading.enumerate()) <= set(before)


def test_an_output_that_cannot_be_written_fails_the_run(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=100, fps=Fraction(25))
    request = request_for(clip, tmp_path / "out.mp4")
    stolen = False

    class Thief(OneFace):
        def analyze(self, images, on_step=None):  # type: ignore[no-untyped-def]
            nonlocal stolen
            if not stolen:  # somebody else takes the name while we work
                (tmp_path / "out.mp4").write_text("mine")
                stolen = True
            return super().analyze(images)

    with pytest.raises(OutputError, match=r"out\.mp4 appeared while it was being made"):
        run(request, Thief())
    assert (tmp_path / "out.mp4").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]


def test_the_report_tells_settings_hashes_and_seconds(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=10, fps=Fraction(25))
    run(request_for(clip, tmp_path / "out.mp4"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["weights"]["sha256"] == "0" * 64
    assert len(report["source"]["sha256"]) == 64
    assert report["end"] == {
        "frame_count": 10, "corrupt": 0, "end_ns": 400_000_000, "reason": "end of file",
    }  # fmt: skip
    assert {"decode", "encode", "annotate", "wall"} <= set(report["seconds"])
    assert report["tracks"][0]["shown_s"] == {"happy": 0.4}
    assert str(tmp_path) not in json.dumps(report["source"])


def test_where_one_file_fails_none_is_in_place(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=10)
    (tmp_path / "report.json").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        run(request_for(clip, tmp_path / "out.mp4"))  # the report is written last of all
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "report.json"}
    assert (tmp_path / "report.json").read_text() == "mine"


@pytest.mark.parametrize("name", ["results.jsonl", "report.json"])
def test_where_a_name_has_become_a_folder_no_file_is_replaced(tmp_path: Path, name: str) -> None:
    clip, output = make_clip(tmp_path / "clip.mp4", size=SIZE, frames=10), tmp_path / "out.mp4"
    output.write_text("mine")

    class Builder(OneFace):
        def analyze(self, images, on_step=None):  # type: ignore[no-untyped-def]
            (tmp_path / name).mkdir(exist_ok=True)
            return super().analyze(images)

    outputs = (OutputSettings(output, None, overwrite=True),)
    with pytest.raises(MienError, match=name):
        run(request_for(clip, None, outputs=outputs, overwrite=True), Builder())
    assert output.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "out.mp4", name}


def test_an_attempt_that_another_has_taken_over_puts_nothing_in_place(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", frames=10)
    request = request_for(clip, tmp_path / "out.mp4")
    transport, clock, eyes = MemoryTransport(), StageClock(), OneFace()
    source = open_source(request.source)
    stream = Stream(request, source, transport, weights=WEIGHTS, clock=clock)
    before = sorted(tmp_path.iterdir())
    analyzer = Analyzer(transport.work(), lambda _: eyes, batch=request.batch, clock=clock)
    group = StageGroup(transport.close)
    group.start("analyzer", analyzer.run)
    group.start("producer", stream.produce)
    try:
        stream.mux()
        transport.stream(STREAM, AnalysisSettings("mtcnn", 24.0, 0.9, "single", "0" * 64))
        with pytest.raises(Superseded):
            stream.finish()
    finally:
        transport.close()
        group.join()
        stream.abort()
        source.close()
    assert sorted(tmp_path.iterdir()) == [clip]
    assert len(before) > 1, "nothing was being written"
