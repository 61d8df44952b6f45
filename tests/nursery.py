"""Analyzers that a test may kill: the networks are loaded once, and each analyzer is a fork.

    python -m tests.nursery URL COUNT real|fake [poisonous frame] [milliseconds an image] [file]

As many as COUNT are alive at any time; every birth is a line on standard output. One that is dead
is missed after a second, and not after five as in production. Where the file is there, it goes and
all stop as by SIGSTOP, once one of them takes frame 20 or a later one.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from mien.contract.analyses import AnalysisSettings, FrameAnalysis
from mien.contract.pictures import Pixels
from mien.contract.stage import StageClock
from mien.jobs.stream_worker import die_with_parent
from mien.transport.keys import Lifetimes
from mien.transport.ports import Lease, WorkPort
from mien.transport.redis import RedisTransport
from tests.pipelines import OneFace
from workers.analyzer import MOST_DELIVERIES, Analyzer, Pipeline

LIVES = Lifetimes(heart_s=1.0, beat_s=0.1)
STOP_AT = 20


class Poisonable:
    """Work whose taker dies of one frame as soon as it would analyse it, with all it has taken."""

    def __init__(self, work: WorkPort, poison: int) -> None:
        self._work = work
        self._poison = poison
        self.publish, self.give_back = work.publish, work.give_back

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        leases = self._work.take(limit, wait_s)
        mine = [lease for lease in leases if lease.image.index == self._poison]
        if any(lease.deliveries <= MOST_DELIVERIES for lease in mine):
            os.kill(os.getpid(), signal.SIGKILL)
        return leases


class Stoppable:
    """Work whose taker stops all of its group in the middle of a job, once for every such file."""

    def __init__(self, work: WorkPort, order: Path) -> None:
        self._work, self._order = work, order
        self.publish, self.give_back = work.publish, work.give_back

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        leases = self._work.take(limit, wait_s)
        if any(lease.image.index >= STOP_AT for lease in leases):
            with suppress(FileNotFoundError):
                self._order.unlink()
                os.killpg(0, signal.SIGSTOP)
        return leases


class Slow(OneFace):
    """One face on every image, after a while."""

    def __init__(self, image_s: float) -> None:
        super().__init__()
        self._image_s = image_s

    def analyze(
        self, images: Sequence[Pixels], on_step: Callable[[str, float], None] | None = None
    ) -> list[FrameAnalysis]:
        time.sleep(self._image_s * len(images))
        return super().analyze(images, on_step)


def real_pipelines() -> Callable[[AnalysisSettings], Pipeline]:
    """The networks, loaded in the parent; forks share them."""
    import torch

    from mien.pipelines import Pipelines

    torch.set_num_threads(1)  # threads do not outlive a fork
    pipelines = Pipelines(["default"], "cpu")
    pipelines.check()
    return pipelines.get


def live(
    url: str,
    poison: int,
    parent: int,
    pipeline_for: Callable[[AnalysisSettings], Pipeline],
    stop: str,
) -> None:
    die_with_parent(parent)
    transport = RedisTransport(url, lifetimes=LIVES)
    work: WorkPort = Poisonable(transport.work(), poison)
    if stop:
        work = Stoppable(work, Path(stop))
    Analyzer(work, pipeline_for, batch=4, clock=StageClock()).run()


def main(
    url: str, count: str, kind: str, poison: str = "-1", image_ms: str = "0", stop: str = ""
) -> None:
    fake = Slow(int(image_ms) / 1000)
    pipeline_for = real_pipelines() if kind == "real" else lambda _: fake
    parent, alive = os.getpid(), 0
    while True:
        while alive < int(count):
            child = os.fork()
            if child == 0:
                try:
                    live(url, int(poison), parent, pipeline_for, stop)
                finally:
                    os._exit(1)
            alive += 1
            sys.stdout.write(f"born {child}\n")
            sys.stdout.flush()
        os.wait()
        alive -= 1


if __name__ == "__main__":
    main(*sys.argv[1:])
