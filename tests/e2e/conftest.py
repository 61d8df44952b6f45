"""Runs the command line as a user does: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.e2e.forkserver import ForkServer
from tests.servers import Server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a module's server, cameras and workers share."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """Without persistence."""
    (folder / "server").mkdir()
    started = Server("valkey", folder / "server").start()
    yield started
    started.remove()


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    with ForkServer() as server:
        yield server


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
        return judged(done, check)

    return call


@pytest.fixture
def forked(forks: ForkServer, tmp_path: Path) -> Mien:
    """As `mien`, at little cost: what is tested is the command, not its start."""

    def call(
        *arguments: object, timeout_s: float = 240, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = forks.run(arguments, tmp_path, limit_s=timeout_s)
        told = done.returncode, done.stdout, done.stderr
        return judged(subprocess.CompletedProcess(arguments, *told), check)

    return call


def judged(done: subprocess.CompletedProcess[str], check: bool) -> subprocess.CompletedProcess[str]:
    if check and done.returncode != 0:
        pytest.fail(f"mien gave {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def command(*arguments: object) -> list[str]:
    """The command line of a process that runs mien with these arguments."""
    script = Path(sys.executable).with_name("mien")
    return [os.fspath(script), *map(str, arguments)]
