"""What the record of a running attempt tells of a file's progress."""

from types import SimpleNamespace
from typing import Any

import pytest

from mien.contract.frames import SECOND_NS
from mien.contract.stage import Progress
from mien.jobs.record import JobRecord
from mien.jobs.record_updater import RecordUpdater

FPS, TOTAL = 25, 3000


class Store:
    """Takes every record, and knows of no cancellation."""

    def put(self, *_: object, **__: object) -> bool:
        return True

    def cancel_is_requested(self, _: str) -> bool:
        return False


def test_what_is_left_is_estimated_once_some_seconds_of_the_source_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    progress = Progress()
    stream: Any = SimpleNamespace(
        progress=progress, is_live=False, info=SimpleNamespace(frame_count=TOTAL)
    )
    store: Any = Store()
    updater = RecordUpdater(JobRecord("a", {"source": "clip.mp4"}), store)

    def told(at_s: float, frames: int) -> tuple[float | None, float | None]:
        now_s[0] = at_s
        progress.frames, progress.position_ns = frames, frames * SECOND_NS // FPS
        updater.tick(stream)
        return updater.record.fps, updater.record.eta_s

    assert told(10, 0) == (0, None), "the networks are loaded"
    assert told(11, 1)[1] is None
    assert told(30, 2) == (0.1, None), "the first batch is not back yet"
    assert told(31, 76)[1] is not None
    assert told(40, 301) == (10.0, 269.0)
