"""How the stages of one process share its cores."""

from __future__ import annotations

import os
import sys
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
    cores, two threads of torch make a run several times slower than one.
    """
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(shared_threads())
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


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
