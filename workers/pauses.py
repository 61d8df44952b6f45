"""Silence where a sound pauses, for containers that know how much sound there is, not when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from av.audio.stream import AudioStream
from av.packet import Packet

HEARD_S = Fraction(15, 1000)
"""What is shifted by less, an ear forgives."""
_LONGEST_SILENCE_S = 3600
"""A sound that begins later is damaged, and days of silence would be of no use."""


class Pauses:
    """Follows the end of a sound, part by part, as it is in the file."""

    def __init__(self, begin_s: Fraction | None) -> None:
        """begin_s: where the file begins; None: it begins with the first part."""
        self._end_s = begin_s

    def before(self, start_s: Fraction, length_s: Fraction) -> Fraction:
        """Seconds of silence before a part, which is then counted."""
        end_s = start_s if self._end_s is None else self._end_s
        pauses = start_s - end_s > HEARD_S
        self._end_s = (start_s if pauses else end_s) + length_s
        return min(start_s - end_s, Fraction(_LONGEST_SILENCE_S)) if pauses else Fraction(0)


class PcmPauses:
    """Fills the pauses of plain samples that are copied."""

    def __init__(self, source: AudioStream, begin_s: Fraction | None) -> None:
        context = source.codec_context
        self._rate = context.sample_rate
        name = context.codec.canonical_name
        self._block = context.layout.nb_channels * (_bits(name) // 8)
        self._silence = silence_of(name)
        self._pauses = Pauses(begin_s)

    def before(self, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        """Packets of silence for the pause before one of sound, a second each at most."""
        if packet.pts is None:
            return
        start_s = packet.pts * packet.time_base
        gap_s = self._pauses.before(start_s, Fraction(packet.size // self._block, self._rate))
        left, first_s = round(gap_s * self._rate), start_s - gap_s
        for done in range(0, left, self._rate):
            samples = min(self._rate, left - done)
            quiet = cast("Packet[AudioStream]", Packet(self._silence * samples * self._block))
            quiet.time_base = packet.time_base
            quiet.pts = quiet.dts = round((first_s + Fraction(done, self._rate)) / packet.time_base)
            quiet.duration = round(Fraction(samples, self._rate) / packet.time_base)
            quiet.is_keyframe = True
            yield quiet


def silence_of(form: str) -> bytes:
    """The byte of which silence is made, by the name of a codec or sample format."""
    return b"\x80" if "u8" in form else b"\x00"


def _bits(codec: str) -> int:
    """Of a sample, as in pcm_s24le."""
    (bits,) = re.findall(r"\d+", codec)
    return int(bits)
