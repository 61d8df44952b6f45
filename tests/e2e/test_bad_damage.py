"""Damaged sources and odd names: what can be decoded is decoded, and what was lost is told."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from mien.contract.ledger import FRAME_STATES
from tests.builders import Sound, make_clip
from tests.e2e.forkserver import Done, ForkServer

CHEAP = ("--detector", "haar", "--analyze-fps", "5")
ANNOTATED = ("-o", "out.mp4", "--results", "r.jsonl", "--report", "r.json", *CHEAP)
FRONT = {"container_options": {"movflags": "faststart"}}


def annotate(forks: ForkServer, folder: Path, name: str) -> tuple[Done, dict[str, Any]]:
    """Run on a damaged file; its report, in which the books balance."""
    done = forks.run(["run", name, *ANNOTATED], folder)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((folder / "r.json").read_text())
    frames, end = report["frames"], report["end"]
    assert sum(frames[state] for state in FRAME_STATES) == end["frame_count"] + end["corrupt"]
    assert report["outputs"][0]["frames"] == end["frame_count"]
    return done, report


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("cut.mp4", FRONT),
        ("cut.mkv", {}),
        ("cut.webm", {"codec": "libvpx-vp9"}),
        ("cut.ts", {}),
        ("cut.flv", {"audio": None}),
    ],
)
def test_of_a_truncated_file_is_given_what_is_there(
    forks: ForkServer, tmp_path: Path, name: str, clip: dict[str, Any]
) -> None:
    sound = Sound("libopus" if name == "cut.webm" else "aac")
    path = make_clip(tmp_path / name, **{"frames": 100, "audio": sound} | clip)
    # Within a packet of ts, which cannot tell a cut between two.
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10 // 188 * 188 + 100])
    done, report = annotate(forks, tmp_path, name)
    assert 20 < report["end"]["frame_count"] < 100
    assert report["end"]["reason"] == "damaged"
    assert "the source ended early: damaged" in done.stdout


@pytest.mark.parametrize(
    ("name", "clip"), [("a.mp4", FRONT), ("a.mkv", {}), ("a.ts", {}), ("a.flv", {})]
)
def test_damage_in_the_middle_costs_what_is_damaged_and_is_told(
    forks: ForkServer, tmp_path: Path, name: str, clip: dict[str, Any]
) -> None:
    path = make_clip(tmp_path / name, frames=100, **clip)
    data = bytearray(path.read_bytes())
    length = len(data) // 10
    middle = len(data) // 2
    data[middle : middle + length] = random.Random(2).randbytes(length)
    path.write_bytes(data)
    done, report = annotate(forks, tmp_path, name)
    assert 60 < report["end"]["frame_count"] <= 100
    if report["end"]["corrupt"]:
        assert f"{report['end']['corrupt']} damaged packets gave no picture" in done.stdout
    assert report["end"]["corrupt"] or name != "a.mp4"  # all of its packets are known
    if name != "a.mp4":
        lost_s = (100 - report["end"]["frame_count"]) / 25
        assert report["missing_s"] == pytest.approx(lost_s, abs=0.08)
        assert f"the file is damaged: about {lost_s:.1f} s of it are missing" in done.stdout


def test_sound_that_repeats_itself_does_not_cost_the_pictures(
    forks: ForkServer, tmp_path: Path
) -> None:
    """A block that stands there twice, as a bad copy has it: its sound starts over."""
    path = make_clip(tmp_path / "a.ts", frames=50, audio=Sound("mp2"))
    data = path.read_bytes()
    start = len(data) // 188 // 2 * 188
    path.write_bytes(data[: start + 188 * 40] + data[start:])
    for name in ("out.mp4", "out.mkv", "out.avi"):
        done = forks.run(["run", "a.ts", "-o", name, *CHEAP], tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "output", [("out.mp4",), ("out.mp4", "--fps", "24"), ("out.avi",), ("out.mkv",)], ids=" ".join
)
def test_a_stamp_that_is_days_ahead_does_not_make_a_video_of_days(
    forks: ForkServer, tmp_path: Path, output: tuple[str, ...]
) -> None:
    days = 24 * 86400 * 90000
    stamps = [*range(0, 36000, 3600), *range(days, days + 36000, 3600)]
    path = make_clip(tmp_path / "a.mkv", frames=20, pts=stamps, size=(64, 48))
    done = forks.run(["run", path, "-o", *output, "--report", "r.json", *CHEAP], tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["end"]["frame_count"] == 20
    assert report["end"]["end_ns"] == 800_000_000


def test_a_playlist_that_was_cut_is_read_to_its_end(forks: ForkServer, tmp_path: Path) -> None:
    """It is not waited for what nobody writes any more."""
    make_clip(tmp_path / "part.ts", frames=20)
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:600\n#EXTINF:600,\npart.ts\n#EXTINF:600,\n"
    (tmp_path / "list.m3u8").write_text(text)
    _, report = annotate(forks, tmp_path, "list.m3u8")
    assert report["end"]["frame_count"] == 20
    assert report["end"]["reason"] == "damaged"


@pytest.mark.parametrize(
    "name",
    [
        "-leading dash.mp4",
        "--fps.mp4",
        "ünï 🎬.mp4",
        "a:b%03d.mp4",
        "line\nbreak.mp4",
        "'\"$(x).mp4",
    ],
)
def test_odd_file_names_are_only_names(forks: ForkServer, tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / name, frames=5)
    done = forks.run(["run", *CHEAP, "-o", f"./out {name}", "--", name], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"out {name}").stat().st_size > 1000
    done = forks.run(["run", "--no-video", "--", f"gone {name}"], tmp_path)
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
