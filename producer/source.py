"""Opens any input: the one door to videos, photos, streams and cameras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from mien.contract.frames import EndReason, Frame, SourceInfo
from producer.addresses import Address, parse
from producer.animation import open_animation
from producer.connection import Connection
from producer.live import LiveOptions, LiveSource
from producer.live_opening import GoOn, Wait, patient
from producer.localfile import check_file
from producer.opening import USUAL_TIMEOUTS_S, Timeouts, open_container
from producer.opening_apart import open_apart
from producer.photo import PhotoSource, still_or_moving
from producer.restarts import Restarts
from producer.video import adopt, kind_of, open_video

CAMERA_READ_S = 10.0
"""A camera that sends nothing for so long is taken for lost; a server's next segment takes longer
at times."""


class Source(Protocol):
    """One that ends: frames in display order, with exact times.

    Never closed while another thread reads.
    """

    info: SourceInfo
    """Complete from the start: the first frame is decoded when a source is opened."""
    restarts: Restarts
    """Where its stamps began anew so far; for `producer.audio.AudioFeed`."""

    @property
    def corrupt(self) -> int:
        """Packets so far that gave no picture."""

    @property
    def missing_ns(self) -> int:
        """Time so far of which a damaged file lost the pictures unseen, about; in no state of
        the ledger, since nobody knows how many they were."""

    @property
    def end_ns(self) -> int:
        """When the last frame so far stops being shown, from the first frame."""

    @property
    def reason(self) -> EndReason:
        """Why it ended; empty while it has not."""

    def frames(self) -> Iterator[Frame]:
        """All frames, once; none is kept."""

    def close(self) -> None:
        """Give everything back; may be called again; never while another thread reads."""


def open_source(
    name: str,
    *,
    timeout_s: Timeouts = USUAL_TIMEOUTS_S,
    live: LiveOptions = LiveOptions(),  # noqa: B008 - it cannot be changed
    wait: Wait = lambda trouble: True,
) -> Source | LiveSource:
    """Open a file, a photo, a URL or a camera and decode its first frame.

    timeout_s: seconds for opening and for each read, where the source is not a local file.
    live: how long a source that is no local file is waited for.
    wait: told all the while why there is no picture yet, also while it is being opened; what it
        answers is whether to go on.

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

    def camera(go_on: GoOn) -> LiveSource:
        limits = timeout_s[0], min(timeout_s[1], CAMERA_READ_S)
        return LiveSource(address, Connection(address, limits), limits, live, go_on=go_on)

    def web(go_on: GoOn) -> Source | LiveSource:
        return open_apart(
            lambda wanted: _open_web(address, timeout_s, live, wanted), go_on, address.name
        )

    if address.kind == "camera":
        return patient(camera, live, wait)
    return patient(web, live, wait)


def _open_web(
    address: Address, timeout_s: Timeouts, live: LiveOptions, go_on: GoOn
) -> Source | LiveSource:
    """What an address on a server is, a file or a stream without an end, shows when it is open."""
    container = open_container(address, timeout_s)
    if kind_of(address, container) == "live":
        connection = Connection(address, timeout_s, container)
        return LiveSource(address, connection, timeout_s, live, go_on=go_on)
    return adopt(address, container)
