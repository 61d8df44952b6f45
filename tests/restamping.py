"""Damages single time stamps of a transport stream."""

from __future__ import annotations

from pathlib import Path

PACKET_BYTES = 188
VIDEO, SOUND = 0xE0, 0xC0
"""Ids of the first stream of each kind."""


def restamp(path: Path, stream: int, number: int, seconds: int) -> None:
    """Move the stamp of that stream's block, counted from 0, by so much."""
    data = bytearray(path.read_bytes())
    at = blocks(data, stream)[number] + 9
    marker, *rest = data[at : at + 5]
    ticks = (marker >> 1 & 7) << 30 | rest[0] << 22 | rest[1] >> 1 << 15 | rest[2] << 7
    ticks = ((ticks | rest[3] >> 1) + seconds * 90_000) % (1 << 33)
    data[at : at + 5] = (
        marker & 0xF1 | ticks >> 30 << 1,
        ticks >> 22 & 255,
        ticks >> 14 & 254 | 1,
        ticks >> 7 & 255,
        ticks << 1 & 254 | 1,
    )
    path.write_bytes(data)


def blocks(data: bytes, stream: int) -> list[int]:
    """Where the stream's blocks begin, each of which has a stamp."""
    found = []
    for packet in range(0, len(data), PACKET_BYTES):
        at = packet + 4
        if data[packet + 3] & 0x20:  # something stands before what it carries
            at += 1 + data[at]
        if data[packet + 1] & 0x40 and data[at : at + 4] == bytes((0, 0, 1, stream)):
            found.append(at)
    return found
