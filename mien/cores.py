"""How the stages of one process share its cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

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


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
