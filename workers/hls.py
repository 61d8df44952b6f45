"""An HLS playlist that rolls on while a camera runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

import av

from mien.contract.frames import SECOND_NS
from mien.contract.live import LONGEST_SILENCE_NS
from mien.contract.outputs import OutputSettings
from workers.hls_playlist import (
    RollingPlaylist,
    read_playlist,
    segment_name,
    segment_number,
    write_playlist,
)
from workers.live_pictures import (
    KEY_EVERY_S,
    TICKS_A_SECOND,
    EncodedPicture,
    VideoFormat,
    add_video,
    packet_of,
)
from workers.sink import OutputHealth, OutputSummary
from workers.write_errors import writing

_SHORTEST_TICKS = KEY_EVERY_S * TICKS_A_SECOND * 3 // 4
"""A segment ends at the first key picture after that; they come a little early or late."""
_HOLE_TICKS = LONGEST_SILENCE_NS * TICKS_A_SECOND // SECOND_NS
"""A time without pictures that ends the segment, or that would last as long; a shorter one may be
the source's own."""
_KEPT = 3
"""Segments that stay on the disk after they left the playlist, for players that lag."""


class HlsStream:
    """A `LiveOutput` for `live.m3u8`, its segments `live-00000.ts` and so on beside it.

    A segment gets its name when it is whole, and only then stands in the playlist; both are
    written beside their names and renamed. An attempt after a kill goes on with the numbers of the
    playlist that it finds, behind a discontinuity, so that players go on, too.
    FFmpeg's own HLS muxer is not used, since it does not report a full disk.
    """

    def __init__(
        self,
        settings: OutputSettings,
        video: VideoFormat,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._video, self._utc_s = settings, video, utc_s
        self._path = settings.path
        self._begin: tuple[int, float] | None = None
        self._end = 0
        self._frames = 0
        self._ticks = 0
        self._left: list[str] = []
        self._writer = _SegmentWriter(_partial(self._path))
        with writing(self._path):
            self._playlist = read_playlist(self._path, KEY_EVERY_S)
            self._is_break = bool(self._playlist.segments)
            _remove_unlisted(self._path, self._playlist)
            self._next = self._first_number()
            # One muxer for all segments: its counters must go on from one to the next.
            self._container = av.open(
                self._writer,
                "w",
                format="mpegts",
                container_options={"flush_packets": "1", "mpegts_flags": "pat_pmt_at_frames"},
            )
            self._stream = add_video(self._container, video)

    def put(self, picture: EncodedPicture) -> None:
        if self._begin is not None and picture.is_key:
            self._part(self._begin[0], picture.pts)
        if self._begin is None:
            self._begin_segment(picture)
        with writing(self._path):
            self._container.mux(packet_of(picture, self._stream, 0))
        self._end = picture.pts + picture.duration
        self._frames += 1
        self._ticks += picture.duration

    def drain(self) -> None:
        """Nothing is on its way."""

    def finish(self, *, goes_on: bool) -> OutputSummary:
        if self._begin is not None:
            self._end_segment(self._end)
        if self._playlist.segments and not goes_on:
            with writing(self._path):
                write_playlist(self._path, self._playlist, ended=True)
                self._remove_left(0)
        self.close()
        notes = [] if self._frames else [f"no picture came, so {self._path.name} was not begun"]
        return OutputSummary(
            path=self._path,
            frames=self._frames,
            duration_ns=self._ticks * SECOND_NS // TICKS_A_SECOND,
            fps=self._settings.fps,
            audio=[],
            encoder=self._video.encoder,
            notes=notes,
        )

    def close(self) -> None:
        self._writer.discard()
        try:
            self._container.close()
        except (OSError, av.error.FFmpegError):
            return  # a segment that is not whole stands in no playlist

    def health(self) -> OutputHealth:
        return OutputHealth(self._settings.name, fine=True, lost={}, reconnects=0, reason=None)

    def _part(self, begin: int, pts: int) -> None:
        """End the segment that began there before a key picture, where it is time for it."""
        if pts - self._end >= _HOLE_TICKS:  # the machine stood still
            self._end_segment(self._end)
            self._is_break = True
        elif pts - begin >= _SHORTEST_TICKS:
            self._end_segment(pts)

    def _begin_segment(self, picture: EncodedPicture) -> None:
        self._begin = picture.pts, self._utc_s()
        with writing(self._path):
            self._writer.begin()

    def _end_segment(self, end: int) -> None:
        assert self._begin is not None  # noqa: S101 - asked by the callers
        begin, utc_s = self._begin
        self._begin = None
        name = segment_name(self._path, self._next)
        self._next += 1
        length_s = (end - begin) / TICKS_A_SECOND
        with writing(self._path):
            self._writer.end(self._path.with_name(name))
            gone = self._playlist.add(name, length_s, utc_s, is_break=self._is_break)
            self._is_break = False
            write_playlist(self._path, self._playlist)
            self._left += [segment.name for segment in gone]
            self._remove_left(_KEPT)

    def _remove_left(self, kept: int) -> None:
        while len(self._left) > kept:
            self._path.with_name(self._left.pop(0)).unlink(missing_ok=True)

    def _first_number(self) -> int:
        """The first that no file has, nor had while it stood in the playlist."""
        beside = [number + 1 for number, _ in _beside(self._path)]
        return max([self._playlist.sequence + len(self._playlist.segments), *beside])


def end_playlist(path: Path) -> None:
    """Mark the playlist that the last attempt left as ended, since no other follows.

    Raises:
        OutputError: It cannot be written.
    """
    with writing(path):
        playlist = read_playlist(path, KEY_EVERY_S)
        if playlist.segments:
            write_playlist(path, playlist, ended=True)
            _remove_unlisted(path, playlist)
            _partial(path).unlink(missing_ok=True)


class _SegmentWriter:
    """What FFmpeg writes to; each segment goes to a new file."""

    def __init__(self, partial: Path) -> None:
        self._partial = partial
        self._file: FileIO | None = None

    def begin(self) -> None:
        # without a buffer: closing after a failed write must not try it again
        self._file = self._partial.open("wb", buffering=0)

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while self._file is not None and rest:
            rest = rest[self._file.write(rest) :]
        return len(data)

    def end(self, path: Path) -> None:
        """Close the segment and give it its name."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._partial.replace(path)

    def discard(self) -> None:
        """Remove the segment; what comes after is thrown away."""
        if self._file is not None:
            self._file.close()
            self._file = None
            with suppress(OSError):  # the next attempt overwrites it
                self._partial.unlink(missing_ok=True)


def _remove_unlisted(path: Path, playlist: RollingPlaylist) -> None:
    """Remove what an attempt had written but not listed, or no longer."""
    listed = {segment.name for segment in playlist.segments}
    numbers = [number for number, beside in _beside(path) if beside.name in listed]
    if not numbers:
        return
    near = range(numbers[0] - _KEPT - 1, numbers[-1] + 2)
    for number, beside in _beside(path):
        if number in near and beside.name not in listed:
            beside.unlink(missing_ok=True)


def _partial(playlist: Path) -> Path:
    return playlist.with_name(f".{playlist.stem}.partial.ts")


def _beside(playlist: Path) -> list[tuple[int, Path]]:
    """The segments that lie beside a playlist, with their numbers, in order."""
    found = [(segment_number(playlist, path.name), path) for path in playlist.parent.iterdir()]
    return sorted((number, path) for number, path in found if number is not None)
