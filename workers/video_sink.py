"""Writes the pictures of a stream and its sound into one video file."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from mien.contract.atomic import AtomicFile
from mien.contract.errors import OutputError
from mien.contract.frames import SECOND_NS, SourceInfo
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Picture
from workers.audio_mux import AudioMux, AudioPackets
from workers.containers import container_of
from workers.sink import OutputHealth, OutputSummary
from workers.verify import Expected, verify_video
from workers.video_encoder import VideoEncoder
from workers.write_errors import writing


class VideoSink:
    """A `Sink` for video files; it owns `audio` and closes it.

    Raises:
        UsageError: The settings do not fit each other, the source or this FFmpeg.
        OutputError: The file cannot be begun.
    """

    def __init__(
        self, settings: OutputSettings, info: SourceInfo, audio: AudioPackets | None
    ) -> None:
        self._settings = settings
        self._first_ns = info.first_pts_ns
        self._frames = 0
        self._end_ns = 0
        self._longest_ns = 0
        self._begin_ns = 0
        self._source_audio = audio
        self._file = AtomicFile(settings.path, settings.overwrite)
        self._output: OutputContainer | None = None
        try:
            self._output = self._begin(settings, info, audio)
        except BaseException:
            self.abort()
            raise

    def write(self, picture: Picture, pts_ns: int, duration_ns: int) -> None:
        try:
            self._mux_beside_sound(self._video.encode(picture, pts_ns, duration_ns))
        except BaseException:
            self.abort()
            raise
        if not self._frames:
            self._begin_ns = pts_ns
        self._frames += 1
        self._end_ns = pts_ns + duration_ns
        self._longest_ns = max(self._longest_ns, duration_ns)

    def finish(self, *, goes_on: bool = False) -> list[OutputSummary]:
        try:
            self._end()
            self._file.settle()
        except BaseException:
            self.abort()
            raise
        self._close()
        summary = OutputSummary(
            path=self._settings.path,
            frames=self._frames,
            duration_ns=self._end_ns - self._begin_ns,
            fps=self._settings.fps,
            audio=self._audio.summaries,
            encoder=self._video.name,
            notes=self._notes(),
        )
        return [summary]

    def commit(self) -> None:
        self._file.commit()

    def health(self) -> list[OutputHealth]:
        return []

    def abort(self) -> None:
        self._file.abort()  # first: closing then fails fast instead of moving all of an .mp4
        self._close()

    def _close(self) -> None:
        self._close_quietly()
        if self._source_audio is not None:
            self._source_audio.close()
            self._source_audio = None

    def _begin(
        self, settings: OutputSettings, info: SourceInfo, audio: AudioPackets | None
    ) -> OutputContainer:
        container = container_of(settings.path)
        with writing(settings.path):
            output = av.open(
                str(self._file.partial),
                "w",
                format=container.muxer,
                container_options=container.muxer_options,
            )
            self._video = VideoEncoder(output, container, settings, info)
            self._audio = AudioMux(output, container, audio)
            output.start_encoding()
        return output

    def _notes(self) -> list[str]:
        suffix, fps = self._settings.path.suffix, self._settings.fps
        notes = self._video.notes + self._audio.notes
        if fps is not None and not container_of(self._settings.path).variable_rate:
            notes.append(f"{suffix} files have one frame rate for all pictures: {float(fps):.5g}")
        if self._audio.damaged:
            notes.append(f"sound: {self._audio.damaged} damaged packets were left out")
        return notes

    def _mux_beside_sound(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Mux each picture after the sound that comes before it.

        The sound keeps step with the pictures that come out of the encoder, not with those that go
        in: the muxer would have to hold it meanwhile, and after ten seconds writes it alone.
        """
        for packet in packets:
            time_s = (packet.dts or 0) * packet.time_base
            self._mux(self._audio.until(floor(time_s * SECOND_NS)))
            self._mux([packet])

    def _mux(self, packets: Iterable[Packet[VideoStream] | Packet[AudioStream]]) -> None:
        output = self._output
        if output is None:
            raise OutputError(f"{self._settings.path} is closed already")
        for packet in packets:
            with writing(self._settings.path):
                try:
                    output.mux(packet)
                except (av.error.InvalidDataError, av.error.PatchWelcomeError):
                    # damaged sound, as aac_adtstoasc finds it; were it the pictures', one would
                    # be missing when the file is read back
                    if not self._audio.refuse(packet):
                        raise

    def _end(self) -> None:
        path = self._settings.path
        if not self._frames:
            raise OutputError(f"{path} would hold no picture")
        self._mux_beside_sound(self._video.flush())
        self._mux(self._audio.until(None))
        output, self._output = self._output, None
        if output is not None:
            with writing(path):
                output.close()
        repeats = self._video.repeats
        expected = Expected(
            self._frames + repeats,
            self._end_ns - self._begin_ns + (self._first_ns if repeats else 0),
            self._longest_ns,
            self._audio.heard,
        )
        verify_video(self._file.partial, path, expected)

    def _close_quietly(self) -> None:
        output, self._output = self._output, None
        if output is None:
            return
        try:
            output.close()
        except (OSError, av.error.FFmpegError):
            return  # the file is removed anyway
