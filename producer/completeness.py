"""Notices that a file was cut off: FFmpeg calls the end of what is there the end of the file.

A container that states sizes or lengths gives itself away; a bare or streaming one cannot.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer
from av.video.stream import VideoStream

from producer.playlist import finished_text
from producer.probe import is_matroska

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
BOXES = (b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx")
MOST_BOXES = 100_000

TOO_EARLY_S = Fraction(1)
"""A stream that ends by more than this before its stated end was cut or could not be followed."""


def is_cut_off(path: Path) -> bool:
    """Whether a file states that it is longer than it is; not so where it cannot be looked at any
    more, as when it was deleted while it was read."""
    try:
        return _states_more(path)
    except OSError:
        return False


def _states_more(path: Path) -> bool:
    """The same; raises OSError where the file cannot be read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] == EBML:
            return _segment_end(head) > size
        if head[:4] == b"RIFF":
            return int.from_bytes(head[4:8], "little") + 8 > size
        if finished_text(path) is not None:
            return True
        return head[4:8] in BOXES and _last_box_end(file, size) > size


def _segment_end(head: bytes) -> int:
    """Where the segment of a Matroska file ends; 0 where it does not say.

    Source: RFC 8794, section 4 (variable-size integers), and RFC 9559, section 4.
    """
    at = head.find(SEGMENT) + len(SEGMENT)
    if at < len(SEGMENT) or at >= len(head) or head[at] == 0:
        return 0
    length = 9 - head[at].bit_length()
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(head[at : at + length], "big") & unknown
    return 0 if size == unknown else at + length + size


def _last_box_end(file: BinaryIO, size: int) -> int:
    """Where the boxes of an MP4 or QuickTime file end by what they state.

    Source: ISO/IEC 14496-12, section 4.2.
    """
    at = 0
    for _ in range(MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at + len(head)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8 or head[4:8] not in BOXES:
            return min(at, size)
        at += length
        if at >= size:
            break
    return at


def stated_end_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """When the video ends by its own stamps, where the file itself says it."""
    if not is_matroska(container):
        return None
    tag = re.fullmatch(r"(\d+):(\d+):(\d+)(\.\d+)?", stream.metadata.get("DURATION", ""))
    if tag is not None:
        hours, minutes, seconds, part = tag.groups(default="0")
        return Fraction(3600 * int(hours) + 60 * int(minutes) + int(seconds)) + Fraction("0" + part)
    if len(container.streams) == 1 and container.duration is not None:
        return Fraction(container.duration, 1_000_000)
    return None
