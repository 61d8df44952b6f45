"""What is printed where: also with standard streams that are full or closed, and to a terminal."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.jobs.queue import Jobs
from tests.builders import make_clip
from tests.deployment import MIEN
from tests.servers import Server

Shell = Callable[[str], subprocess.CompletedProcess[str]]

PHOTO = "photo.png -o out.png --detector haar"
FULL = "standard output cannot be written: no space left on the device\n"


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """Call `mien` with redirections, as a shell has them, in the test's folder."""
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((120, 160, 3), 90, np.uint8))

    def call(words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", f"exec {MIEN} {words}"], cwd=tmp_path, capture_output=True, text=True,
            timeout=240, check=False, env={**os.environ, "MIEN_REDIS_URL": server.url},
        )  # fmt: skip

    return call


@pytest.mark.parametrize("words", ["--version", "--help", "jobs --json", f"run {PHOTO}"])
def test_a_full_standard_output_is_told_in_a_sentence(shell: Shell, words: str) -> None:
    done = shell(f"{words} >/dev/full")
    assert (done.returncode, done.stderr) == (6, f"mien: {FULL}")


def test_a_full_standard_error_changes_no_exit_code(shell: Shell) -> None:
    assert shell("status nosuch 2>/dev/full").returncode == 2


def test_the_id_of_a_job_is_told_where_standard_output_is_full(
    shell: Shell, server: Server, tmp_path: Path
) -> None:
    make_clip(tmp_path / "clip.mp4", frames=2, size=(64, 48))
    done = shell("submit clip.mp4 -o o.mp4 >/dev/full")
    told = re.fullmatch(rf"mien: the job (\w+) is in the queue, but {FULL}", done.stderr)
    assert done.returncode == 6
    assert told is not None
    with Jobs(server.url) as jobs:
        assert jobs.find(told[1]).state == "queued"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--version >&-", 0),
        ("jobs 2>&-", 0),
        ("status nosuch 2>&-", 2),
        (f"run {PHOTO} <&- >&- 2>&-", 0),
    ],
)
def test_a_closed_stream_is_no_failure(shell: Shell, words: str, code: int, tmp_path: Path) -> None:
    done = shell(words)
    assert (done.returncode, done.stderr) == (code, "")
    if words.startswith("run"):
        assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_closed_standard_input_holds_no_address(shell: Shell) -> None:
    done = shell("submit - -o o.mp4 <&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mien: INPUT is `-`, and standard input holds no address\n"


STEERS, SHOWN = "\x1b]0;pwned\x07\nforged.{}", r"\x1b]0;pwned\x07\nforged.{}"


def test_names_steer_no_terminal_and_forge_no_line(shell: Shell, tmp_path: Path) -> None:
    source = make_clip(tmp_path / STEERS.format("mp4"), frames=2, size=(64, 48))
    job = shell(r"submit $'\e]0;pwned\a\nforged.mp4' -o o.mp4").stdout.strip()
    for words in (f"status {job}", "jobs"):
        told = shell(words).stdout
        assert told.replace("\n", "").isprintable()
        (line,) = (one for one in told.splitlines() if one.startswith(job))
        assert line.endswith(SHOWN.format("mp4"))
    assert json.loads(shell(f"status {job} --json").stdout)["source"] == str(source)


def test_summaries_and_errors_escape_names(shell: Shell) -> None:
    name = r"$'\e]0;pwned\a\nforged.png'"
    done = shell(f"run photo.png -o {name} --detector haar")
    assert f"annotated  {SHOWN.format('png')}" in done.stdout.splitlines()
    done = shell(f"run photo.png -o {name}")
    assert done.returncode == 2
    assert r"\x1b]0;pwned\x07" in done.stderr
    assert done.stderr.rstrip("\n").isprintable()
