"""How the stages of one process share its cores."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of CPU time a period, as a container sees its own limit."""

BUSY_STAGES = 2
"""Decoder and encoder together keep about as many cores busy as the networks do."""


@contextmanager
def shared_cores() -> Iterator[None]:
    """Leave the networks their share of the cores, and OpenCV one, as long as this lasts.

    With a thread for every core in every library they wait for each other at every step: on two
    cores, two threads of torch make a run several times slower than one. Several runs of a process
    may last at once: each leaves torch's threads, of which every thread has its own number, as the
    first found them, and the last that ends OpenCV's.
    """
    _sharing.enter()
    try:
        yield
    finally:
        _sharing.leave()


def shared_threads() -> int:
    """The networks' threads in a run."""
    return max(1, usable_cores() // BUSY_STAGES)


def usable_cores(quota: Path = QUOTA) -> int:
    """Cores that this process may run on, and that its container may keep busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, _allowed(quota) or sys.maxsize))


def _allowed(quota: Path) -> int:
    """Whole cores that the container's limit amounts to, at least 1; 0 where there is none.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst, cpu.max.
    """
    try:
        most, period = quota.read_text(encoding="ascii").split()
        return max(1, int(most) // int(period))
    except (OSError, ValueError):  # the second for "max"
        return 0


class _Sharing:
    """The threads of libraries, which are the whole process's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._before = (0, 0)

    def enter(self) -> None:
        import cv2
        import torch

        with self._lock:
            if not self._runs:
                self._before = torch.get_num_threads(), cv2.getNumThreads()
                torch.set_num_threads(shared_threads())
                cv2.setNumThreads(1)
            self._runs += 1

    def leave(self) -> None:
        import cv2
        import torch

        with self._lock:
            self._runs -= 1
            torch.set_num_threads(self._before[0])
            if not self._runs:
                cv2.setNumThreads(self._before[1])


_sharing = _Sharing()
