"""Reads a live source beside the test, and sees that its times rise and no frame is left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Self

from mien.contract.frames import Frame, Gap
from producer.live import LiveOptions, LiveSource
from producer.source import open_source

QUICK = (8.0, 2.0)
"""Seconds that an opening and a read may take."""


class Watcher:
    """Reads a live source in a thread of its own."""

    def __init__(
        self, url: str, options: LiveOptions | None = None, *, read_s: float = QUICK[1]
    ) -> None:
        limits = QUICK[0], read_s
        source = open_source(url, timeout_s=limits, live=options or LiveOptions())
        assert isinstance(source, LiveSource)
        self.source = source
        self.items: list[Frame | Gap] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self.source.close()

    @property
    def frames(self) -> list[Frame]:
        return [item for item in self.items if isinstance(item, Frame)]

    @property
    def outages(self) -> list[Gap]:
        return [item for item in self.items if isinstance(item, Gap) and item.over]

    def wait_for(self, what: Callable[[], bool], limit_s: float = 10) -> None:
        deadline = time.monotonic() + limit_s
        while not what():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)

    def more(self, count: int = 25) -> None:
        """Wait for so many more frames, at half their speed and for ten seconds more."""
        before = len(self.frames)
        self.wait_for(lambda: len(self.frames) >= before + count, 10 + count / 12)

    def stop(self) -> None:
        self.source.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()
        times = [item.pts_ns for item in self.items]
        assert all(one < other for one, other in pairwise(times)), "time went back"
        assert [frame.index for frame in self.frames] == list(range(len(self.frames)))

    def _read(self) -> None:
        for item in self.source.frames():
            self.items.append(item)


def epochs(watcher: Watcher) -> set[int]:
    """The connections that its frames came by, counted from 0."""
    return {frame.capture.epoch for frame in watcher.frames if frame.capture}
