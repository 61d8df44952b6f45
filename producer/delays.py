"""How long each picture of an animated file is shown, as browsers have it."""

from __future__ import annotations

from fractions import Fraction

from av.packet import Packet
from av.video.stream import VideoStream

LEAST_MS, USUAL_MS = 11, 100
"""What is said to last less than the first is shown for the second."""

FASTEST_GIF_FPS = Fraction(1000, LEAST_MS)
"""Where FFmpeg tells of more pictures a second, they are not shown as it has them."""


def shown_ms(stated_ms: int) -> int:
    """Milliseconds that a picture is shown for which the file states so many."""
    return stated_ms if stated_ms >= LEAST_MS else USUAL_MS


class GifClock:
    """Stamps the packets of a GIF anew.

    FFmpeg shows a picture for a hundredth of a second where that is stated, and for as long as the
    one before it where nothing is.
    """

    def __init__(self, time_base: Fraction) -> None:
        """time_base: seconds a tick."""
        self._tick_ms = time_base * 1000
        self._next = 0

    def stamp(self, packet: Packet[VideoStream]) -> None:
        """Give the next packet its time and length."""
        packet.pts = packet.dts = self._next
        packet.duration = round(shown_ms(_stated_ms(packet)) / self._tick_ms)
        self._next += packet.duration


def _stated_ms(packet: Packet[VideoStream]) -> int:
    """Milliseconds that a GIF wants one of its pictures to be shown; 0 where it does not say.

    Source: Graphics Interchange Format, version 89a, sections 17 to 26.
    """
    data, at, delay_ms = bytes(packet), 0, 0
    if data[:3] == b"GIF":
        flags = int.from_bytes(data[10:11])
        at = 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
    while data[at : at + 1] == b"!":
        if data[at + 1 : at + 2] == b"\xf9":
            delay_ms = 10 * int.from_bytes(data[at + 4 : at + 6], "little")
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return delay_ms
