"""The life of one connection: it is opened, gives pictures, and is over at some time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.stream import VideoStream

from mien.contract.frames import SECOND_NS, Capture, SourceInfo
from mien.contract.pictures import Picture
from producer.addresses import Address
from producer.connection import ENDED, Arrived, Connection
from producer.live_decoder import Decoded, LiveDecoder
from producer.live_times import Arrivals
from producer.opening import AbsentError, RefusedError, Timeouts
from producer.picture_maker import PictureMaker, PixelAspect
from producer.probe import coded_fps, source_fps, time_base_of, timeline_of
from producer.timestamps import Timeline

SILENT = "it sends nothing any more"
UNANSWERED = "it did not answer in time, or with no video"
BARREN = "it sends packets that give no picture"

CAUSES = {SILENT: "silent", BARREN: "no picture", ENDED: "ended"}
CUT_OFF = "cut off"

BARREN_READS = 3
"""For so many times the limit of a read packets may come that give no picture."""

CHANGED_S, CHANGED_PACKETS = 2.0, 20
"""Where so many packets since the last picture, over so long a time, cannot be decoded, the codec
has changed: FFmpeg looks at that when it opens a stream, and only then."""


@dataclass(frozen=True, slots=True)
class LivePicture:
    """A decoded picture and its times."""

    frame: av.VideoFrame
    stamp_ns: int
    """From the first picture of the connection."""
    capture: Capture
    aspect: Fraction
    """Width of a stored pixel over its height."""


class LiveSession:
    """Decodes a connection's packets in the caller's thread, and sees when it is over."""

    def __init__(self, connection: Connection, epoch: int, timeouts: Timeouts) -> None:
        self.connection = connection
        self._timeouts = timeouts
        self.epoch = epoch
        self.maker: PictureMaker | None = None
        """Makes its pictures; set by whoever knows their size."""
        self._decoder: LiveDecoder | None = None
        self._aspect: PixelAspect | None = None
        self._timeline: Timeline | Arrivals | None = None
        self._stamp_ns = self._step_ns = 0
        self.began_s = self._packet_s = time.monotonic()
        self._fruitless_ns: int | None = None
        """When the first packet since the last picture came that gave none."""
        self.count = 0
        """Pictures so far."""
        self.cause = ""
        """Why it is over, as the end of a sentence; empty while it is not."""

    @property
    def refused(self) -> bool:
        """Whether somebody has to mend something before it can be opened."""
        return isinstance(self.connection.refusal, RefusedError)

    @property
    def absent(self) -> bool:
        """Whether the server said that there is no such thing."""
        return isinstance(self.connection.refusal, AbsentError)

    @property
    def corrupt(self) -> int:
        """Packets so far that could not be decoded."""
        return 0 if self._decoder is None else self._decoder.corrupt

    @property
    def interval_ns(self) -> int | None:
        """How long the last picture is shown; 0 before the first, None where nothing tells yet."""
        return 0 if self._timeline is None else self._timeline.interval_ns

    @property
    def spacing_ns(self) -> int | None:
        """The same, or the distance of the last two, if longer: cameras that save send fewer
        pictures than they state."""
        interval_ns = self.interval_ns
        return None if interval_ns is None else max(interval_ns, self._step_ns)

    def pictures(self, wait_s: float) -> list[LivePicture]:
        """What has come by now; waits so long for it. Sets `cause` where no more will come."""
        connection = self.connection
        arrived = connection.take()
        if arrived is None:
            connection.wait(wait_s)
            arrived = connection.take()
        if arrived is not None:
            self._packet_s = time.monotonic()
            return self._decoded(arrived)
        if connection.ended:
            refusal = connection.refusal
            self.cause = connection.cause if refusal is None else str(refusal).rpartition(": ")[2]
            return [] if self._decoder is None else self._timed(self._decoder.flush())
        self._look_at_clock()
        return []

    def catch_up(self, picture: LivePicture, late_ns: int) -> None:
        """Leave out what need not be decoded to go on where a picture so late says we should be."""
        if picture.frame.pts is not None:
            self.connection.catch_up(picture.frame.pts, late_ns / SECOND_NS)

    def release(self) -> None:
        """Give everything back. Returns at once, whatever the connection does."""
        self.connection.release()

    def _decoding(self) -> LiveDecoder:
        stream = self.connection.stream
        assert stream is not None  # noqa: S101 - a packet came of it
        if self._decoder is None:
            self._decoder, self._aspect = LiveDecoder(stream, self.epoch), PixelAspect(stream)
            self._timeline = self._make_timeline(stream)
        return self._decoder

    def _make_timeline(self, stream: VideoStream) -> Timeline | Arrivals:
        if not self.connection.has_stamps:
            return Arrivals()  # FFmpeg counts 25 a second, however many come
        return timeline_of(stream, self.connection.format)

    def _decoded(self, arrived: Arrived) -> list[LivePicture]:
        """What a packet gives. Barren packets are judged by when they came, since whoever reads
        here may have been held up."""
        decoder = self._decoding()
        vain = decoder.in_vain
        ready = self._timed(decoder.decode(arrived))
        if ready:
            self._fruitless_ns = None
            return ready
        if self._fruitless_ns is None:
            self._fruitless_ns = arrived.arrived_ns
        barren_s = (arrived.arrived_ns - self._fruitless_ns) / 1e9
        failed = decoder.in_vain > vain
        changed = failed and self.count > 0 and decoder.in_vain >= CHANGED_PACKETS
        if barren_s > (CHANGED_S if changed else BARREN_READS * self._timeouts[1]):
            self.cause = BARREN
        return []

    def _timed(self, decoded: list[Decoded]) -> list[LivePicture]:
        self.count += len(decoded)
        return [self._picture(frame, capture) for frame, capture in decoded]

    def _picture(self, frame: av.VideoFrame, capture: Capture) -> LivePicture:
        timeline, aspect = self._timeline, self._aspect
        assert timeline is not None  # noqa: S101 - made with the decoder that gave the picture
        assert aspect is not None  # noqa: S101 - as well
        if isinstance(timeline, Arrivals):
            stamp_ns = timeline.place(capture.arrived_ns)
        else:
            stamp_ns = timeline.place(frame.pts, frame.dts, frame.duration)
        self._step_ns, self._stamp_ns = stamp_ns - self._stamp_ns, stamp_ns
        return LivePicture(frame, stamp_ns, capture, aspect.of(frame))

    def _look_at_clock(self) -> None:
        now_s, (open_s, read_s) = time.monotonic(), self._timeouts
        blind_s = self.connection.blind_s
        if self.connection.stream is None:
            # A second more, since FFmpeg has the same limit and knows better what is wrong.
            self.cause = UNANSWERED if now_s - self.began_s > open_s + 1 else ""
        elif now_s - max(self._packet_s, self.connection.came_s) > read_s:
            self.cause = SILENT
        elif blind_s is not None and now_s - blind_s > BARREN_READS * read_s:
            self.cause = BARREN


def why_lost(cause: str) -> str:
    """A cause as one of few words; FFmpeg has any number of others."""
    return CAUSES.get(cause, CUT_OFF)


def describe(
    address: Address, session: LiveSession, first: LivePicture, picture: Picture
) -> SourceInfo:
    """What is known of the source by its first picture."""
    stream, maker = session.connection.stream, session.maker
    assert stream is not None  # noqa: S101 - the picture came of it
    assert maker is not None  # noqa: S101
    return SourceInfo(
        name=address.name,
        kind="live",
        width=picture.width,
        height=picture.height,
        colour=picture.colour,
        source_fps=_rate(session.connection, stream),
        time_base=time_base_of(stream),
        duration_ns=None,
        frame_count=None,
        first_pts_ns=0,
        codec=stream.codec_context.name,
        pixel_format=first.frame.format.name,
        rotation=0 if maker.turn is None else maker.turn.rotation,
    )


def _rate(connection: Connection, stream: VideoStream) -> Fraction | None:
    """Frames a second, where somebody who knows says it: without stamps FFmpeg makes up 25."""
    return source_fps(stream) if connection.has_stamps else coded_fps(stream)
