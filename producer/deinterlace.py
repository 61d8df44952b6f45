"""Makes whole pictures of frames that hold two fields of different moments."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction

import av
from av.filter import Graph


def deinterlaced(
    frames: Iterable[av.VideoFrame],
) -> Generator[av.VideoFrame, None, None]:
    """The same frames with the same times, the interlaced ones deinterlaced."""
    fields = FieldFilter()
    for frame in frames:
        yield from fields.push(frame)
    yield from fields.flush()


class FieldFilter:
    """Deinterlaces the frames that need it, and lets the others pass as they are.

    Costs nothing until the first interlaced frame. Each frame shows the moment of its first field.
    Frames that the filter does not take pass as they are.
    """

    def __init__(self) -> None:
        self._filters: Deinterlacer | None = None

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Give a frame in; what is ready comes out, with the same times."""
        if self._filters is not None and not self._filters.takes(frame):
            yield from self.flush()
        if self._filters is None and frame.interlaced_frame:
            self._filters = _deinterlacer_for(frame)
        if self._filters is None:
            yield frame
        else:
            yield from self._filters.push(frame)

    def flush(self) -> Iterator[av.VideoFrame]:
        """What is left."""
        filters, self._filters = self._filters, None
        if filters is not None:
            yield from filters.flush()


def _deinterlacer_for(frame: av.VideoFrame) -> Deinterlacer | None:
    """A filter for frames like this one; None where it has a size or format that none takes."""
    try:
        return Deinterlacer(frame)
    except (av.error.FFmpegError, ValueError):
        return None


class Deinterlacer:
    """FFmpeg's bwdif over frames of one size and format; as many come out as go in."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self._shape = _shape(frame)
        self._waiting: deque[av.VideoFrame] = deque()
        graph = self._graph = Graph()
        graph.threads = 1
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base or Fraction(1, 1000),
            ),
            graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"),
            graph.add("buffersink"),
        ).configure()

    def takes(self, frame: av.VideoFrame) -> bool:
        """Whether a frame has the size and format that the filter was made for."""
        return _shape(frame) == self._shape

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Give a frame in; what is ready comes out, one frame late."""
        self._waiting.append(frame)
        self._graph.vpush(frame)
        yield from self._ready()

    def flush(self) -> Iterator[av.VideoFrame]:
        """What is left; a frame that the filter kept comes as it was."""
        self._graph.vpush(None)
        yield from self._ready()
        yield from self._waiting
        self._waiting.clear()

    def _ready(self) -> Iterator[av.VideoFrame]:
        while self._waiting:
            try:
                shown = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            original = self._waiting.popleft()
            # The filter counts in half ticks; each frame gets its own time back.
            shown.pts, shown.dts = original.pts, original.dts
            shown.duration, shown.time_base = original.duration, original.time_base
            yield shown


def _shape(frame: av.VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
