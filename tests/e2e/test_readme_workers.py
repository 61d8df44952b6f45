"""The README's five lines for many processes do what it says."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.agreement import times_of
from tests.conftest import REPOSITORY
from tests.deployment import MIEN
from tests.faces import make_face_clip
from tests.servers import free_port, server_binary

PORT = "6380"
"""The README's; here it is a free one."""


def five_lines() -> list[str]:
    text = (REPOSITORY / "README.md").read_text()
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL)
    (block,) = [block for block in blocks if "redis-server" in block]
    return str(block).splitlines()


@pytest.mark.parametrize("kind", ["valkey"])
def test_the_five_lines_annotate_a_clip(tmp_path: Path, kind: str) -> None:
    lines = five_lines()
    assert len(lines) == 5
    make_face_clip(tmp_path / "clip.mp4", frames=10)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "redis-server").symlink_to(server_binary(kind))
    (tools / "mien").symlink_to(MIEN)
    before = ["set -e", "trap 'kill $(jobs -p); wait' EXIT", f"export PATH={tools}:$PATH"]
    server_up = next(at for at, line in enumerate(lines, 1) if line.startswith("redis-server"))
    script = "\n".join([*before, *lines[:server_up], "sleep 1", *lines[server_up:]])
    with subprocess.Popen(
        ["bash", "-c", script.replace(PORT, str(free_port()))],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            _, said = process.communicate(timeout=120)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # what it has started, too
            raise
    assert process.returncode == 0, said
    assert len(times_of(tmp_path / "annotated.mp4")) == 10
