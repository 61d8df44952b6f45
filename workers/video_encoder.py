"""One video stream of an output file: pictures in, packets with their exact times out."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from mien.contract.errors import OutputError, UsageError
from mien.contract.frames import SourceInfo
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Colour, Picture, even
from workers.containers import Container
from workers.sample_range import limited
from workers.video_frames import video_frame
from workers.video_options import encoder_options, quantiser

_NS = 1_000_000_000
_FINE = 90_000
"""Ticks a second that are fine enough for the place of the first picture."""
_MPEG4_TIME_BASE = Fraction(1, 60_000)
"""MPEG-4 part 2 has 16 bits for it; this one holds all usual rates, 29.97 too."""
_MPEG_TICK = 65_535
LIMITED_ONLY = {"mpeg4", "mpeg2video", "mpeg1video", "flv1", "vp8"}
"""Codecs that cannot say that luma uses 0..255."""


def find_encoder(name: str, container: Container, takers: str) -> av.Codec:
    """The FFmpeg encoder of that name; `takers` are what it is for, in the plural.

    Raises:
        UsageError: It is unknown, is no video encoder, or its video cannot go into the file.
    """
    try:
        codec = av.Codec(name, "w")
    except (ValueError, av.error.FFmpegError):
        raise UsageError(f"this FFmpeg has no encoder {name!r}") from None
    if codec.type != "video":
        raise UsageError(f"{name} does not encode video")
    if codec.canonical_name not in container.video:
        fitting = ", ".join(container.video)
        raise UsageError(f"{takers} do not take {codec.canonical_name} from {name}, only {fitting}")
    if "yuv420p" not in {form.name for form in codec.video_formats or ()}:
        raise UsageError(f"{name} does not take 8-bit 4:2:0 pictures")
    return codec


class VideoEncoder:
    """Encodes pictures as they are, sample by sample.

    Its time stamps count from the first picture; the time before it is added when packets are
    made, so that codecs with a fixed rate can begin late, too. Where a container has no time
    stamps, the first picture is repeated until its time has come. It must not convert pixels:
    colours are carried by their tags.

    Raises:
        UsageError: The encoder cannot be opened with these settings.
    """

    def __init__(
        self,
        output: OutputContainer,
        container: Container,
        settings: OutputSettings,
        info: SourceInfo,
    ) -> None:
        asked = settings.encoder or container.encoder
        codec = find_encoder(asked, container, f"{settings.path.suffix} files")
        self.name = codec.name
        self._codec = codec.canonical_name
        self._time_base = _time_base(self._codec, settings.fps, info)
        self._finer = max(1, math.ceil(self._time_base * _FINE)) if container.stamped else 1
        late = _ticks(info.first_pts_ns, self._packet_time_base)
        self._offset = late if container.stamped else 0
        self.repeats = 0 if container.stamped else late
        """How often the first picture is repeated before its time."""
        self._limits = info.colour.full_range and self._codec in LIMITED_ONLY
        self._colour = replace(info.colour, full_range=False) if self._limits else info.colour
        self._durations: dict[int, int] = {}
        self._last_pts = -1
        rate = settings.fps or info.source_fps
        self._stream = cast(VideoStream, output.add_stream(self.name, rate=rate))
        self._stream.time_base = self._packet_time_base
        self._context = self._stream.codec_context
        self._shape = (even(info.height) * 3 // 2, even(info.width))
        self._set_up(settings, container, info)
        self._open()

    @property
    def notes(self) -> list[str]:
        """What a user might not expect of the pictures, a sentence each."""
        notes = []
        if self._limits:
            notes.append(f"{self._codec} knows limited-range colours only; samples were scaled")
        if self.repeats:
            notes.append(f"the first picture is shown {self.repeats} times more, until its time")
        return notes

    def encode(
        self, picture: Picture, pts_ns: int, duration_ns: int
    ) -> Iterator[Packet[VideoStream]]:
        """Packets that are ready; they lag behind the pictures."""
        if picture.data.shape != self._shape:
            raise OutputError(
                f"a picture of {picture.width}x{picture.height} does not fit the video of "
                f"{self._shape[1]}x{self._shape[0] * 2 // 3}"
            )
        pts = self.repeats + _ticks(pts_ns, self._time_base)
        duration = max(1, _ticks(duration_ns, self._time_base)) * self._finer
        if self._last_pts < 0:
            for repeat in range(self.repeats):
                yield from self._encode(picture, repeat, duration)
        # two pictures nearer to each other than a tick still follow one another
        self._last_pts = max(self._last_pts + 1, pts)
        yield from self._encode(picture, self._last_pts, duration)

    def flush(self) -> Iterator[Packet[VideoStream]]:
        """The packets that the encoder still holds."""
        yield from self._timed(self._context.encode(None))

    def _encode(self, picture: Picture, pts: int, duration: int) -> Iterator[Packet[VideoStream]]:
        data = limited(picture) if self._limits else picture.data
        frame = video_frame(data)
        frame.pts = pts
        frame.time_base = self._time_base
        tag(frame, self._colour)
        self._durations[pts] = duration
        yield from self._timed(self._context.encode(frame))

    @property
    def _packet_time_base(self) -> Fraction:
        return self._time_base / self._finer

    def _timed(self, packets: list[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
        for packet in packets:
            pts = cast(int, packet.pts)
            dts = pts if packet.dts is None else packet.dts
            packet.duration = self._durations.pop(pts, 0)
            packet.time_base = self._packet_time_base
            packet.pts = pts * self._finer + self._offset
            packet.dts = dts * self._finer + self._offset
            packet.stream = self._stream
            yield packet

    def _set_up(self, settings: OutputSettings, container: Container, info: SourceInfo) -> None:
        context = self._context
        context.height, context.width = self._shape[0] * 2 // 3, self._shape[1]
        context.pix_fmt = "yuv420p"
        context.time_base = self._time_base
        context.thread_type = "AUTO"
        context.options = encoder_options(self.name, settings.preset, settings.crf)
        tag(context, self._colour)
        if not context.options:
            context.qscale = True
            context.global_quality = quantiser(settings.crf) * 118  # FF_QP2LAMBDA
        if not container.stamped:
            context.max_b_frames = 0
        if self._codec == "hevc" and container.muxer in {"mp4", "mov"}:
            context.codec_tag = "hvc1"  # the only one that Apple's players take

    def _open(self) -> None:
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes to stderr by itself
        try:
            self._context.open()
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise UsageError(
                f"the encoder {self.name} cannot be opened here for "
                f"{self._context.width}x{self._context.height} pictures"
            ) from error


def _time_base(codec: str, fps: Fraction | None, info: SourceInfo) -> Fraction:
    if fps is not None:
        return 1 / fps
    if codec == "mpeg4" and info.time_base.denominator > _MPEG_TICK:
        return _MPEG4_TIME_BASE
    return info.time_base


def _ticks(time_ns: int, time_base: Fraction) -> int:
    return round(Fraction(time_ns, _NS) / time_base)


def tag(target: av.VideoFrame | VideoCodecContext, colour: Colour) -> None:
    """Say how the samples are meant."""
    target.color_primaries = colour.primaries
    target.color_trc = colour.transfer
    target.colorspace = colour.matrix
    target.color_range = 2 if colour.full_range else 1
