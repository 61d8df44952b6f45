"""The text of a rolling HLS playlist, and what an attempt finds of an earlier one's.

Source: RFC 8216, sections 4.3 and 6.2.2.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from mien.contract.utc import utc_text

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
    is_break: bool
    """Whether times start anew with it: another attempt wrote the one before, or it lies behind
    a hole."""

    @property
    def whole_s(self) -> int:
        """Its length as a target duration counts it."""
        return math.floor(self.length_s + 0.5)

    def lines(self) -> list[str]:
        lines = [f"{_DATE}:{self.utc}", f"{_LENGTH}:{self.length_s:.6f},", _reference(self.name)]
        return [_BREAK, *lines] if self.is_break else lines


@dataclass(slots=True)
class RollingPlaylist:
    """The last segments of a stream, which players read again and again."""

    target_s: int
    """No segment is longer, rounded to whole seconds; it never falls within an attempt. Players
    wait so long before they look again."""
    sequence: int = 0
    """How many segments have left the playlist."""
    breaks: int = 0
    """How many of those began after a break."""
    segments: list[Segment] = field(default_factory=list)

    def add(self, name: str, length_s: float, utc_s: float, *, is_break: bool) -> list[Segment]:
        """Append a segment; those that leave for it are returned."""
        self.segments.append(Segment(name, length_s, utc_text(utc_s), is_break))
        self.target_s = max(self.target_s, self.segments[-1].whole_s)
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


def _reference(name: str) -> str:
    """The name as a reference in a playlist: characters that have a meaning there, and bytes that
    are no text, are quoted.

    The rest stays as it is, since FFmpeg opens local files by the literal reference.
    """
    signs = r"[\x00-\x1f#%:?\udc80-\udcff]"
    return re.sub(signs, lambda found: quote(found[0], errors="surrogateescape"), name)


def segment_name(playlist: Path, number: int) -> str:
    """File name of a segment; files beside the playlist with other names are not ours."""
    return f"{playlist.stem}-{number:05d}.ts"


def segment_number(playlist: Path, name: str) -> int | None:
    """The number in a segment's name; None where it is not exactly as `segment_name` writes it."""
    match = re.fullmatch(r"-(\d{5,})\.ts", name.removeprefix(playlist.stem), re.ASCII)
    if match is None or name != segment_name(playlist, int(match[1])):
        return None
    return int(match[1])


def read_playlist(path: Path, target_s: int) -> RollingPlaylist:
    """The playlist that an earlier attempt left at `path`; an empty one where there is none.

    One that is not exactly as mien writes it, or lists any other file than segments of its
    own, is another program's and counts as none: what it lists must never be removed. Segments
    that are missing on the disk are left out, with those before them.

    Raises:
        OSError: It cannot be read.
    """
    if not path.is_file():
        return RollingPlaylist(target_s)
    try:
        playlist = _read(path, path.read_bytes().decode("utf-8"))
    except ValueError:
        return RollingPlaylist(target_s)  # another program's
    there = [path.with_name(segment.name).is_file() for segment in playlist.segments]
    if not all(there):
        playlist.leave(len(there) - there[::-1].index(False))
    playlist.target_s = max([target_s, *(segment.whole_s for segment in playlist.segments)])
    return playlist


def write_playlist(path: Path, playlist: RollingPlaylist, *, ended: bool = False) -> None:
    """Put it in place at once, without a wait for the disk; raises `OSError`."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(playlist.text(ended=ended), encoding="utf-8")
    partial.replace(path)


def _read(path: Path, text: str) -> RollingPlaylist:
    """The playlist of that text; raises `ValueError` where mien did not write it."""
    tags: dict[str, str] = {}
    segments, numbers = [], [-1]
    for line in filter(None, text.split("\n")):
        tag, _, value = line.partition(":")
        if line.startswith("#"):
            tags[tag] = value
            continue
        name = unquote(line, errors="surrogateescape")
        number = segment_number(path, name)
        if number is None or number <= numbers[-1]:
            raise ValueError("it lists a file that is no segment of its own, or one twice")
        numbers.append(number)
        length_s = float(tags.pop(_LENGTH, "").partition(",")[0])
        is_break = tags.pop(_BREAK, None) is not None
        segments.append(Segment(name, length_s, tags.pop(_DATE, ""), is_break))
    target_s, sequence, breaks = (int(tags.get(tag, "")) for tag in (_TARGET, _SEQUENCE, _BREAKS))
    playlist = RollingPlaylist(target_s, sequence, breaks, segments)
    is_ours = all(math.isfinite(segment.length_s) for segment in segments)
    if not is_ours or playlist.text(ended=_END in tags) != text:
        raise ValueError("another program wrote it")
    return playlist
