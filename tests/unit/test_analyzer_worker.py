"""An analyzer that is told to stop."""

import os
import signal

import pytest

from mien.analyzer_worker import DRAIN_S, _Draining


def test_who_asks_again_does_not_put_off_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("mien.analyzer_worker.time.monotonic", lambda: now_s)
    with _Draining([]) as draining:
        os.kill(os.getpid(), signal.SIGTERM)
        now_s = DRAIN_S - 1
        os.kill(os.getpid(), signal.SIGTERM)
        assert not draining.is_overdue
        now_s = DRAIN_S + 1
        assert draining.is_overdue
