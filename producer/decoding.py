"""Reads packets and decodes them; what is damaged is skipped and counted, never raised."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from mien.contract.frames import EndReason
from producer.delays import GifClock
from producer.losses import Losses
from producer.probe import MAX_PIXELS, time_base_of

FRUITLESS_READS = 16
"""Errors in a row without a packet between them, after which the rest of a file is given up."""

MOST_THREADS = 4
"""More decoder threads hold more frames and gain little."""

HIDES_FRAMES = ("vp8", "mpeg4")
"""Codecs with packets that are not meant to be shown."""


def set_up(context: VideoCodecContext, threads: Literal["AUTO", "SLICE"]) -> None:
    """Limit a decoder's threads, and the size of the pictures that it takes.

    threads: with "SLICE" all of them work on one picture at a time.
    """
    context.thread_count = min(MOST_THREADS, os.cpu_count() or 1)
    context.thread_type = threads
    context.options = {"max_pixels": str(MAX_PIXELS)}


class Decoder:
    """One video stream of one container, from its beginning to its end, once."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, *, path: Path | None
    ) -> None:
        """path: of a file; None says that what is missing was lost on the way."""
        self._container, self._stream = container, stream
        self._broken: EndReason = "connection lost" if path is None else "damaged"
        set_up(stream.codec_context, "AUTO")
        time_base = time_base_of(stream)
        self._clock = GifClock(time_base) if container.format.name == "gif" else None
        self.corrupt = 0
        """Packets that could not be decoded."""
        self.losses = Losses(container.format.name, time_base, path)
        """What of it was lost without a packet."""
        self.reason: EndReason = ""
        """Why it ended, once it has."""
        self._unseen = 0
        """Packets that are meant to be shown, less the frames that came of them."""
        self._interlaced = False
        self._last_was_bad = False

    def frames(self) -> Iterator[av.VideoFrame]:
        """Decoded frames in display order."""
        for packet in self._packets():
            yield from self._decode(packet)
        yield from self._decode(None)
        if self.corrupt:
            self._count_silent_losses()
        if self.reason == "end of file" and (self._last_was_bad or self.losses.ends_early()):
            self.reason = self._broken

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets that hold something; after an error the reading goes on where it can."""
        fruitless = 0
        while fruitless < FRUITLESS_READS:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        fruitless = 0
                        if self._clock is not None:
                            self._clock.stamp(packet)
                        self.losses.see(packet)
                        self._unseen += not packet.is_discard
                        yield packet
                self.reason = "end of file"
                return
            except IndexError:  # PyAV's at the end of a file in which streams appear late
                self.reason = "end of file"
                return
            except (av.error.FFmpegError, OSError) as error:
                if isinstance(error, av.error.ExitError):
                    self.reason = "connection lost"
                    return
                fruitless += 1
        self.reason = self._broken

    def _decode(self, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
        try:
            frames = self._stream.decode(packet)
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, ValueError):
            self.corrupt += 1
            self._last_was_bad = True
            return []
        for frame in frames:
            frame.time_base = self._stream.time_base
            self._unseen -= 1
            self._interlaced |= frame.interlaced_frame
        self._last_was_bad = packet.is_corrupt if packet is not None else self._last_was_bad
        return frames

    def _count_silent_losses(self) -> None:
        """In a damaged stream, some packets give neither a frame nor an error.

        Not so where packets without a frame of their own are usual: fields, hidden frames.
        """
        if not self._interlaced and self._stream.codec_context.name not in HIDES_FRAMES:
            self.corrupt = max(self.corrupt, self._unseen)
