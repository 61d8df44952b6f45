"""Follows the units of a container from one packet to another; a damaged one leads elsewhere.

FFmpeg finds its way again after damage and says so only in its log, which is the whole process's
and is kept silent. Only heads are read here, and only where a source asks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

SEGMENT, CLUSTER, BLOCK_GROUP = 0x18538067, 0x1F43B675, 0xA0
SIMPLE_BLOCK, BLOCK = 0xA3, 0xA1
ENTERED = frozenset({SEGMENT, CLUSTER, BLOCK_GROUP})
SKIPPED = frozenset(
    {
        SIMPLE_BLOCK, BLOCK, 0xE7, 0xAB, 0xA7, 0xAF, 0x5854,  # in a cluster
        0x75A1, 0x9B, 0xFA, 0xFB, 0xFD, 0xA4, 0x75A2, 0x8E, 0xC8, 0xA2,  # in a group
        0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367,
        0xEC, 0xBF, 0x1A45DFA3,  # anywhere
    }
)  # fmt: skip
"""Matroska's elements beside blocks. Source: RFC 9559, section 5; RFC 8794, section 11."""

FLV_TAGS = frozenset({8, 9, 18})
FLV_HEAD_BYTES, FLV_TAIL_BYTES = 11, 4

SYNC = 0x47
PACKET_BYTES = 188
CHUNK_PACKETS = 10_000

STRAY_BYTES = 1024
"""Tags of other programs and the like at the end of a file are no damage."""

Follow = Callable[[BinaryIO, int, int], int]
"""From where a packet lies to where another lies or the file ends: the other place where all is
well; beyond it, or where the way was lost."""


def is_unbroken(path: Path, form: str, start: int, end: int) -> bool:
    """Whether the units from one packet lead to another.

    form: FFmpeg's name of the container; start, end: where it says that the packets lie. What
    cannot be looked at counts as unbroken.
    """
    follow = FOLLOW.get(form)
    if follow is None or not 0 <= start < end:
        return True
    try:
        with path.open("rb") as file:
            if form == MATROSKA:
                end = _element_of(file, end) or end
            return follow(file, start, end) == end
    except OSError:
        return True


def ends_whole(path: Path, form: str, start: int) -> bool:
    """Whether the units from the last packet lead to the file's end."""
    follow = FOLLOW.get(form)
    if follow is None or start < 0:
        return True
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            at = follow(file, start, size)
            file.seek(at)
            blank = not file.read(STRAY_BYTES).strip(b"\0")  # room that a recorder reserved
    except OSError:
        return True
    if at > size:
        return form == FLV and at == size + FLV_TAIL_BYTES  # some leave the last one out
    return blank or size - at <= STRAY_BYTES


def _follow_matroska(file: BinaryIO, start: int, end: int) -> int:
    """Source: RFC 8794, sections 4 and 5 (variable-size integers, element heads)."""
    at = _element_of(file, start)
    if at is None:
        return end  # its packets lie where this does not know it
    while at < end:
        file.seek(at)
        head = file.read(12)
        width = 9 - head[0].bit_length() if head else 9
        name = int.from_bytes(head[:width], "big")
        length = 0 if len(head) <= width else 9 - head[width].bit_length()
        if not 0 < length <= 8:
            return at
        if name in ENTERED:
            at += width + length
        elif name in SKIPPED:
            at += width + length + _size(head[width : width + length])
        else:
            return at
    return at


def _element_of(file: BinaryIO, start: int) -> int | None:
    """Where the element begins of which the content is a block; None where it is not found."""
    file.seek(max(0, start - 9))
    before = file.read(min(9, start))
    for length in range(1, len(before)):
        size = before[-length:]
        if before[-length - 1] in (SIMPLE_BLOCK, BLOCK) and size[0].bit_length() == 9 - length:
            return start - length - 1
    return None


def _size(number: bytes) -> int:
    return int.from_bytes(number, "big") & ((1 << 7 * len(number)) - 1)


def _follow_flv(file: BinaryIO, start: int, end: int) -> int:
    """Source: Adobe Flash Video File Format 10.1, annex E.3 and E.4."""
    at = start
    while at < end:
        file.seek(at)
        head = file.read(FLV_HEAD_BYTES)
        if head and head[0] & 0x1F not in FLV_TAGS:
            return at
        if len(head) < FLV_HEAD_BYTES:
            return end + FLV_HEAD_BYTES
        at += FLV_HEAD_BYTES + int.from_bytes(head[1:4], "big") + FLV_TAIL_BYTES
    return at


def _follow_mpegts(file: BinaryIO, start: int, end: int) -> int:
    """Plain packets alone: FFmpeg's places are others where each has bytes of its own beside it.

    Source: ISO/IEC 13818-1, section 2.4.3.2.
    """
    file.seek(0)
    if file.read(3 * PACKET_BYTES)[::PACKET_BYTES] != bytes([SYNC] * 3):
        return end
    for at in range(start, end, PACKET_BYTES * CHUNK_PACKETS):
        file.seek(at)
        signs = file.read(min(PACKET_BYTES * CHUNK_PACKETS, end - at))[::PACKET_BYTES]
        whole = len(signs) - len(signs.lstrip(bytes([SYNC])))
        if whole < len(signs):
            return at + whole * PACKET_BYTES
    return start - (start - end) // PACKET_BYTES * PACKET_BYTES


MATROSKA, FLV = "matroska,webm", "flv"
FOLLOW: dict[str, Follow] = {
    MATROSKA: _follow_matroska,
    FLV: _follow_flv,
    "mpegts": _follow_mpegts,
}
