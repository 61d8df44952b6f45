"""The source that FFmpeg reads to its end: video files, here or on a server."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from mien.contract.errors import SourceError
from mien.contract.frames import EndReason, Frame, SourceInfo, SourceKind
from mien.contract.pictures import Picture
from producer import probe
from producer.addresses import Address
from producer.completeness import TOO_EARLY_S, is_cut_off, stated_end_s
from producer.decoding import Decoder
from producer.deinterlace import deinterlaced
from producer.delays import FASTEST_GIF_FPS
from producer.opening import Timeouts, open_container
from producer.picture_maker import SQUARE, PictureMaker, PixelAspect, square_pixels
from producer.strays import steadied
from producer.timestamps import LONGEST_S, to_ns

RENDITIONS = ("hls", "dash")
"""FFmpeg's names of what has each stream in files of its own."""


class VideoSource:
    """Frames of one video stream."""

    def __init__(self, address: Address, container: InputContainer, stream: VideoStream) -> None:
        """Decodes the first frame.

        Raises:
            SourceError: the stream gives no frame.
        """
        self._address, self._container, self._stream = address, container, stream
        self._decoder = Decoder(
            container, stream, path=address.path if address.kind == "file" else None
        )
        self._timeline = probe.timeline_of(stream, container.format.name)
        self.restarts = self._timeline.restarts
        self._aspect, self._maker = PixelAspect(stream), PictureMaker(None)
        self.corrupt = 0
        self.end_ns = 0
        self.reason: EndReason = ""
        self._decoded = steadied(deinterlaced(self._decoder.frames()), probe.time_base_of(stream))
        first = next(self._decoded, None)
        if first is None:
            raise SourceError(f"cannot read {address.name}: its video holds no picture")
        self._first: Frame | None = self._frame(0, first)
        self.info = self._describe(address, stream, first)

    def frames(self) -> Iterator[Frame]:
        """All frames, once."""
        first, self._first = self._first, None
        if first is None:
            return
        yield first
        del first
        for index, frame in enumerate(self._decoded, 1):
            yield self._frame(index, frame)
        self.corrupt, self.reason = self._decoder.corrupt, self._decoder.reason
        if self.reason == "end of file" and self._is_cut_off():
            self.reason = "damaged"

    @property
    def missing_ns(self) -> int:
        """Time so far of which the file lost its pictures, about."""
        return min(to_ns(self._decoder.losses.missing_s), self.end_ns)

    def close(self) -> None:
        """Give everything back; may be called again; never while another thread reads."""
        self._first = None
        self._decoded.close()
        self._container.close()

    def _is_cut_off(self) -> bool:
        """Whether there was more to come by what the file says."""
        stated_s = stated_end_s(self._container, self._stream)
        start_s = self._timeline.first_s or Fraction(0)
        early = stated_s is not None and to_ns(stated_s - TOO_EARLY_S - start_s) > self.end_ns
        return early or (self._address.kind == "file" and is_cut_off(self._address.path))

    def _frame(self, index: int, frame: av.VideoFrame) -> Frame:
        time = self._timeline.place(frame.pts, frame.dts, frame.duration)
        self.corrupt, self.end_ns = self._decoder.corrupt, self._timeline.end_ns
        self._maker.sar = self._aspect.of(frame)
        return Frame(index, time, self._maker.make(frame))

    def _describe(self, address: Address, stream: VideoStream, first: av.VideoFrame) -> SourceInfo:
        assert self._first is not None  # noqa: S101
        picture: Picture = self._first.picture
        start = self._timeline.first_s
        offset = 0 if start is None else to_ns(start - probe.container_start(self._container))
        rate = probe.source_fps(stream)
        is_slowed = self._container.format.name == "gif" and (rate or 0) > FASTEST_GIF_FPS
        return SourceInfo(
            name=address.name,
            kind="video",
            width=picture.width,
            height=picture.height,
            colour=picture.colour,
            source_fps=None if is_slowed else rate,
            time_base=probe.time_base_of(stream),
            duration_ns=None if is_slowed else probe.duration_ns(self._container, stream),
            frame_count=stream.frames or None,
            first_pts_ns=0 if offset > to_ns(LONGEST_S) else max(0, offset),
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            rotation=0 if self._maker.turn is None else self._maker.turn.rotation,
        )


def open_video(address: Address, timeout_s: Timeouts) -> VideoSource:
    """Open a video and decode its first frame.

    Raises:
        SourceError: it cannot be opened, is too large or holds no picture.
    """
    return adopt(address, open_container(address, timeout_s))


def adopt(address: Address, container: InputContainer) -> VideoSource:
    """The source of a container that is open, which is closed where it raises.

    Raises:
        SourceError: it is too large or holds no picture.
    """
    try:
        return VideoSource(address, container, checked_stream(address, container))
    except BaseException:
        container.close()
        raise


def checked_stream(address: Address, container: InputContainer) -> VideoStream:
    """The stream to show; what else would have to be fetched is not.

    Raises:
        SourceError: there is none, or it cannot be decoded, or it is too large.
    """
    stream = probe.shown_stream(container)
    if stream is None:
        raise SourceError(f"cannot read {address.name}: it holds no picture")
    if stream.codec_context is None:
        raise SourceError(f"cannot read {address.name}: there is no decoder for its video")
    stored = (stream.codec_context.width, stream.codec_context.height)
    width, height = square_pixels(stored, stream.sample_aspect_ratio or SQUARE)
    if width * height > probe.MAX_PIXELS:
        raise SourceError(f"cannot read {address.name}: its picture is too large")
    for other in container.streams if container.format.name in RENDITIONS else ():
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


def kind_of(address: Address, container: InputContainer) -> SourceKind:
    """A camera is live, and so is a stream from the net that states no end.

    A server that tells how many bytes there are sends a file, also where its container (bare
    H.264, say) tells no duration. One that tells neither may go on for ever, so a file that is
    sent without its size and has no duration counts as live. A playlist has a size of its own.
    """
    if address.kind != "web":
        return "live" if address.kind == "camera" else "video"
    lengthless = container.duration is None or container.duration <= 0
    sizeless = container.format.name in ("hls", "mpjpeg") or container.size <= 0
    return "live" if lengthless and sizeless else "video"
