"""Pictures as FFmpeg's frames."""

from __future__ import annotations

from dataclasses import replace

import av
from av.video.codeccontext import VideoCodecContext

from mien.contract.errors import OutputError
from mien.contract.frames import SourceInfo
from mien.contract.pictures import Colour, Picture, Pixels, even
from workers.colour_matrix import MatrixConverter, differ
from workers.sample_range import full, limited

LIMITED_ONLY = {"mpeg4", "mpeg2video", "mpeg1video", "flv1", "vp8"}
"""Codecs that cannot say that luma uses 0..255."""
UNTAGGED = {"mpeg4", "mpeg1video", "flv1", "ffv1"}
"""Codecs that cannot say how samples are meant; some containers can for them."""


class FrameMaker:
    """Makes the frames of one video from a source's pictures, sample by sample.

    It must not convert pixels: colours are carried by their tags. Only where there is no tag for
    full-range samples are they scaled, and where there is none for the matrix, they are converted
    to the one that players assume. All frames have the tags of the first: a source that changes
    its own while it runs is brought to these.
    """

    def __init__(self, codec: str, info: SourceInfo, *, tagged: bool = True) -> None:
        """codec: FFmpeg's canonical name; tagged: whether the container says, too, how colours
        are meant."""
        self.width, self.height = even(info.width), even(info.height)
        unsaid = not tagged and codec in UNTAGGED
        self.scales = info.colour.full_range and (unsaid or codec in LIMITED_ONLY)
        """Whether full-range samples are scaled to limited range."""
        self._colour = replace(info.colour, full_range=False) if self.scales else info.colour
        assumed = Colour().matrix_for(info.height)
        self.converts = unsaid and differ(info.colour.matrix, assumed)
        """Whether samples are converted to the matrix that players assume."""
        if self.converts:
            self._colour = replace(self._colour, matrix=assumed)
        self._converters: dict[int, MatrixConverter] = {}

    def set_up(self, context: VideoCodecContext) -> None:
        """Tell an encoder what is common to all frames."""
        context.width, context.height = self.width, self.height
        context.pix_fmt = "yuv420p"
        _tag(context, self._colour)

    def frame(self, picture: Picture) -> av.VideoFrame:
        """The picture as a frame without a time; raises `OutputError` where it has another size."""
        if picture.data.shape != (self.height * 3 // 2, self.width):
            raise OutputError(
                f"a picture of {picture.width}x{picture.height} does not fit the video of "
                f"{self.width}x{self.height}"
            )
        frame = video_frame(self._samples(picture))
        _tag(frame, self._colour)
        return frame

    def _samples(self, picture: Picture) -> Pixels:
        """As the tags say that they are meant; the picture's own where it means the same."""
        matrix, target = (
            colour.matrix_for(picture.height) for colour in (picture.colour, self._colour)
        )
        converts = differ(matrix, target)
        if not converts and picture.colour.full_range == self._colour.full_range:
            return picture.data
        if picture.colour.full_range:
            picture = replace(picture, data=limited(picture))
        if converts:
            if matrix not in self._converters:
                self._converters[matrix] = MatrixConverter(matrix, target)
            picture = replace(picture, data=self._converters[matrix].converted(picture))
        return full(picture) if self._colour.full_range else picture.data


def video_frame(data: Pixels) -> av.VideoFrame:
    """A yuv420p frame of I420 samples, uint8 (H * 3 // 2, W); not copied where that can be.

    PyAV takes heights for multiples of four where it does not copy (`height // 6 * 4`), which
    would put the colours of other heights in wrong rows.
    """
    if data.shape[0] % 6:
        return av.VideoFrame.from_ndarray(data, "yuv420p")
    return av.VideoFrame.from_numpy_buffer(data, "yuv420p")


def _tag(target: av.VideoFrame | VideoCodecContext, colour: Colour) -> None:
    """Say how the samples are meant."""
    target.color_primaries = colour.primaries
    target.color_trc = colour.transfer
    target.colorspace = colour.matrix
    target.color_range = 2 if colour.full_range else 1
