"""Whatever is fed to `mien run`: one clear sentence, the right exit code, nothing half-written."""

import ctypes
import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from model.checkpoint import WEIGHTS_FOLDER
from tests.builders import Sound, make_clip
from tests.e2e.conftest import Mien, command
from tests.faces import make_face_clip

ANNOTATED = ("-o", "out.mp4", "--results", "r.jsonl", "--report", "r.json")


def outputs(folder: Path) -> list[str]:
    names = {"out.mp4", "r.jsonl", "r.json"}
    return sorted(p.name for p in folder.iterdir() if p.name in names or p.name.startswith("."))


def text(path: Path) -> None:
    path.write_text("this is not a video\n" * 200)


def noise(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(100_000))


def folder(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("gone.mp4")


def cut_before_its_index(path: Path) -> None:
    make_clip(path, frames=50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def sound_alone(path: Path) -> None:
    whole = make_clip(path.with_name("whole.mkv"), frames=25, audio=Sound())
    import av

    with av.open(whole) as source, av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    whole.unlink()


def bomb(path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(path, format="PNG")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.touch, "empty"),
        (text, "no video or picture"),
        (noise, "no video or picture"),
        (folder, "folder"),
        (dangling, "link"),
        (os.mkfifo, "pipe"),
        (cut_before_its_index, "no video or picture"),
        (sound_alone, "no picture"),
        (bomb, "too large"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_holds_no_picture_is_refused(
    mien: Mien, tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    make(tmp_path / "clip.mp4")
    done = mien("run", "clip.mp4", *ANNOTATED, check=False, timeout_s=60)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 3
    assert line.startswith("mien: cannot read clip.mp4")
    assert words in line
    assert outputs(tmp_path) == []


def without_root_rights() -> None:
    """Let permissions count for root, too: drop CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    if os.geteuid() == 0:
        for capability in (1, 2):
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform != "linux", reason="root loses its rights by Linux's prctl")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", frames=5).chmod(0)
    done = subprocess.run(
        command("run", "clip.mp4", *ANNOTATED),
        cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=without_root_rights,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stderr == "mien: cannot read clip.mp4: permission denied\n"
    assert outputs(tmp_path) == []


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts"])
def test_of_a_truncated_file_is_given_what_is_there(mien: Mien, tmp_path: Path, name: str) -> None:
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    clip = make_clip(tmp_path / name, frames=100, audio=Sound(), container_options=options)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    done = mien("run", name, *ANNOTATED)
    report = json.loads((tmp_path / "r.json").read_text())
    assert 20 < report["end"]["frame_count"] < 100
    assert report["output"]["frames"] == report["end"]["frame_count"]
    if not name.endswith("ts"):  # which cannot know that there was more
        assert report["end"]["reason"] == "damaged"
        assert "damaged" in done.stdout


def test_damage_in_the_middle_costs_what_is_damaged_and_is_told(mien: Mien, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", frames=100)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = random.Random(2).randbytes(600)
    clip.write_bytes(data)
    mien("run", clip, *ANNOTATED)
    report = json.loads((tmp_path / "r.json").read_text())
    frames = report["frames"]
    del frames["reasons"]
    assert sum(frames.values()) == report["end"]["frame_count"] + report["end"]["corrupt"]
    assert report["end"]["frame_count"] > 60


@pytest.mark.parametrize("name", ["-leading dash.mp4", "ünï 🎬.mp4", "a:b%03d.mp4"])
def test_odd_file_names_are_only_names(mien: Mien, tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / name, frames=5)
    mien("run", "-o", f"./out {name}", "--", name)
    assert (tmp_path / f"out {name}").stat().st_size > 1000


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path: Path) -> None:
    clip = make_face_clip(tmp_path / "clip.mp4", frames=200)
    (tmp_path / "out.mp4").write_text("mine")

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = subprocess.run(
        command("run", clip, "-o", "out.mp4", "--crf", 1, "--overwrite"),
        cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=small_disk,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    assert done.stderr.splitlines()[-1].startswith("mien: cannot write out.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "mine"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:1000], "cut off"),
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:], "damaged"),
        (lambda data: b"no weights at all", "not a safetensors file"),
    ],
    ids=["header cut", "half", "one bit", "foreign"],
)
def test_damaged_weights_are_refused(
    mien: Mien, tmp_path: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    make_clip(tmp_path / "clip.mp4", frames=5)
    whole = next(WEIGHTS_FOLDER.glob("*.safetensors"))
    shutil.copy(whole, tmp_path / "mine.safetensors")
    (tmp_path / "mine.safetensors").write_bytes(damage(whole.read_bytes()))
    done = mien("run", "clip.mp4", *ANNOTATED, "--weights", "mine.safetensors", check=False)
    assert done.returncode == 4
    assert words in done.stderr.splitlines()[-1]
    assert outputs(tmp_path) == []


@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "/etc/hostname", "../secret.ts", "http://127.0.0.1:9/a.ts"]
)
def test_a_playlist_reaches_nothing_outside_its_folder(
    mien: Mien, tmp_path: Path, target: str
) -> None:
    make_clip(tmp_path / "secret.ts", frames=25)
    home = tmp_path / "home"
    home.mkdir()
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n"
    (home / "list.m3u8").write_text(playlist)
    done = mien("run", home / "list.m3u8", *ANNOTATED, check=False, timeout_s=60)
    assert done.returncode == 3, done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert outputs(tmp_path) == []
