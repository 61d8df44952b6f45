"""Encodes a camera's pictures without delay, with a key picture every 2 s."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from mien.contract.frames import SECOND_NS, SourceInfo
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Picture
from workers.live_pictures import (
    KEY_EVERY_S,
    TICKS_A_SECOND,
    TIME_BASE,
    EncodedPicture,
    VideoFormat,
)
from workers.video_encoder import open_encoder
from workers.video_frames import FrameMaker
from workers.video_options import encoder_options, low_delay_options
from workers.write_errors import encoding

_USUAL_FPS = Fraction(25)


class LiveEncoder:
    """Encodes without looking ahead, so that no picture waits for the next ones.

    Parameters go with every key picture, so that an output can begin, or begin again, at any of
    them.

    Raises:
        UsageError: The encoder cannot be opened with these settings.
    """

    def __init__(self, codec: av.Codec, settings: OutputSettings, info: SourceInfo) -> None:
        rate = settings.fps or info.source_fps
        self._frames = FrameMaker(codec.canonical_name, info)
        self._durations: dict[int, int] = {}
        self._last_pts = -1
        self._key_slot = -1
        self._context = cast(VideoCodecContext, av.CodecContext.create(codec.name, "w"))
        self.video = VideoFormat(
            codec.canonical_name, codec.name, self._frames.width, self._frames.height, rate
        )
        self._open(settings, rate or _USUAL_FPS)

    def encode(self, picture: Picture, pts_ns: int, duration_ns: int) -> Iterator[EncodedPicture]:
        """What is ready: this picture, unless the encoder cannot do without a delay."""
        frame = self._frames.frame(picture)
        # two pictures nearer to each other than a tick still follow one another
        self._last_pts = max(self._last_pts + 1, _ticks(pts_ns))
        frame.pts, frame.time_base = self._last_pts, TIME_BASE
        if (slot := pts_ns // (KEY_EVERY_S * SECOND_NS)) != self._key_slot:
            self._key_slot = slot
            frame.pict_type = PictureType.I
        self._durations[self._last_pts] = max(1, _ticks(duration_ns))
        yield from self._encoded(frame)

    def flush(self) -> Iterator[EncodedPicture]:
        """What the encoder still holds; it takes no more pictures."""
        yield from self._encoded(None)

    def _encoded(self, frame: av.VideoFrame | None) -> Iterator[EncodedPicture]:
        with encoding(self.video.encoder):
            packets = self._context.encode(frame)
        for packet in packets:
            pts = cast(int, packet.pts)
            duration = self._durations.pop(pts, 0)
            yield EncodedPicture(bytes(packet), pts, duration, packet.is_keyframe)

    def _open(self, settings: OutputSettings, rate: Fraction) -> None:
        context, name = self._context, self.video.encoder
        self._frames.set_up(context)
        context.time_base = TIME_BASE
        context.framerate = rate
        context.thread_type = "SLICE"  # threads for whole frames would hold some back
        context.max_b_frames = 0
        # for encoders that do not heed the wish for a key picture
        context.gop_size = max(1, ceil(rate * KEY_EVERY_S))
        options = encoder_options(name, settings.preset, settings.crf)
        context.options = options | low_delay_options(name)
        open_encoder(context, name)


def _ticks(time_ns: int) -> int:
    return round(Fraction(time_ns * TICKS_A_SECOND, SECOND_NS))
