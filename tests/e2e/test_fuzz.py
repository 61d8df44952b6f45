"""Damaged files of every kind: no crash, no hang, no glut, a documented exit code, nothing left.

`MIEN_FUZZ_EXAMPLES=5000` looks longer, and elsewhere each time.
"""

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.e2e.conftest import Mien
from tests.e2e.forkserver import Done, ForkServer
from tests.e2e.mutations import DAMAGES, NAMES, Damage, damaged, make_seeds

LONGER = int(os.environ.get("MIEN_FUZZ_EXAMPLES", "0"))
LIMIT_S = 60
MOST_MEMORY_BYTES = 2 << 30

CHEAP = ("--detector", "haar", "--analyze-fps", "1", "--window-mb", "64", "--quiet")
NUMBERS = ("--no-video", "--results", "r.jsonl")
OUTPUTS: tuple[tuple[str, ...], ...] = (
    NUMBERS,
    NUMBERS,
    ("-o", "out.mp4"),
    ("-o", "out.mp4", "--fps", "24", "--results", "r.csv"),
    ("-o", "out.mkv", "--report", "r.json"),
    ("-o", "out.avi"),
)
PHOTO_OUTPUT = ("-o", "out.png")


MISFITS = ("a photo gives a photo", "a video gives a video", "cannot be opened here")
"""What is told where damage turns a video into a photo, the other way round, or into a size that
the encoder does not take."""


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_seeds(tmp_path_factory.mktemp("seeds"))


def check(done: Done, folder: Path, inputs: set[str], arguments: tuple[str, ...]) -> None:
    """What holds of every run, whatever it was fed."""
    assert not done.timed_out
    assert done.returncode in (0, 2, 3, 6), done
    if done.returncode == 2:
        assert any(words in done.stderr for words in MISFITS), done
    assert done.memory_bytes < MOST_MEMORY_BYTES
    outputs = {name for name in arguments if name.startswith(("out.", "r."))}
    left = {path.name for path in folder.iterdir()} - inputs
    if done.returncode == 0:
        assert done.stderr == ""
        assert left == outputs
    else:
        (line,) = done.stderr.splitlines()
        assert line.startswith("mien: ")
        assert "bug" not in line
        assert left == set()


@settings(
    max_examples=LONGER or 70,
    derandomize=not LONGER,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(NAMES),
    other=st.sampled_from(NAMES),
    damages=st.lists(DAMAGES, min_size=1, max_size=6),
    wanted=st.sampled_from(OUTPUTS),
)
@pytest.mark.timeout(0 if LONGER else 300)
def test_no_damage_brings_a_run_down(
    forks: ForkServer,
    seeds: dict[str, bytes],
    folder: Path,
    name: str,
    other: str,
    damages: list[Damage],
    wanted: tuple[str, ...],
) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "part.ts").write_bytes(seeds["part.ts"])
    (folder / name).write_bytes(damaged(seeds[name], seeds[other], damages))
    if name.startswith("photo") and "-o" in wanted:
        wanted = PHOTO_OUTPUT
    done = forks.run(["run", name, *wanted, *CHEAP], folder, limit_s=LIMIT_S)
    note(f"{done} in {folder}")
    check(done, folder, {name, "part.ts"}, wanted)


@pytest.mark.parametrize("name", ["sound.mp4", "clip.ts", "photo.jpg"])
def test_no_damage_brings_a_whole_process_down(
    mien: Mien, tmp_path: Path, seeds: dict[str, bytes], name: str
) -> None:
    """Once more without the server between: as above, down to the end of the interpreter."""
    data = bytearray(seeds[name])
    for at in range(len(data) // 2, len(data) * 6 // 10, 7):
        data[at] ^= 0xFF
    (tmp_path / name).write_bytes(data)
    wanted = PHOTO_OUTPUT if name.startswith("photo") else ("-o", "out.mp4", "--results", "r.csv")
    begin = time.monotonic()
    run = mien("run", name, *wanted, *CHEAP, check=False, timeout_s=LIMIT_S)
    seconds_s = time.monotonic() - begin
    done = Done(run.returncode, run.stdout, run.stderr, seconds_s, 0, timed_out=False)
    check(done, tmp_path, {name}, wanted)
