"""Decodes the packets of one connection as they come; what is damaged is counted, never raised."""

from __future__ import annotations

import av
from av.packet import Packet
from av.video.stream import VideoStream

from mien.contract.frames import Capture
from producer.connection import Arrived
from producer.decoding import set_up
from producer.deinterlace import FieldFilter
from producer.probe import time_base_of

MOST_WAITING = 64
"""Packets that may be in the decoder at once; the times of older ones are forgotten."""

Decoded = tuple[av.VideoFrame, Capture]


class LiveDecoder:
    """Pictures out of packets, each with the time at which its packet came.

    Threads share one picture at a time: with several pictures in work each would come later.
    """

    def __init__(self, stream: VideoStream, epoch: int) -> None:
        self._context = stream.codec_context
        set_up(self._context, "SLICE")
        self._time_base = time_base_of(stream)
        self._epoch = epoch
        self._fields = FieldFilter()
        self._captures: dict[int, Capture] = {}
        self._last: Capture | None = None
        self.corrupt = 0
        """Packets that could not be decoded."""
        self.in_vain = 0
        """Those of them since the last picture."""

    def decode(self, arrived: Arrived) -> list[Decoded]:
        """What is ready with this packet."""
        packet = arrived.packet
        self._last = Capture(arrived.utc_ns, arrived.arrived_ns, self._epoch)
        if packet.pts is not None:
            self._captures[packet.pts] = self._last
        while len(self._captures) > MOST_WAITING:
            del self._captures[next(iter(self._captures))]
        return self._decode(packet)

    def flush(self) -> list[Decoded]:
        """What the decoder still holds."""
        return self._decode(None)

    def _decode(self, packet: Packet[VideoStream] | None) -> list[Decoded]:
        try:
            frames = self._context.decode(packet)
        except av.error.EOFError:
            frames = []
        except (av.error.FFmpegError, ValueError):
            self.corrupt += packet is not None
            self.in_vain += packet is not None
            frames = []
        if frames:
            self.in_vain = 0
        ready: list[av.VideoFrame] = []
        for frame in frames:
            frame.time_base = self._time_base
            ready += self._fields.push(frame)
        if packet is None:
            ready += self._fields.flush()
        return [(frame, capture) for frame in ready if (capture := self._capture(frame))]

    def _capture(self, frame: av.VideoFrame) -> Capture | None:
        if frame.pts is None:
            return self._last
        return self._captures.pop(frame.pts, self._last)
