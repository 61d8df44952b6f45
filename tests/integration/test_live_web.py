"""Live playlists over HTTP: they come in bursts, and are shown at their own speed."""

import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import pytest

from mien.contract.frames import Frame
from producer.live import LiveSource
from producer.source import open_source
from tests.builders import Clip, add_video, pictures, read_number


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the test's own folder."""
    handler = partial(Silent, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def broadcast(path: Path, seconds: int) -> None:
    """Write a live playlist of one-second segments at its own speed, and end it."""
    clip = Clip(frames=25 * seconds, size=(160, 120), gop=25)
    options = {"hls_time": "1", "hls_list_size": "4", "hls_flags": "delete_segments"}
    began_s = time.monotonic()
    with av.open(str(path), "w", format="hls", options=options) as out:
        video = add_video(out, clip)
        video.options = {"tune": "zerolatency"}
        for number, frame in enumerate(pictures(clip)):
            time.sleep(max(0.0, began_s + number / 25 - time.monotonic()))
            out.mux(video.encode(frame))
        out.mux(video.encode(None))


def test_a_live_playlist_is_shown_at_its_own_speed_until_it_is_ended(
    tmp_path: Path, web: str
) -> None:
    caster = threading.Thread(target=broadcast, args=(tmp_path / "live.m3u8", 10))
    caster.start()
    deadline = time.monotonic() + 10
    while not (tmp_path / "live.m3u8").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    source = open_source(f"{web}/live.m3u8", timeout_s=(5.0, 5.0))
    assert isinstance(source, LiveSource)
    frames, taken = [], []
    for item in source.frames():
        if isinstance(item, Frame):
            frames.append(item)
            taken.append(time.monotonic())
    caster.join()
    source.close()
    assert source.reason == "end of file"
    numbers = [read_number(frame.picture) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 150
    assert all(b.pts_ns > a.pts_ns for a, b in pairwise(frames))
    early = [at - taken[0] - frame.pts_ns / 1e9 for at, frame in zip(taken, frames, strict=True)]
    assert min(early) > -0.1, "no picture is handed on before its time"
