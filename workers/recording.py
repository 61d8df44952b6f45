"""Records a camera into files that can be played while they grow and after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from mien.contract.errors import OutputError
from mien.contract.frames import SECOND_NS
from mien.contract.outputs import OutputSettings
from workers.containers import container_of
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


class Recording:
    """A `LiveOutput` that writes files under their final names.

    Without segments it is the one file asked for. With them `cam.mp4` gives
    `cam-20261124T101500Z.mp4` and so on, by the time of day (UTC) at which each one begins; a name
    that is taken gets `-2` behind it, so that no attempt harms what an earlier one recorded. Every
    file begins with a key picture, at time 0, since many players take no other.
    It must not wait for the disk (`fsync`): a camera does not stop meanwhile.
    """

    def __init__(
        self,
        settings: OutputSettings,
        video: VideoFormat,
        utc_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._video = video
        self._utc_s = utc_s
        self._options = container_of(settings.path).growing_options or {}
        self._open: _OpenFile | None = None
        self._first: Path | None = None
        self._last: Path | None = None
        self._files = 0
        self._frames = 0
        self._ticks = 0

    def put(self, picture: EncodedPicture) -> None:
        if self._open is None or self._is_over(self._open, picture):
            self._begin(picture.pts)
        assert self._open is not None  # noqa: S101 - just begun
        self._open.mux(picture)
        self._frames += 1
        self._ticks += picture.duration

    def drain(self) -> None:
        """Nothing is on its way."""

    def finish(self, *, goes_on: bool) -> OutputSummary:
        if self._open is not None:
            self._open.end()
            self._open = None
        return OutputSummary(
            path=self._last if self._last and self._files == 1 else self._settings.path,
            frames=self._frames,
            duration_ns=self._ticks * SECOND_NS // TICKS_A_SECOND,
            fps=self._settings.fps,
            audio=[],
            encoder=self._video.encoder,
            notes=self._notes(),
        )

    def close(self) -> None:
        if self._open is not None:
            self._open.end_quietly()
            if self._reserves:
                self._open.remove_if_empty()
            self._open = None

    def health(self) -> OutputHealth:
        return OutputHealth(self._settings.name, fine=True, lost={}, reconnects=0, reason=None)

    def _is_over(self, file: _OpenFile, picture: EncodedPicture) -> bool:
        length_s = self._settings.segment_s
        if length_s is None or not picture.is_key:
            return False
        # key pictures come by the clock of the stream: the one next to the wanted length
        return picture.pts - file.begin >= (length_s - KEY_EVERY_S / 2) * TICKS_A_SECOND

    def _begin(self, pts: int) -> None:
        if self._open is not None:
            self._open.end()
            self._open = None
        path = self._next_path()
        try:
            self._open = _OpenFile(path, self._options, self._video, pts)
        except BaseException:
            if self._reserves:
                path.unlink(missing_ok=True)
            raise
        self._first, self._last = self._first or path, path
        self._files += 1

    @property
    def _reserves(self) -> bool:
        """Whether an empty file takes the name first, so that no other file is overwritten."""
        return self._settings.segment_s is not None or not self._settings.overwrite

    def _next_path(self) -> Path:
        path = self._settings.path
        if not self._reserves:
            return path
        if self._settings.segment_s is None:
            return self._new(path)
        utc = datetime.fromtimestamp(self._utc_s(), UTC)
        stem, number = f"{path.stem}-{utc:%Y%m%dT%H%M%SZ}", 1
        while True:
            tail = "" if number == 1 else f"-{number}"
            try:
                return _reserve(path.with_name(f"{stem}{tail}{path.suffix}"))
            except FileExistsError:
                number += 1

    @staticmethod
    def _new(path: Path) -> Path:
        try:
            return _reserve(path)
        except FileExistsError:
            raise OutputError(
                f"{path} appeared before the first picture came, and was not overwritten"
            ) from None

    def _notes(self) -> list[str]:
        if self._first is None or self._last is None:
            return [f"no picture came, so {self._settings.path.name} was not begun"]
        if self._files == 1:
            return []
        return [f"{self._files} segments, {self._first.name} to {self._last.name}"]


class _OpenFile:
    """The file that is written now."""

    def __init__(self, path: Path, options: dict[str, str], video: VideoFormat, begin: int) -> None:
        self._path = path
        self.begin = begin
        """Time of its first picture, in ticks."""
        with writing(path):
            self._container: OutputContainer = av.open(
                str(path.absolute()),  # or FFmpeg takes what stands before a colon for a protocol
                "w",
                format=container_of(path).muxer,
                container_options=options,
            )
            self._stream: VideoStream = add_video(self._container, video)

    def mux(self, picture: EncodedPicture) -> None:
        with writing(self._path):
            self._container.mux(packet_of(picture, self._stream, self.begin))

    def end(self) -> None:
        with writing(self._path):
            self._container.close()

    def end_quietly(self) -> None:
        try:
            self._container.close()
        except (OSError, av.error.FFmpegError):
            return  # what is written can be played without its end

    def remove_if_empty(self) -> None:
        """Leave no name of nothing behind, one more with every attempt on a full disk."""
        with suppress(OSError):
            if not self._path.stat().st_size:
                self._path.unlink()


def _reserve(path: Path) -> Path:
    """Take a name that nobody has; raises `FileExistsError`."""
    with writing(path):
        path.touch(exist_ok=False)
    return path
