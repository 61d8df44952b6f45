"""Playlists on the disk: what they name is checked before FFmpeg, which follows any name, sees it.

A playlist may name files in its own folder or below it, by relative path, and nothing else. It is
known by its content, whatever the file is called. The check is made once: it does not guard
against a folder whose files are exchanged while they are read.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from av.format import formats_available

from mien.contract.errors import SourceError
from producer.explanations import explain

HLS, CONCAT = b"#EXTM3U", b"ffconcat version"
"""How the two kinds of playlist begin that FFmpeg finds by itself."""

ENTRY, END = "#EXTINF", "#EXT-X-ENDLIST"
"""What stands before each file of a HLS playlist, and what behind the last."""

FOLLOWERS = frozenset(
    {"concat", "dash", "hls", "imf", "mlv", "rtsp", "sap", "sdp", "vobsub", "webm_dash_manifest"}
)
"""FFmpeg's demuxers that open further files or addresses; others may too where an option says so,
which nothing here does."""

TEXT_ART = frozenset({"adf", "bin", "idf", "tty", "xbin"})
"""Those that draw text as a terminal would: any file of letters would be a video."""

CHECKED = frozenset({"concat", "hls"})
"""Those of them whose names this module can check."""

MOST_BYTES = 8 << 20
LONGEST_LINE = 4000
"""Bytes; FFmpeg cuts longer ones, and would then read another name than the one checked."""

DEEPEST = 3
"""How many playlists may stand in each other."""

CONCAT_LINE = re.compile(
    r"\s*(?:#.*|ffconcat version 1\.0|(?:duration|inpoint|outpoint)\s+[0-9.:]+"
    r"|file\s+(?P<quote>'?)(?P<name>[A-Za-z0-9_./-]+)(?P=quote))?\s*"
)
"""All that FFmpeg's safe mode allows and that can name no other file than it seems to."""


def readable_formats(path: Path, name: str) -> str:
    """FFmpeg's demuxers that may read a local file, as its option `format_whitelist` wants them.

    Raises:
        SourceError: it is a playlist that names something it must not.
    """
    formats = formats_available - FOLLOWERS - TEXT_ART
    if _is_playlist(path):
        reason = _complaint(path)
        if reason:
            raise SourceError(f"cannot read {name}: {reason}")
        formats = formats | CHECKED
    return ",".join(sorted(formats))


def finished_text(path: Path) -> bytes | None:
    """A local HLS playlist with its end marked; None where it is marked, or is no such playlist.

    Without the mark FFmpeg waits for more, which nobody writes: a recorder that was killed leaves
    such a playlist.
    """
    with path.open("rb") as file:
        if not file.read(len(HLS)).startswith(HLS):
            return None
        data = HLS + file.read(MOST_BYTES)
    return None if _has_end(os.fsdecode(data)) else data + f"\n{END}\n".encode()


def _has_end(text: str) -> bool:
    """Whether a playlist says that nothing follows; one that names only playlists need not."""
    lines = re.split(r"[\r\n]", text)
    return any(line.startswith(END) for line in lines) or not any(
        line.startswith(ENTRY) for line in lines
    )


def _is_playlist(path: Path) -> bool:
    """Whether a file's content is a playlist; what cannot be read is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(CONCAT)).startswith((HLS, CONCAT))
    except OSError:
        return False


def _complaint(playlist: Path) -> str:
    """Why a playlist must not be read, or nothing; it looks into the playlists that it names."""
    root = os.path.realpath(playlist.parent)
    if set("?#") & set(str(playlist)):
        return "it is a playlist, and its path holds a '?' or '#'"
    waiting, seen = [(playlist, 1)], {playlist}
    while waiting:
        path, depth = waiting.pop()
        if depth > DEEPEST:
            return "it is a playlist that names too many others, one in the other"
        try:
            text = _read_text(path)
            if depth > 1 and text.startswith(HLS.decode()) and not _has_end(text):
                return f"it is a playlist that names one without an end ({path.name!r})"
            names = _named_in(text)
            _check_names(names, path.parent, root)
        except ValueError as error:
            return f"it is a playlist that {error}"
        except OSError as error:
            return f"it is a playlist, and {explain(error)}"
        found = {path.parent / name for name in names} - seen
        seen |= found
        waiting += [(file, depth + 1) for file in found if _is_playlist(file)]
    return ""


def _read_text(path: Path) -> str:
    """All of a playlist.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no proper text.
    """
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError("is too large")
    if b"\0" in data:
        raise ValueError("is no text")
    return os.fsdecode(data)


def _named_in(text: str) -> set[str]:
    """The files that a playlist names, as it writes them.

    Raises:
        ValueError: it has a line that cannot be checked.
    """
    read = _names_in_hls if text.startswith(HLS.decode()) else _names_in_concat
    names = set()
    # Not `splitlines`: FFmpeg knows only these two ends of a line.
    for line in re.split(r"[\r\n]", text):
        if len(os.fsencode(line)) > LONGEST_LINE:
            raise ValueError("has a line that is too long")
        names.update(read(line))
    return names


def _names_in_hls(line: str) -> list[str]:
    """Source: RFC 8216, section 4, and FFmpeg, libavformat/hls.c."""
    if not line.startswith("#"):
        name = line.rstrip(" \t\f\v")
        return [name] if name else []
    if line.startswith("#EXT-X-KEY") and "METHOD=NONE" not in line:
        raise ValueError("is encrypted")
    names = []
    for match in re.finditer("URI=", line):
        value = line[match.end() :]
        name = value.split('"')[1] if value.startswith('"') else re.split(r"[,\s]", value)[0]
        names += [name] if name else []
    return names


def _names_in_concat(line: str) -> list[str]:
    """Source: FFmpeg, libavformat/concatdec.c."""
    match = CONCAT_LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"has a line that is not allowed ({line[:80]!r})")
    return [match["name"]] if match["name"] else []


def _check_names(names: set[str], folder: Path, root: str) -> None:
    """Make sure that all names mean files in the root folder, or such that are not there.

    folder: of the playlist that holds the names; root: real path of the first playlist's.

    Raises:
        ValueError: one does not, in words.
        OSError: a file cannot be looked at.
    """
    real_folders: dict[str, str] = {}
    for name in sorted(names):
        head, _, last = name.rpartition("/")
        if _is_plain(name):
            # The folders are few, and to follow their links takes long.
            real = real_folders.get(head) or os.path.realpath(folder / head)
            real_folders[head] = real
            if _is_inside(f"{real}/{last}", root):
                continue
        raise ValueError(f"names {name[:80]!r}, which is no file in its own folder")


def _is_plain(name: str) -> bool:
    """Whether FFmpeg takes a name for a relative path that never goes up, and for all of it."""
    if set("?#\\") & set(name):  # FFmpeg takes off what follows the first two
        return False
    parts = name.split("/")
    return ":" not in parts[0] and parts[0] != "" and ".." not in parts


def _is_inside(path: str, root: str) -> bool:
    """Whether a path whose folder is a real one leads to a regular file, or to none, in the root.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            path = os.path.realpath(path)
            mode = Path(path).stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    return stat.S_ISREG(mode) and os.path.commonpath([root, path]) == root
