"""Live playlists over HTTP, written at their own speed and served by a real server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av

from tests.builders import Clip, add_video, pictures


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def served(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Host and port of a server whose requests the handler answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def broadcasting(folder: Path, seconds: int) -> Iterator[str]:
    """The address of a live playlist that has begun, and ends after so long."""
    with served(partial(Silent, directory=str(folder))) as address:
        arguments = folder / "live.m3u8", seconds
        caster = threading.Thread(target=broadcast, args=arguments, daemon=True)
        caster.start()
        deadline = time.monotonic() + 10
        while not (folder / "live.m3u8").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://{address}/live.m3u8"
        caster.join()


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
