"""Workers and commands in processes of their own, as on a machine of production."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from mien.jobs.queue import Jobs
from tests.conftest import REPOSITORY
from tests.servers import Server
from tests.waiting import wait_for

MIEN = Path(sys.executable).with_name("mien")


class Daemon:
    """A process with its log; at the end of the block it is killed, and its children with it."""

    def __init__(self, *command: object, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                list(map(str, command)),
                stdout=file,
                stderr=file,
                cwd=REPOSITORY,
                env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()

    def text(self) -> str:
        return self.log.read_text()

    def await_line(self, text: str) -> None:
        """Until its log holds the text."""
        wait_for(lambda: text in self.text() or self._ended())
        assert text in self.text(), self.text()

    def signal(self, number: int) -> None:
        """To all its processes, but for work horses, which have a group of their own."""
        if self._process.poll() is None:
            os.killpg(self.pid, number)

    def send(self, number: int) -> None:
        """To the first process alone, as a service manager does."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 30) -> int:
        return self._process.wait(timeout_s)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def _ended(self) -> bool:
        return self._process.poll() is not None


class Cli:
    """`mien` with a server's address, in a folder of its own."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.folder.mkdir(exist_ok=True)

    def __call__(
        self, *arguments: object, stdin: str = "", env: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        environment = {**os.environ, "MIEN_REDIS_URL": url or self.server.url, **(env or {})}
        return subprocess.run(
            [str(MIEN), *map(str, arguments)], cwd=self.folder, env=environment, input=stdin,
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

    def status(self, job: str) -> dict[str, Any]:
        """As `mien status --json` says it, without a process for every look."""
        with Jobs(self.server.url) as jobs:
            return jobs.find(job).status()

    def await_state(self, job: str, *states: str, timeout_s: float = 60) -> dict[str, Any]:
        with Jobs(self.server.url) as jobs:
            wait_for(lambda: jobs.find(job).state in states, timeout_s)
            return jobs.find(job).status()


def stream_worker(
    server: Server, log: Path, *options: object, env: Mapping[str, str] | None = None
) -> Daemon:
    daemon = Daemon(MIEN, "worker", "stream", "--redis-url", server.url, *options, log=log, env=env)
    daemon.await_line("waiting for jobs")
    return daemon


def analyzer(server: Server, log: Path, *options: object) -> Daemon:
    daemon = Daemon(MIEN, "worker", "analyzer", "--redis-url", server.url, *options, log=log)
    daemon.await_line("analyzing")
    return daemon


@contextmanager
def stopping(nursery: Daemon, order: Path) -> Iterator[None]:
    """Its analyzers stand still from the middle of the block's job to the block's end.

    order: the file that the nursery looks for.
    """
    order.touch()
    try:
        yield
    finally:
        order.unlink(missing_ok=True)
        nursery.signal(signal.SIGCONT)


def nursery(server: Server, log: Path, count: int, kind: str, *options: object) -> Daemon:
    daemon = Daemon(
        sys.executable, "-m", "tests.nursery", server.url, count, kind, *options, log=log
    )
    wait_for(lambda: len(born(daemon)) >= count)
    return daemon


def born(nursery: Daemon) -> list[int]:
    """All analyzers so far, the dead ones too."""
    return [int(line.split()[1]) for line in nursery.text().splitlines() if "born" in line]


def children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in text.split()]


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = re.findall(r"^SigCgt:\s+([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)


def horses(worker: Daemon) -> list[int]:
    """Work horses of a stream worker's workers."""
    return [horse for child in children(worker.pid) for horse in children(child)]


def state_of(pid: int) -> str:
    """As the kernel has it: `T` is stopped; `Z`, dead, also where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def is_alive(pid: int) -> bool:
    return state_of(pid) != "Z"
