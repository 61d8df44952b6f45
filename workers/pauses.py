"""Fills pauses with silence, for containers that keep sound without its times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from av.audio.stream import AudioStream
from av.packet import Packet

from workers.channels import layout_of

HEARD_S = Fraction(15, 1000)
"""Sound may be shifted by up to this: it is not noticed."""
_LONGEST_SILENCE_S = Fraction(3600)
"""The most that is filled: a stamp that leaves a longer pause is damaged."""


class Pauses:
    """Follows the end of a sound, part by part, as it is in the file."""

    def __init__(self, begin_s: Fraction | None) -> None:
        """begin_s: where the file begins; None: it begins with the first part."""
        self._end_s = begin_s

    def before(self, start_s: Fraction | None, length_s: Fraction) -> tuple[Fraction, Fraction]:
        """Count a part; return the seconds of silence before it, and where it begins after them.

        start_s: where it should begin; None where nobody says, and it goes on from the one before.
        """
        end_s = self._end_s if self._end_s is not None else start_s or Fraction(0)
        gap_s = Fraction(0)
        if start_s is not None and start_s - end_s > HEARD_S:
            gap_s, end_s = min(start_s - end_s, _LONGEST_SILENCE_S), start_s
        self._end_s = end_s + length_s
        return gap_s, end_s

    def take_back(self, length_s: Fraction) -> None:
        """Take the last part out again, since nothing came of it: it is a pause as well."""
        if self._end_s is not None:
            self._end_s -= length_s


class PcmPauses:
    """Fills the pauses of plain samples that are copied."""

    def __init__(self, source: AudioStream, begin_s: Fraction | None) -> None:
        context = source.codec_context
        self._rate = context.sample_rate
        name = context.codec.canonical_name
        self._block = layout_of(context).nb_channels * (_bits(name) // 8)
        self._silence = silence_of(name)
        self._pauses = Pauses(begin_s)

    def filled(self, packet: Packet[AudioStream]) -> Iterator[Packet[AudioStream]]:
        """Silence for the pause before a packet, a second each at most, then the packet.

        All are stamped with the times at which they are heard; the source's stamps may jitter.
        """
        stamp_s = None if packet.pts is None else packet.pts * packet.time_base
        samples = packet.size // self._block
        gap_s, start_s = self._pauses.before(stamp_s, Fraction(samples, self._rate))
        left, first_s = round(gap_s * self._rate), start_s - gap_s
        for done in range(0, left, self._rate):
            count = min(self._rate, left - done)
            quiet = cast("Packet[AudioStream]", Packet(self._silence * count * self._block))
            quiet.time_base = packet.time_base
            quiet.duration = round(Fraction(count, self._rate) / packet.time_base)
            quiet.is_keyframe = True
            yield _at(quiet, first_s + Fraction(done, self._rate))
        yield _at(packet, start_s)


def _at(packet: Packet[AudioStream], start_s: Fraction) -> Packet[AudioStream]:
    packet.pts = packet.dts = round(start_s / packet.time_base)
    return packet


def silence_of(form: str) -> bytes:
    """The byte of which silence is made, by the name of a codec or sample format."""
    return b"\x80" if "u8" in form else b"\x00"


def _bits(codec: str) -> int:
    """Of a sample, as in pcm_s24le."""
    (bits,) = re.findall(r"\d+", codec)
    return int(bits)
