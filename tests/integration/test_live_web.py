"""Live playlists over HTTP: they come in bursts, and are shown at their own speed."""

import time
from itertools import pairwise
from pathlib import Path

from mien.contract.frames import Frame
from producer.live import LiveSource
from producer.source import open_source
from tests.broadcast import broadcasting
from tests.builders import read_number


def test_a_live_playlist_is_shown_at_its_own_speed_until_it_is_ended(
    tmp_path: Path,
) -> None:
    with broadcasting(tmp_path, 10) as address:
        source = open_source(address, timeout_s=(5.0, 5.0))
        assert isinstance(source, LiveSource)
        frames, taken = [], []
        for item in source.frames():
            if isinstance(item, Frame):
                frames.append(item)
                taken.append(time.monotonic())
        source.close()
    assert source.reason == "end of file"
    numbers = [read_number(frame.picture) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 150
    assert all(b.pts_ns > a.pts_ns for a, b in pairwise(frames))
    utc_ns = [frame.capture.utc_ns for frame in frames if frame.capture]
    assert utc_ns == sorted(utc_ns), "it is captured when it is due, though it came in a burst"
    early = [at - taken[0] - frame.pts_ns / 1e9 for at, frame in zip(taken, frames, strict=True)]
    assert min(early) > -0.1, "no picture is handed on before its time"
