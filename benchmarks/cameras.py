"""A real RTSP server of the benchmarks' own, which plays one clip over and over again."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av

CLIP = "clip.mp4"


class CameraServer:
    """Serves `clip.mp4` of a folder to any number of clients; can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self._control = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._port}/{CLIP}?play_count=0"

    def start(self) -> Self:
        program = Path(sys.executable).with_name("rtsp-server")  # of aio-rtsp-toolkit
        command = [program, "--dir", self._folder, "--host", "127.0.0.1", "--port",
                   str(self._port), "--control-port", str(self._control)]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self
            time.sleep(0.05)
        raise TimeoutError("the camera's server does not answer")

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def make_camera_clip(source: Path, folder: Path, size: tuple[int, int], fps: int) -> Path:
    """The clip as a camera would send it: so large, so many frames a second, no B-frames."""
    target = folder / CLIP
    with av.open(str(source)) as container, av.open(str(target), "w") as made:
        stream = made.add_stream("libx264", fps, {"preset": "veryfast", "bf": "0"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = fps
        for number, frame in enumerate(container.decode(video=0)):
            picture = frame.reformat(*size, format="yuv420p", threads=1)
            picture.pts, picture.time_base = number, Fraction(1, fps)
            made.mux(stream.encode(picture))
        made.mux(stream.encode())
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
