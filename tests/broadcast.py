"""Live sources over HTTP, sent at their own speed by a real server: playlists and JPEG cameras."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2

from tests.builders import Clip, add_video, draw_number, pictures, write_clip


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def served(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Host and port of a server whose requests the handler answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def broadcasting(folder: Path, seconds: int) -> Iterator[str]:
    """The address of a live playlist that has begun, and ends after so long, or with the block."""
    with served(partial(Silent, directory=str(folder))) as address:
        over = threading.Event()
        arguments = folder / "live.m3u8", seconds, over
        caster = threading.Thread(target=broadcast, args=arguments, daemon=True)
        caster.start()
        deadline = time.monotonic() + 10
        while not (folder / "live.m3u8").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            yield f"http://{address}/live.m3u8"
        finally:
            over.set()
            caster.join()


def broadcast(path: Path, seconds: int, over: threading.Event) -> None:
    """Write a live playlist of one-second segments at its own speed, and end it."""
    clip = Clip(frames=25 * seconds, size=(160, 120), gop=25)
    options = {"hls_time": "1", "hls_list_size": "4", "hls_flags": "delete_segments"}
    began_s = time.monotonic()
    with av.open(str(path), "w", format="hls", options=options) as out:
        video = add_video(out, clip)
        video.options = {"tune": "zerolatency"}
        for number, frame in enumerate(pictures(clip)):
            if over.wait(max(0.0, began_s + number / 25 - time.monotonic())):
                break
            out.mux(video.encode(frame))
        out.mux(video.encode(None))


@contextmanager
def airing(
    folder: Path, starts_s: Sequence[float], fps: int = 25
) -> Iterator[tuple[str, list[str]]]:
    """A server of a live playlist that is never ended, and the paths of what it sent so far.

    starts_s: where the stamps of each segment begin, which is a second long; three are known at
    once, then one more each second. `/live.m3u8` names them; `/all.m3u8` names three such
    playlists, in folders.
    """
    sent: list[str] = []
    for number, start_s in enumerate(starts_s):
        clip = Clip(frames=fps, fps=Fraction(fps), gop=fps, start_s=start_s)
        write_clip(folder / f"{number}.ts", replace(clip, first_number=fps * number))
    began_s = time.monotonic()

    class Station(Silent):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            sent.append(self.path)
            self.send_response(200)
            self.end_headers()
            known = starts_s[: 3 + int(time.monotonic() - began_s)]
            texts = {"live.m3u8": playlist_of(known), "all.m3u8": playlist_of_playlists(3)}
            with suppress(OSError):
                self.wfile.write(texts.get(name) or (folder / name).read_bytes())

    with served(Station) as address:
        yield f"http://{address}/live.m3u8", sent


def playlist_of(starts_s: Sequence[float]) -> bytes:
    """A playlist of segments of a second, without an end."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
    for number, start_s in enumerate(starts_s):
        if number and start_s != starts_s[number - 1] + 1:
            lines.append("#EXT-X-DISCONTINUITY")
        lines += ["#EXTINF:1.0,", f"{number}.ts"]
    return "\n".join([*lines, ""]).encode()


def playlist_of_playlists(count: int, name: str = "live.m3u8") -> bytes:
    """A playlist that names others, in folders, from which a player takes one."""
    lines = ["#EXTM3U"]
    for number in range(count):
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={(count - number) * 100_000}", f"{number}/{name}"]
    return "\n".join([*lines, ""]).encode()


@contextmanager
def photographing(fps: float) -> Iterator[tuple[str, list[float]]]:
    """A camera that sends so many JPEGs a second: its address, and when it sent each by number.

    The times, by `time.monotonic`, are those of the last connection.
    """
    sent_s: list[float] = []

    class Photographer(Silent):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            sent_s.clear()
            began_s = time.monotonic()
            with suppress(OSError):
                while True:
                    number = len(sent_s)
                    jpeg = cv2.imencode(".jpg", draw_number(number, (160, 120)))[1].tobytes()
                    time.sleep(max(0.0, began_s + number / fps - time.monotonic()))
                    sent_s.append(time.monotonic())
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    self.wfile.write(f"--next\r\n{head}\r\n\r\n".encode() + jpeg + b"\r\n")

    with served(Photographer) as address:
        yield f"http://{address}/video", sent_s
