"""The text of a rolling HLS playlist, and what an attempt finds of an earlier one's.

Source: RFC 8216, sections 4.3 and 6.2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

_LISTED = 6
"""Segments in a playlist."""
_SEQUENCE, _BREAKS = "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"
_TARGET, _BREAK = "#EXT-X-TARGETDURATION", "#EXT-X-DISCONTINUITY"
_DATE, _LENGTH, _END = "#EXT-X-PROGRAM-DATE-TIME", "#EXTINF", "#EXT-X-ENDLIST"


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the playlist."""

    name: str
    length_s: float
    utc: str
    """When its first picture was written, in ISO 8601."""
    is_break: bool = False
    """Whether times start anew with it: another attempt wrote the one before."""

    def lines(self) -> list[str]:
        lines = [f"{_DATE}:{self.utc}", f"{_LENGTH}:{self.length_s:.6f},", self.name]
        return [_BREAK, *lines] if self.is_break else lines


@dataclass(slots=True)
class RollingPlaylist:
    """The last segments of a stream, which players read again and again."""

    target_s: int
    """No segment is longer, rounded to whole seconds; it never falls."""
    sequence: int = 0
    """How many segments have left the playlist."""
    breaks: int = 0
    """How many of those began after a break."""
    segments: list[Segment] = field(default_factory=list)

    def add(self, name: str, length_s: float, utc_s: float, *, is_break: bool) -> list[Segment]:
        """Append a segment; those that leave for it are returned."""
        utc = datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds")
        self.segments.append(Segment(name, length_s, utc.replace("+00:00", "Z"), is_break))
        self.target_s = max(self.target_s, math.floor(length_s + 0.5))
        return self.leave(len(self.segments) - _LISTED)

    def text(self, *, ended: bool) -> str:
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"{_TARGET}:{self.target_s}",
            f"{_SEQUENCE}:{self.sequence}",
            f"{_BREAKS}:{self.breaks}",
            "#EXT-X-INDEPENDENT-SEGMENTS",
        ]
        for segment in self.segments:
            lines += segment.lines()
        return "\n".join([*lines, _END] if ended else lines) + "\n"

    def leave(self, count: int) -> list[Segment]:
        """Take the first segments out."""
        gone = self.segments[: max(0, count)]
        self.segments = self.segments[max(0, count) :]
        self.sequence += len(gone)
        self.breaks += sum(segment.is_break for segment in gone)
        return gone


def read_playlist(path: Path, target_s: int) -> RollingPlaylist:
    """The playlist that an earlier attempt left at `path`; an empty one where there is none.

    Segments that are missing on the disk are left out, with those before them.

    Raises:
        OSError: It cannot be read.
    """
    playlist = RollingPlaylist(target_s)
    if not path.is_file():
        return playlist
    try:
        _read(path.read_text(errors="replace"), playlist)
    except ValueError:
        return RollingPlaylist(target_s)  # another program's
    there = [path.with_name(segment.name).is_file() for segment in playlist.segments]
    if not all(there):
        playlist.leave(len(there) - there[::-1].index(False))
    return playlist


def write_playlist(path: Path, playlist: RollingPlaylist, *, ended: bool = False) -> None:
    """Put it in place at once, without a wait for the disk; raises `OSError`."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(playlist.text(ended=ended))
    partial.replace(path)


def _read(text: str, playlist: RollingPlaylist) -> None:
    tags: dict[str, str] = {}
    for line in filter(None, text.splitlines()):
        tag, _, value = line.partition(":")
        if line.startswith("#"):
            tags[tag] = value
            continue
        length_s = float(tags.pop(_LENGTH, "").partition(",")[0])
        is_break = tags.pop(_BREAK, None) is not None
        playlist.segments.append(Segment(Path(line).name, length_s, tags.pop(_DATE, ""), is_break))
    playlist.sequence = int(tags.get(_SEQUENCE, 0))
    playlist.breaks = int(tags.get(_BREAKS, 0))
    playlist.target_s = max(playlist.target_s, int(tags.get(_TARGET, 0)))
