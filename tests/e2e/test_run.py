"""`mien run` as a user meets it."""

import hashlib
import json
import os
import signal
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from mien.contract.ledger import FRAME_STATES
from tests.builders import Sound
from tests.e2e.conftest import Mien, command
from tests.faces import FACE_BOX, face_box, face_photo, make_face_clip
from workers.tracking import iou

SIZE = (320, 240)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """36 frames at 29.97 with sound, one face."""
    return make_face_clip(
        tmp_path / "clip.mp4", frames=36, fps=Fraction(30000, 1001), size=SIZE, sound=Sound()
    )


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute, so that a run can be stopped in the middle."""
    return make_face_clip(tmp_path_factory.mktemp("long") / "clip.mp4", frames=1500, size=SIZE)


def video_of(path: Path) -> tuple[int, float]:
    """Frames and seconds of the video, by decoding it."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        last = frames[-1]
        assert last.pts is not None
        assert last.duration is not None
        return len(frames), float((last.pts + last.duration) * last.time_base)


def packets_of(path: Path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]


OFFLINE = """
import os, sys
def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo"}:
        sys.stderr.write(f"{event} {arguments}\\n")
        os._exit(70)
sys.addaudithook(refuse)
"""
"""Python runs it at its start; whoever turns to the network ends there."""


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of a user without a network, who has never downloaded anything; it is empty."""
    home, started = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("offline")
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(home))
    (started / "sitecustomize.py").write_text(OFFLINE)
    monkeypatch.setenv("PYTHONPATH", str(started), prepend=os.pathsep)
    return home


@pytest.mark.parametrize("detector", ["mtcnn", "haar"])
def test_a_clip_gives_an_annotated_clip_and_the_numbers_without_a_network(
    mien: Mien, home: Path, tmp_path: Path, clip: Path, detector: str
) -> None:
    done = mien(
        "run", clip, "-o", "out.mp4", "--detector", detector,
        "--results", "r.jsonl", "--report", "r.json",
    )  # fmt: skip

    assert video_of(tmp_path / "out.mp4") == video_of(clip)
    assert packets_of(tmp_path / "out.mp4") == packets_of(clip)

    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33]
    for line in lines:
        (face,) = line["faces"]
        expected = np.array([face_box(line["frame"], SIZE)], np.float32)
        assert iou(np.array([face["box"]], np.float32), expected)[0, 0] > 0.4
        assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert (face["confidence"] is None) == (detector == "haar")
    assert {face["track"] for line in lines for face in line["faces"]} == {1}

    report = json.loads((tmp_path / "r.json").read_text())
    assert sum(report["frames"][state] for state in FRAME_STATES) == 36
    assert report["frames"]["muxed-analysed"] == 12
    assert report["outputs"][0]["audio"] == ["aac copied"]
    assert "out.mp4" in done.stdout
    assert "1.2 s" in done.stdout
    assert list(home.iterdir()) == []


def test_the_box_is_drawn_on_the_face(forked: Mien, tmp_path: Path, clip: Path) -> None:
    forked("run", clip, "-o", "out.mkv", "--crf", 10)
    with av.open(clip) as source, av.open(tmp_path / "out.mkv") as output:
        pairs = zip(source.decode(video=0), output.decode(video=0), strict=True)
        for number, (before, after) in enumerate(pairs):
            change = np.abs(
                before.to_ndarray(format="rgb24").astype(int)
                - after.to_ndarray(format="rgb24").astype(int)
            ).max(axis=2)
            rows, columns = np.nonzero(change > 60)
            x1, y1, x2, y2 = face_box(number, SIZE)
            assert x1 - 25 < columns.min() < x1 + 25
            assert y1 - 45 < rows.min() < y1 + 25  # the label stands above the box
            assert y2 - 25 < rows.max() < y2 + 45  # or below it
            assert x2 - 25 < columns.max() < x2 + 60


@pytest.mark.parametrize(("fps", "frames"), [("24", 29), ("60", 72), ("12.5", 15)])
def test_a_constant_rate_keeps_the_duration(
    forked: Mien, tmp_path: Path, clip: Path, fps: str, frames: int
) -> None:
    forked("run", clip, "-o", "out.mp4", "--fps", fps, "--results", "r.jsonl")
    found, seconds = video_of(tmp_path / "out.mp4")
    assert found == frames
    assert seconds == pytest.approx(36 * 1001 / 30000, abs=1 / float(fps))
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 12  # they do not depend on it


def test_two_runs_give_the_same_numbers(
    mien: Mien, forked: Mien, tmp_path: Path, clip: Path
) -> None:
    mien("run", clip, "--no-video", "--results", "a.csv", "--analyze-fps", "all")
    forked("run", clip, "--no-video", "--results", "b.csv", "--analyze-fps", "all")
    first, second = (
        np.genfromtxt(tmp_path / name, delimiter=",", skip_header=1, usecols=range(6))
        for name in ("a.csv", "b.csv")
    )
    assert first.shape == second.shape == (36, 6)
    assert np.abs(first - second).max() <= 0.5


def test_a_photo_gives_a_photo(forked: Mien, tmp_path: Path) -> None:
    Image.fromarray(face_photo()).save(tmp_path / "in.png")
    forked("run", "in.png", "-o", "out.png", "--results", "r.jsonl")
    with Image.open(tmp_path / "out.png") as image:
        after = np.asarray(image.convert("RGB"))
    change = np.abs(after.astype(int) - face_photo().astype(int)).max(axis=2) > 0
    assert change.any()
    assert not change[320:].any()  # nothing below the face is touched
    (line,) = (tmp_path / "r.jsonl").read_text().splitlines()
    (face,) = json.loads(line)["faces"]
    assert face["expression"] == "happy"
    box = np.array([face["box"]], np.float32)
    assert iou(box, np.array([FACE_BOX], np.float32))[0, 0] > 0.5


def test_blurred_faces_cannot_be_read_any_more(forked: Mien, tmp_path: Path, clip: Path) -> None:
    forked("run", clip, "-o", "blurred.mp4", "--blur")
    forked("run", "blurred.mp4", "--no-video", "--results", "r.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert not any(line["faces"] for line in lines)


def test_numbers_alone_need_no_output(forked: Mien, tmp_path: Path, clip: Path) -> None:
    forked("run", clip, "--no-video", "--results", "r.jsonl", "--report", "r.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "r.json", "r.jsonl"]
    frames = json.loads((tmp_path / "r.json").read_text())["frames"]
    assert frames["analysed-only"] == 12
    assert frames["sampled-out"] == 24


def test_an_output_that_is_there_is_replaced_only_when_asked(
    forked: Mien, tmp_path: Path, clip: Path
) -> None:
    for name in ("out.mp4", "r.jsonl", "r.json"):
        (tmp_path / name).write_text("mine")
    arguments = ["run", clip, "-o", "out.mp4", "--results", "r.jsonl", "--report", "r.json"]
    refused = forked(*arguments, check=False)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "--overwrite" in refused.stderr
    assert all((tmp_path / n).read_text() == "mine" for n in ("out.mp4", "r.jsonl", "r.json"))
    forked(*arguments, "--overwrite")
    assert video_of(tmp_path / "out.mp4")[0] == 36


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(
    tmp_path: Path, long_clip: Path, number: signal.Signals
) -> None:
    process = _started(tmp_path, long_clip)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("mien: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_leaves_nothing_under_the_final_name(tmp_path: Path, long_clip: Path) -> None:
    process = _started(tmp_path, long_clip)
    process.kill()
    process.communicate(timeout=60)
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == []


def _started(folder: Path, clip: Path) -> subprocess.Popen[str]:
    """A run that has begun to write its output."""
    process = subprocess.Popen(
        command("run", clip, "-o", "out.mp4", "--results", "r.jsonl", "--report", "r.json"),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not any(p.stat().st_size > 10_000 for p in folder.glob(".out.*")):
        assert process.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_a_parquet_file_says_where_its_numbers_come_from(mien: Mien, tmp_path: Path) -> None:
    clip = make_face_clip(tmp_path / "short.mp4", frames=3)
    mien(
        "run", "short.mp4", "--no-video", "--results", "r.parquet", "--report", "r.json",
        "--min-confidence", "0.8", "--analyze-size", "160", "--min-face", "48",
    )  # fmt: skip
    told = json.loads(pyarrow.parquet.read_schema(tmp_path / "r.parquet").metadata[b"mien"])
    report = json.loads((tmp_path / "r.json").read_text())
    assert told == {name: report[name] for name in told}
    assert set(told) >= {"mien", "source", "settings", "weights", "numerics"}
    assert told["source"]["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert told["settings"]["min_confidence"] == 0.8
    assert told["analysis_image"] == {"width": 160, "height": 120, "min_face_px": 24.0}
    assert told["weights"]["architecture"] == "vgg19"
    assert told["numerics"]["device"] in {"cpu", "cuda"}
