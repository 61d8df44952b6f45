"""How the process's memory behaves while it analyses."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
"""Parameters of glibc's mallopt(3)."""
_NEVER = 2**31 - 1
_STEP_BYTES = 64 * 2**20


def keep_memory() -> bool:
    """Keeps glibc from giving large buffers back to the system after every use.

    Networks take and drop buffers of many megabytes for every batch. By default each is mapped
    anew, and the kernel has to clear every page of it first. The price: memory once taken stays
    with the process. So all threads take it from one place, where one finds what another has left;
    those that are there already keep their own, so call it before they begin. Says whether the C
    library took it; elsewhere than on glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (_M_MMAP_MAX, 0),
        (_M_TRIM_THRESHOLD, _NEVER),
        (_M_TOP_PAD, _STEP_BYTES),
        (_M_ARENA_MAX, 1),
    )
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)
