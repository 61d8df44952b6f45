"""Waits for what other threads and processes do."""

import time
from collections.abc import Callable


def wait_for(happened: Callable[[], object], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.02)
