"""Runs the command line as a user does: in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest


class Mien(Protocol):
    def __call__(
        self, *arguments: object, timeout_s: float = 240, check: bool = True
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def mien(tmp_path: Path) -> Mien:
    """Call `mien` with arguments, in `tmp_path`; fails with its output where it should not."""

    def call(
        *arguments: object, timeout_s: float = 240, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"mien gave {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    return call


def command(*arguments: object) -> list[str]:
    """The command line of a process that runs mien with these arguments."""
    script = Path(sys.executable).with_name("mien")
    return [os.fspath(script), *map(str, arguments)]
