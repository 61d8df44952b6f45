"""Outputs for which there is no room or no permission: nothing half-written, nothing lost."""

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import command
from tests.faces import make_face_clip
from tests.rights import without_root_rights

WANTED = ("-o", "out.mp4", "--results", "r.jsonl", "--report", "r.json", "--overwrite")
LARGE = ("--crf", 1, "--detector", "haar", "--analyze-fps", 1, "--quiet")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_face_clip(tmp_path / "clip.mp4", frames=60)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_in_which_nothing_may_be_written(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    done = subprocess.run(
        command("run", clip, "-o", "locked/out.mp4"),
        cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=without_root_rights,
    )  # fmt: skip
    assert done.stderr == "mien: cannot write locked/out.mp4: permission denied\n"
    assert done.returncode == 6
    assert names(tmp_path / "locked") == []


def test_a_file_that_grows_too_large_leaves_nothing_behind(tmp_path: Path, clip: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "out.mp4").write_text("mine")

    def short_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = subprocess.run(
        command("run", clip, *WANTED, *LARGE),
        cwd=inner, capture_output=True, text=True, check=False, preexec_fn=short_files,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 6, line
    assert line.startswith("mien: cannot write out.mp4: ")
    assert names(inner) == ["out.mp4"]
    assert (inner / "out.mp4").read_text() == "mine"


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path: Path, clip: Path) -> None:
    """On a disk of 100 kB, which only the process and this script see."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=100k tmpfs "$0" || exit 99; cd "$0"; printf mine > out.mp4; '
    tell = '"$@"; code=$?; ls -A > ../list; cat out.mp4 > ../kept; exit $code'
    order = command("run", clip, *WANTED, *LARGE)
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here to mount a small disk with")
    done = subprocess.run(
        [*own, "sh", "-c", script + tell, disk, *order], capture_output=True, text=True, check=False
    )
    if done.returncode in (1, 99) and "mien" not in done.stderr:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    assert done.stderr.startswith("mien: cannot write ")
    assert done.stderr.endswith(": no space left on the device\n")
    assert done.returncode == 6
    assert (tmp_path / "list").read_text() == "out.mp4\n"
    assert (tmp_path / "kept").read_text() == "mine"
