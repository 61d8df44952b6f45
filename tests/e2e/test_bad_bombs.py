"""Pictures of absurd size are refused before they fill the memory."""

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.bombs import BOMBS
from tests.e2e.conftest import command

ROOM_BYTES = 1 << 30
"""Address space of the whole process; each of the pictures would want more."""


def little_room() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ROOM_BYTES, ROOM_BYTES))


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_a_picture_of_absurd_size_is_refused_in_little_memory(
    tmp_path: Path, bomb: Callable[[Path], None]
) -> None:
    bomb(tmp_path / "clip.mp4")
    (tmp_path / "out.mp4").write_text("mine")
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each takes some room
    done = subprocess.run(
        command("run", "clip.mp4", "-o", "out.mp4", "--results", "r.jsonl", "--overwrite"),
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=little_room, env=os.environ | one_thread,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 3, line
    assert line.startswith("mien: cannot read clip.mp4: its ")
    assert "too large" in line or "holds no picture" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "mine"
