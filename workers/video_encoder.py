"""One video stream of an output file: pictures in, packets with their exact times out."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from mien.contract.errors import UsageError
from mien.contract.frames import SECOND_NS, SourceInfo
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Picture
from workers.containers import Container
from workers.video_frames import FrameMaker
from workers.video_options import encoder_options, quantiser
from workers.write_errors import encoding

_FINE = 90_000
"""Ticks a second that are fine enough for the place of the first picture, and for any rate."""
_FINEST = 2**31 // 3600
"""With more of them a second, a picture that lasts an hour is too long for .mp4 and .mov."""
_MPEG4_TIME_BASE = Fraction(1, 60_000)
"""MPEG-4 part 2 has 16 bits for it; this one holds all usual rates, 29.97 too."""
_MPEG_TICK = 65_535


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


def open_encoder(context: VideoCodecContext, name: str) -> None:
    """Raises `UsageError` where the encoder of that name cannot be opened as it is set up."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes to stderr by itself
    try:
        context.open()
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise UsageError(
            f"the encoder {name} cannot be opened here for "
            f"{context.width}x{context.height} pictures"
        ) from error


class VideoEncoder:
    """Encodes pictures as they are, sample by sample.

    Its time stamps count from the first picture; the time before it is added when packets are
    made, so that codecs with a fixed rate can begin late, too. Where a container has no time
    stamps, the first picture is repeated until its time has come.

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
        self._time_base = _time_base(self._codec, container, settings.fps, info)
        self._finer = _finer(self._time_base) if container.stamped else 1
        late = _ticks(info.first_pts_ns, self._packet_time_base)
        self._offset = late if container.stamped else 0
        self.repeats = 0 if container.stamped else late
        """How often the first picture is repeated before its time."""
        self._frames = FrameMaker(self._codec, info, tagged=container.tagged)
        self._durations: dict[int, int] = {}
        self._last_pts = -1
        self._last_duration = 0
        self._ends_by_order = container.muxer in {"mp4", "mov"}
        rate = settings.fps or info.source_fps
        self._stream = cast(VideoStream, output.add_stream(self.name, rate=rate))
        self._stream.time_base = self._packet_time_base
        self._context = self._stream.codec_context
        self._set_up(settings, container)
        open_encoder(self._context, self.name)

    @property
    def notes(self) -> list[str]:
        """What a user might not expect of the pictures, a sentence each."""
        notes = []
        if self._frames.scales:
            notes.append(f"{self._codec} knows limited-range colours only; samples were scaled")
        if self._frames.converts:
            notes.append(
                f"{self._codec} cannot say how colours are meant here; samples were converted to "
                "what players assume"
            )
        if self.repeats:
            notes.append(f"the first picture is shown {self.repeats} times more, until its time")
        return notes

    def encode(
        self, picture: Picture, pts_ns: int, duration_ns: int
    ) -> Iterator[Packet[VideoStream]]:
        """Packets that are ready; they lag behind the pictures."""
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
        packets = list(self._timed(self._encoded(None)))
        if packets and self._ends_by_order:
            # these files end with what is decoded last, which need not be what is shown last
            packets[-1].duration = self._last_duration
        yield from packets

    def _encode(self, picture: Picture, pts: int, duration: int) -> Iterator[Packet[VideoStream]]:
        frame = self._frames.frame(picture)
        frame.pts = pts
        frame.time_base = self._time_base
        self._durations[pts] = self._last_duration = duration
        yield from self._timed(self._encoded(frame))

    def _encoded(self, frame: av.VideoFrame | None) -> list[Packet[VideoStream]]:
        with encoding(self.name):
            return self._context.encode(frame)

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

    def _set_up(self, settings: OutputSettings, container: Container) -> None:
        context = self._context
        self._frames.set_up(context)
        context.time_base = self._time_base
        context.thread_type = "AUTO"
        context.options = encoder_options(self.name, settings.preset, settings.crf)
        if not context.options:
            context.qscale = True
            context.global_quality = quantiser(settings.crf) * 118  # FF_QP2LAMBDA
        if not container.stamped:
            context.max_b_frames = 0
        if self._codec == "hevc" and container.muxer in {"mp4", "mov"}:
            context.codec_tag = "hvc1"  # the only one that Apple's players take


def _time_base(
    codec: str, container: Container, fps: Fraction | None, info: SourceInfo
) -> Fraction:
    if fps is not None:
        # of the usual rates only 119.88 and 239.76 change, by 1 s in 16 months
        return (1 / fps).limit_denominator(_MPEG_TICK) if codec == "mpeg4" else 1 / fps
    if codec == "mpeg4" and info.time_base.denominator > _MPEG_TICK:
        return _MPEG4_TIME_BASE
    # what MPEG's streams cannot tell apart must not come out of the encoder as two times
    finest = _FINE if container.muxer in {"mpegts", "mpeg"} else _FINEST
    return info.time_base if info.time_base.denominator <= finest else Fraction(1, _FINE)


def _finer(time_base: Fraction) -> int:
    """Into how many parts a tick is divided for the times of packets: each is 1/n second.

    The denominator then stays small, whatever the numerator is; FFmpeg and .mp4 have 31 bits.
    """
    return time_base.numerator * math.ceil(Fraction(_FINE, time_base.denominator))


def _ticks(time_ns: int, time_base: Fraction) -> int:
    return round(Fraction(time_ns, SECOND_NS) / time_base)
