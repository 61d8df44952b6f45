"""The source of moving pictures that FFmpeg cannot decode but Pillow can: animated WebP."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from mien.contract.errors import SourceError
from mien.contract.frames import EndReason, Frame, SourceInfo
from producer.addresses import Address
from producer.delays import shown_ms
from producer.photo import PILLOW_ERRORS, opened
from producer.picture_maker import PictureMaker
from producer.probe import MAX_PIXELS
from producer.timestamps import Timeline

MILLISECOND = Fraction(1, 1000)


class AnimationSource:
    """Frames of one animated picture file."""

    def __init__(self, address: Address) -> None:
        """Decodes the first frame.

        Raises:
            SourceError: it is damaged or too large.
        """
        with opened(address) as probe:
            if probe.width * probe.height > MAX_PIXELS:
                raise SourceError(f"cannot read {address.name}: its picture is too large")
            probe.load()
            self._count: int = getattr(probe, "n_frames", 1)
            form = (probe.format or "").lower()
        self.corrupt = self.missing_ns = 0
        self.reason: EndReason = ""
        self.end_ns = 0
        self._image = Image.open(address.path)
        self._maker = PictureMaker(None)
        self._timeline = Timeline(MILLISECOND, None)
        self.restarts = self._timeline.restarts
        self._start_ms = 0
        self._first: Frame | None = self._frame(0)
        picture = self._first.picture
        self.info = SourceInfo(
            name=address.name,
            kind="video",
            width=picture.width,
            height=picture.height,
            colour=picture.colour,
            source_fps=None,
            time_base=MILLISECOND,
            duration_ns=None,
            frame_count=self._count,
            first_pts_ns=0,
            codec=form,
            pixel_format="rgba",
            rotation=0,
        )

    def frames(self) -> Iterator[Frame]:
        """All frames, once; the rest after a damaged one is given up."""
        first, self._first = self._first, None
        if first is None:
            return
        yield first
        del first
        self.reason = "end of file"
        for index in range(1, self._count):
            try:
                frame = self._frame(index)
            except PILLOW_ERRORS:
                self.corrupt += self._count - index
                self.reason = "damaged"
                return
            yield frame

    def close(self) -> None:
        """Close the file; may be called again."""
        self._first = None
        self._image.close()

    def _frame(self, index: int) -> Frame:
        self._image.seek(index)
        rgba = np.array(self._image.convert("RGBA"), np.uint8)
        length_ms = shown_ms(round(self._image.info.get("duration", 0)))
        time = self._timeline.place(self._start_ms, None, length_ms)
        self._start_ms += length_ms
        self.end_ns = self._timeline.end_ns
        return Frame(index, time, self._maker.make(av.VideoFrame.from_ndarray(rgba, "rgba")))


def open_animation(address: Address) -> AnimationSource:
    """Open an animated picture file and decode its first frame.

    Raises:
        SourceError: it is damaged or too large.
    """
    try:
        return AnimationSource(address)
    except PILLOW_ERRORS:
        raise SourceError(f"cannot read {address.name}: the picture is damaged") from None
