"""Runs the command line many times at little cost, each time in a process of its own.

A whole `mien` process needs seconds to load the networks' library. Here one process loads it once
and forks for every run, so that a crash, a hang or a glut of memory is one run's alone and is seen.
What is run is the command line's own `main`, and nothing of it is replaced; only the networks of
the shipped weights are read once for all runs.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MOST_ADDRESS_SPACE_BYTES = 8 << 30
"""A run that wants more gets a MemoryError, which is told as a bug; the machine is spared."""

READY = "ready"


@dataclass(frozen=True, slots=True)
class Done:
    """How one run ended."""

    returncode: int
    """As of subprocess: minus the number of the signal that killed it."""
    stdout: str
    stderr: str
    seconds_s: float
    memory_bytes: int
    """The most that was resident; the libraries alone are some 400 MB of it."""
    timed_out: bool


class ForkServer:
    """A process that has everything loaded, and a child of it for every call."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.forkserver"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self._answer() == READY
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)

    def run(self, arguments: Sequence[object], folder: Path, *, limit_s: float = 60) -> Done:
        """Run `mien` with these arguments in that folder; it is killed after `limit_s`."""
        order = {
            "arguments": [str(part) for part in arguments],
            "folder": str(folder),
            "limit_s": limit_s,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Done(**self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server itself is gone"
        return json.loads(line)


def serve() -> None:
    """Answer orders until there are no more."""
    import mien.console
    import mien.embedded  # noqa: F401 - all of these are to be loaded before the first fork
    from model import pipeline, weights_file

    load = functools.cache(weights_file.load_weights)
    load("default", pipeline.choose_device("auto"))
    vars(pipeline)["load_weights"] = load
    answer(READY)
    for line in sys.stdin:
        answer(asdict(one_run(**json.loads(line))))


def answer(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def one_run(arguments: list[str], folder: str, limit_s: float) -> Done:
    """Fork, run, wait, and tell."""
    streams = [os.memfd_create(name) for name in ("stdout", "stderr")]
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        run_and_leave(arguments, folder, streams)
    timed_out = not ended_within(child, limit_s)
    if timed_out:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    stdout, stderr = (read_and_close(stream) for stream in streams)
    return Done(
        os.waitstatus_to_exitcode(status),
        stdout,
        stderr,
        time.monotonic() - begin,
        usage.ru_maxrss * 1024,
        timed_out,
    )


def run_and_leave(arguments: list[str], folder: str, streams: list[int]) -> None:
    """The child: becomes `mien` and never returns."""
    try:
        os.chdir(folder)
        silence = os.open(os.devnull, os.O_RDONLY)
        for number, stream in enumerate([silence, *streams]):
            os.dup2(stream, number)
        limits = (MOST_ADDRESS_SPACE_BYTES, MOST_ADDRESS_SPACE_BYTES)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.argv = ["mien", *arguments]
        from mien.cli import main

        main()  # ends the process
    except BaseException:  # noqa: BLE001 - whatever got past `main` is shown
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(70)


def ended_within(child: int, limit_s: float) -> bool:
    descriptor = os.pidfd_open(child)
    try:
        return bool(select.select([descriptor], [], [], limit_s)[0])
    finally:
        os.close(descriptor)


def read_and_close(stream: int) -> str:
    os.lseek(stream, 0, os.SEEK_SET)
    with os.fdopen(stream, "rb") as file:
        return file.read().decode(errors="replace")


if __name__ == "__main__":
    serve()
