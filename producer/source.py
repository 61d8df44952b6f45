"""Opens any input: the one door to videos, photos, streams and cameras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mien.contract.frames import Frame, SourceInfo
from producer.addresses import parse
from producer.animation import open_animation
from producer.localfile import check_file
from producer.photo import PhotoSource, still_or_moving
from producer.restarts import Restarts
from producer.video import open_video


class Source(Protocol):
    """Frames in display order, with exact times; read and closed by one and the same thread."""

    info: SourceInfo
    """Complete from the start: the first frame is decoded when a source is opened."""
    corrupt: int
    """Packets so far that gave no picture."""
    end_ns: int
    """When the last frame so far stops being shown, from the first frame."""
    reason: str
    """Why it ended: 'end of file', 'damaged', 'connection lost'; empty while it has not."""
    restarts: Restarts
    """Where its stamps began anew so far; for `producer.audio.AudioFeed`."""

    def frames(self) -> Iterator[Frame]:
        """All frames, once; none is kept."""

    def close(self) -> None:
        """Give everything back; may be called again; never while another thread reads."""


def open_source(name: str, *, timeout_s: tuple[float, float] = (10.0, 30.0)) -> Source:
    """Open a file, a photo, a URL or a camera and decode its first frame.

    timeout_s: seconds for opening and for each read, where the source is not a local file.

    Raises:
        SourceError: missing, unreadable, forbidden, too large, not a file or without a picture.
    """
    address = parse(name)
    if address.kind == "file":
        check_file(address.path, address.name)
        image = still_or_moving(address)
        if image == "photo":
            return PhotoSource(address)
        if image == "animation":
            return open_animation(address)
    return open_video(address, timeout_s)
