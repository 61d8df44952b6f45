"""The process that publishes: encoded pictures come in by a pipe and go out to a server.

It is a process of its own since FFmpeg can wait for a server without limit, and with Python's lock
held; whoever feeds it must not wait with it. It ends by itself: with its input, with the first
error, or killed by its own alarm where the server keeps it waiting.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import av
from av.container import OutputContainer

from mien.contract.atomic import reason
from workers.live_pictures import EncodedPicture, VideoFormat, add_video, packet_of

REFUSED = 3
"""Exit code where trying again soon makes no sense: a wrong password, an unknown path."""
FAILED = 1
ARRIVED = b"."
"""Written to standard output for every picture that the server's machine took."""

_HEAD = struct.Struct("<IqIB")
"""Bytes of data, time, duration, whether it is a key picture."""
_REFUSALS = (
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.HTTPNotFoundError,
)


@dataclass(frozen=True, slots=True)
class Connection:
    """The first line of the input, as JSON."""

    url: str
    """May hold a password, which is why it comes by the pipe."""
    muxer: str
    options: dict[str, str]
    video: VideoFormat
    stall_s: float
    """How long one step may take."""

    def to_line(self) -> bytes:
        video = self.video
        rate = None if video.fps is None else str(video.fps)
        plain = {
            "url": self.url,
            "muxer": self.muxer,
            "options": self.options,
            "video": [video.codec, video.encoder, video.width, video.height, rate],
            "stall_s": self.stall_s,
        }
        return json.dumps(plain).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> Connection:
        plain = json.loads(line)
        codec, encoder, width, height, rate = plain.pop("video")
        fps = None if rate is None else Fraction(rate)
        video = VideoFormat(codec, encoder, width, height, fps)
        return Connection(video=video, **plain)


def packed(picture: EncodedPicture) -> bytes:
    """The picture as it goes through the pipe."""
    head = _HEAD.pack(len(picture.data), picture.pts, picture.duration, picture.is_key)
    return head + picture.data


def _unpacked(pipe: BinaryIO) -> EncodedPicture | None:
    """The next picture out of the pipe; None at its end."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    size, pts, duration, is_key = _HEAD.unpack(head)
    data = pipe.read(size)
    return EncodedPicture(data, pts, duration, bool(is_key)) if len(data) == size else None


def _publish(pipe: BinaryIO) -> None:
    """Send all that comes; raises what FFmpeg raises, or dies of its alarm."""
    connection = Connection.from_line(pipe.readline())
    first = _unpacked(pipe)
    if first is None:
        return
    container = av.open(
        connection.url, "w", format=connection.muxer, container_options=connection.options
    )
    stream = add_video(container, connection.video)
    picture: EncodedPicture | None = first
    while picture is not None:
        signal.setitimer(signal.ITIMER_REAL, connection.stall_s)
        container.mux(packet_of(picture, stream, first.pts))
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(sys.stdout.fileno(), ARRIVED)
        picture = _unpacked(pipe)
    _close(container, connection.stall_s)


def main() -> None:
    """Publish what standard input says; one line on standard error says why it failed."""
    try:
        _publish(sys.stdin.buffer)
    except (OSError, av.error.FFmpegError) as error:
        # FFmpeg's own text holds the URL with its password.
        sys.stderr.write(reason(error.errno, error.strerror or type(error).__name__))
        sys.stderr.flush()
        # nothing is closed: that could wait again
        os._exit(REFUSED if isinstance(error, _REFUSALS) else FAILED)


def _close(container: OutputContainer, stall_s: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, stall_s)
    container.close()
    signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
