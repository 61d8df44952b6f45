"""A live stream from its camera to its files, over the memory transport."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from statistics import median

import av
import numpy as np
import pytest

from mien.contract.errors import OutputError, UsageError
from mien.contract.frames import Gap, SourceInfo
from mien.contract.live import BUSY, LATE
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.contract.stage import Progress
from mien.embedded import run
from mien.transport.redis import RedisTransport
from producer.live import LiveSource
from tests.cameras import Camera, camera_clip
from tests.live import settings_for
from tests.live_runs import BEHIND, Run, check_books, check_hardly_any_lost, lines_of, request_for
from tests.pipelines import FixedTime
from tests.servers import Server
from workers.hls_playlist import RollingPlaylist, write_playlist


def test_an_outage_is_in_the_picture_the_results_and_the_report(
    camera: Camera, tmp_path: Path
) -> None:
    run = Run(request_for(camera, tmp_path))
    run.wait_for(25)
    camera.kill()
    time.sleep(2)
    camera.start()
    run.wait_back()
    outcome = run.end()
    assert outcome.end.reason == "stopped"
    check_hardly_any_lost(tmp_path, outcome)

    lines = lines_of(tmp_path)
    times = [line["time_s"] for line in lines]
    assert times == sorted(times)  # type: ignore[type-var]
    (outage,) = [line for line in lines if line.get("event") == "outage"]
    begin, length = outage["time_s"], outage["length_s"]
    assert isinstance(begin, float)
    assert isinstance(length, float)
    assert length > 2
    assert outage["utc"].endswith("Z")  # type: ignore[attr-defined]
    frames = [line for line in lines if "frame" in line]
    assert {line["epoch"] for line in frames} == {0, 1}
    assert all(str(line["utc"])[10] == "T" for line in frames)
    assert not [line for line in frames if begin < line["time_s"] < begin + length]  # type: ignore[operator]

    with av.open(tmp_path / "out.mp4") as container:
        shown = [(f.time, f.to_ndarray(format="gray")) for f in container.decode(video=0)]
    assert all(one[0] < other[0] for one, other in pairwise(shown))
    stale = [pixels for at, pixels in shown if begin + 0.3 < at < begin + length - 0.3]
    assert len(stale) >= 5
    before = [pixels for at, pixels in shown if at <= begin][-1]
    corner = np.s_[:20, :30]  # bright in every picture of the clip
    assert all(pixels[corner].mean() < 0.6 * before[corner].mean() for pixels in stale)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["live"]["reconnects"] == report["live"]["outages"] == 1


def test_a_run_that_fails_ends_its_playlist(camera: Camera, tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    analysis = AnalysisRequest(detector="haar", weights="small")

    def fail(info: SourceInfo, progress: Progress) -> None:
        if path.exists():
            raise OutputError("no space left")

    with pytest.raises(OutputError, match="no space left"):
        run(RunRequest(camera.url(), analysis, tuple(settings_for(path))), on_progress=fail)
    assert path.read_text().endswith("#EXT-X-ENDLIST\n")


@pytest.mark.parametrize(("window_bytes", "told"), [(None, False), (10**6, True)])
def test_that_pictures_cannot_wait_as_long_as_asked_for_is_told(
    camera: Camera,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    window_bytes: int | None,
    told: bool,
) -> None:
    Run(request_for(camera, tmp_path, window_bytes=window_bytes, max_latency_s=5.0)).end()
    assert ("no more fit into memory" in caplog.text) == told


def test_a_run_that_ends_in_an_outage_tells_of_it(camera: Camera, tmp_path: Path) -> None:
    run = Run(request_for(camera, tmp_path))
    run.wait_for(25)
    camera.kill()
    time.sleep(1.5)
    check_books(tmp_path, run.end())
    assert lines_of(tmp_path)[-1]["event"] == "outage"


def test_an_outage_is_told_also_where_the_run_is_ended_just_as_a_gap_is_given(
    camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(request_for(camera, tmp_path))
    run.wait_for(25)
    mark = LiveSource._mark_gap

    def end_and_mark(self: LiveSource) -> Iterator[Gap]:
        for gap in mark(self):
            run.stream.end_early()
            yield gap

    monkeypatch.setattr(LiveSource, "_mark_gap", end_and_mark)
    camera.kill()
    run.wait_for(10**6)  # or its end
    outcome = run.end()
    assert outcome.end.reason == "stopped"
    check_books(tmp_path, outcome)
    assert lines_of(tmp_path)[-1]["event"] == "outage"
    assert run.stream.live_status()["outages"] == 1


def test_results_are_in_their_file_while_the_stream_runs(camera: Camera, tmp_path: Path) -> None:
    run = Run(request_for(camera, tmp_path, outputs=()))
    run.wait_for(40)
    assert len(lines_of(tmp_path)) >= 10
    run.end()
    before = lines_of(tmp_path)
    again = Run(request_for(camera, tmp_path, outputs=(), report=None))
    again.wait_for(25)
    again.end()
    assert lines_of(tmp_path)[: len(before)] == before
    assert len(lines_of(tmp_path)) > len(before)


def test_results_of_before_outlive_a_run_whose_outputs_cannot_be_opened(
    camera: Camera, tmp_path: Path
) -> None:
    path, results = tmp_path / "live.m3u8", tmp_path / "results.jsonl"
    playlist = RollingPlaylist(2)
    playlist.add("live-00000.ts", 2.0, 0.0, is_break=False)
    write_playlist(path, playlist)
    path.with_name("live-00000.ts").touch()
    path.with_name("live-00001.ts").mkdir()  # it has to go, and cannot
    results.write_text("of before\n")
    outputs = tuple(settings_for(path, overwrite=True))
    with pytest.raises(OutputError, match="cannot write"):
        Run(request_for(camera, tmp_path, outputs=outputs, overwrite=True))
    assert results.read_text() == "of before\n"


def test_parquet_is_refused_before_anything_is_written(camera: Camera, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Parquet"):
        Run(request_for(camera, tmp_path, results=tmp_path / "results.parquet"))
    assert [path.name for path in tmp_path.iterdir()] == ["camera"]


@pytest.mark.slow
def test_with_a_slow_analyzer_no_picture_waits_longer_and_longer(
    camera: Camera, tmp_path: Path
) -> None:
    run = Run(request_for(camera, tmp_path, max_latency_s=0.4), FixedTime(0.15))
    latencies: list[list[float]] = []
    live = run.stream.progress.live
    assert live is not None
    for seconds in range(12):
        run.wait_for(25 * (seconds + 1))
        latencies.append([latency for _, latency in list(live._written)[-25:]])
    reasons = check_books(tmp_path, run.end())
    assert set(reasons) <= BEHIND
    assert reasons["analyzers busy"] > 12, "asked for more than it can do"
    faces = [line for line in lines_of(tmp_path) if line["faces"]]
    assert len(faces) > 24, "what it can do is of use"
    lost = [line for line in lines_of(tmp_path) if line["faces"] is None]
    assert {BUSY, LATE} & set(reasons) <= {line["reason"] for line in lost} <= set(reasons)
    early, late = (median(chain(*part)) for part in (latencies[2:6], latencies[8:]))
    assert late < early + 0.2


def test_with_a_slow_encoder_pictures_are_given_up_and_none_is_old(
    camera: Camera, tmp_path: Path
) -> None:
    run = Run(request_for(camera, tmp_path, max_latency_s=0.2), write_s=0.08)
    run.wait_for(110)
    outcome = run.end()
    reasons = check_books(tmp_path, outcome)
    assert reasons["encoder behind"] > 25
    status = json.loads((tmp_path / "report.json").read_text())["live"]
    assert status["drops"]["encoder behind"] == reasons["encoder behind"]
    assert outcome.outputs[0].frames == outcome.end.frame_count - reasons["encoder behind"]


def test_a_picture_that_is_late_and_then_given_up_is_told_once_in_every_book(
    camera: Camera, tmp_path: Path
) -> None:
    request = request_for(camera, tmp_path, max_latency_s=0.2)
    run = Run(request, FixedTime(0.3), write_s=0.08)
    run.wait_for(110)
    reasons = check_books(tmp_path, run.end())
    assert reasons["encoder behind"] > 10
    drops = json.loads((tmp_path / "report.json").read_text())["live"]["drops"]
    assert drops == reasons


def test_a_window_without_room_costs_pictures_and_never_stops_the_camera(
    camera: Camera, tmp_path: Path
) -> None:
    room = 6 * 320 * 180 * 3 // 2
    run = Run(request_for(camera, tmp_path, window_bytes=room, max_latency_s=5), FixedTime(0.3))
    run.wait_for(75)
    outcome = run.end()
    reasons = check_books(tmp_path, outcome)
    assert reasons, "something has to give"
    assert outcome.end.frame_count >= 75


def test_a_constant_rate_goes_on_through_an_outage(camera: Camera, tmp_path: Path) -> None:
    output = OutputSettings(tmp_path / "out.mp4", Fraction(10))
    run = Run(request_for(camera, tmp_path, outputs=(output,)))
    run.wait_for(25)
    camera.kill()
    time.sleep(1.5)
    camera.start()
    run.wait_back()
    outcome = run.end()
    check_books(tmp_path, outcome)
    with av.open(tmp_path / "out.mp4") as container:
        times = [frame.time for frame in container.decode(video=0)]
    steps = {round(other - one, 3) for one, other in pairwise(times)}
    assert steps == {0.1}
    assert abs(len(times) / 10 - outcome.end.end_ns / 1e9) < 0.2


def test_a_constant_rate_shows_and_analyses_a_camera_of_few_pictures(
    camera: Camera, tmp_path: Path
) -> None:
    camera_clip(camera.folder / "clip.mp4", frames=20, fps=Fraction(4, 5))
    output = OutputSettings(tmp_path / "out.mp4", Fraction(10))
    # it sends a picture in 1.25 s, so that two seconds of patience are few
    run = Run(request_for(camera, tmp_path, outputs=(output,)), timeout_s=(8.0, 8.0))
    run.wait_for(4)
    outcome = run.end()
    check_books(tmp_path, outcome)
    assert outcome.outputs[0].frames > 10 * outcome.end.end_ns / 1e9 / 2
    assert [line for line in lines_of(tmp_path) if line["faces"]]


def test_one_dead_camera_harms_no_other(tmp_path: Path) -> None:
    runs, cameras = [], []
    for name in ("well", "dead"):
        (tmp_path / name).mkdir()
        camera_clip(tmp_path / name / "clip.mp4")
        cameras.append(Camera(tmp_path / name).start())
        runs.append(Run(request_for(cameras[-1], tmp_path / name)))
    well, dead = runs
    try:
        dead.wait_for(10)
        cameras[1].kill()
        seen = well.stream.progress.frames
        well.wait_for(seen + 75)
    finally:
        outcomes = [run.end() for run in runs]
        for camera in cameras:
            camera.kill()
    check_hardly_any_lost(tmp_path / "well", outcomes[0])
    check_books(tmp_path / "dead", outcomes[1])
    assert not [line for line in lines_of(tmp_path / "well") if "event" in line]
    assert lines_of(tmp_path / "dead")[-1]["event"] == "outage"


def test_an_output_that_fails_in_an_outage_ends_the_run(camera: Camera, tmp_path: Path) -> None:
    run = Run(request_for(camera, tmp_path))
    run.wait_for(25)
    camera.kill()
    assert run.stream._sink is not None
    run.stream._sink.abort()  # as a full disk does
    with pytest.raises(OutputError):
        run.end()


def test_over_a_server_a_camera_is_handled_as_in_one_process(
    camera: Camera, tmp_path: Path
) -> None:
    server = Server("valkey", tmp_path).start()
    try:
        transport = RedisTransport(server.url)
        run = Run(request_for(camera, tmp_path), FixedTime(0.02), transport=transport)
        run.wait_for(75)
        camera.kill()
        time.sleep(1.2)
        camera.start()
        run.wait_back()
        outcome = run.end()
    finally:
        server.remove()
    check_books(tmp_path, outcome)
    lines = lines_of(tmp_path)
    assert {line["epoch"] for line in lines} == {0, 1}
    assert [line for line in lines if "event" in line]
    assert {line["epoch"] for line in lines if line.get("faces")} == {0, 1}
