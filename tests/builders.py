"""Makes real clips through PyAV whose pictures say which frame they are and which way is up.

Every picture is a grid of 5 x 4 cells. The four corner cells have a grey of their own (which way is
up can be read from them); the other 16 cells are the bits of the frame's number, white or black.
So a test can ask of any picture that comes out of the house *which* frame it is:

    path = make_clip(tmp_path / "clip.mp4", frames=30, fps=Fraction(25), audio=Sound())
    number = read_number(picture)              # a Picture, an RGB array or a luma plane
    assert is_upright(picture)

Every clip that is asked for twice with the same arguments is the same clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mien.contract.pictures import Colour, Picture

COLUMNS, ROWS = 5, 4
CORNERS = {(0, 0): 235, (0, 4): 180, (3, 4): 125, (3, 0): 70}
"""Grey of the corner cells by (row, column): clockwise from the top left, bright to dark."""
BITS = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]
BITS = [cell for cell in BITS if cell not in CORNERS]
WHITE, BLACK = 235, 16

PLANAR_YUV = ("yuv", "nv12")
RAW = {"h264": "h264", "264": "h264", "hevc": "hevc", "m2v": "mpeg2video"}
"""Formats of bare codec data, which has no time stamps, by extension."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A 440 Hz tone beside the video."""

    codec: str = "aac"
    rate: int = 48000
    length_s: float | None = None
    """None is as long as the video lasts."""
    start_s: float = 0.0
    tracks: int = 1


@dataclass(frozen=True, slots=True)
class Clip:
    """Everything a clip is made from; `make_clip` takes the same names."""

    frames: int = 30
    fps: Fraction = Fraction(25)
    size: tuple[int, int] = (160, 120)
    """Stored width and height."""
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    first_number: int = 0
    """The number that the first picture shows."""
    pts: Sequence[int] | None = None
    """Times in ticks of `time_base`, one a frame; None counts at `fps`."""
    time_base: Fraction | None = None
    """Seconds a tick; None is 1/fps, or 1/90000 where `pts` is given."""
    start_s: float = 0.0
    """Added to every video time."""
    rotation: int = 0
    """Degrees counter-clockwise, in quarters, that a player turns the stored picture (a display
    matrix; mp4, mov). The stored one is turned the other way, so that what a player shows is
    upright, and its width and height are those of `size` swapped where it lies on its side."""
    hflip: bool = False
    """A player mirrors left and right after the turn; and the stored one is mirrored too."""
    vflip: bool = False
    sar: Fraction | None = None
    """Width of a stored pixel over its height."""
    colour: Colour | None = None
    """Tags of the video; its `full_range` also says how the samples are meant."""
    chroma: tuple[int, int] = (128, 128)
    """U and V of all pixels."""
    alpha: int | None = None
    """Opacity of the right half of the picture, for a `pix_fmt` that has alpha."""
    interlaced: bool = False
    """Two fields a frame, the bottom one first and right; the other has one bit wrong."""
    bframes: int = 0
    gop: int = 12
    audio: Sound | None = None
    format: str | None = None
    """FFmpeg's name of the container; None goes by the extension."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the video encoder."""
    container_options: Mapping[str, str] = field(default_factory=dict)


def make_clip(path: Path, **settings: object) -> Path:
    """Write the clip that `Clip(**settings)` describes and return its path."""
    return write_clip(path, Clip(**settings))  # type: ignore[arg-type]


def write_clip(path: Path, clip: Clip) -> Path:
    """Write a clip and return its path."""
    form = clip.format or RAW.get(path.suffix[1:])
    with av.open(str(path), "w", format=form, options=dict(clip.container_options)) as out:
        video = add_video(out, clip)
        sound = clip.audio or Sound(tracks=0)
        tracks = [add_sound(out, sound) for _ in range(sound.tracks)]
        for frame in pictures(clip):
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for track in tracks:
            write_sound(out, track, sound, float(clip.frames / clip.fps))
    return path


def add_video(out: OutputContainer, clip: Clip) -> VideoStream:
    """A video stream of the container, ready to encode the clip's pictures."""
    stream = out.add_stream(clip.codec, rate=clip.fps, options=encoder_options(clip))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = clip.size
    stream.pix_fmt = clip.pix_fmt
    context = stream.codec_context
    context.time_base = ticks(clip)
    context.thread_count = 1
    if clip.codec not in INTRA_ONLY:
        context.gop_size = clip.gop
        context.max_b_frames = clip.bframes
    if clip.sar is not None:
        context.sample_aspect_ratio = clip.sar
    if clip.interlaced:
        context.flags |= 0x20040000  # interlaced_dct, interlaced_me
    if clip.colour is not None:
        context.color_primaries = clip.colour.primaries
        context.color_trc = clip.colour.transfer
        context.colorspace = clip.colour.matrix
        context.color_range = 2 if clip.colour.full_range else 1
    if clip.rotation or clip.hflip or clip.vflip:
        stream.set_display_rotation(clip.rotation, clip.hflip, clip.vflip)
    return stream


INTRA_ONLY = ("mjpeg", "ffv1", "gif", "apng", "png", "rawvideo", "qtrle", "huffyuv", "prores_ks")


def encoder_options(clip: Clip) -> dict[str, str]:
    """The encoder's options: quick, silent, few threads."""
    usual = {
        "libx264": {"preset": "ultrafast", "crf": "18"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"},
        "libsvtav1": {"preset": "8", "crf": "20"},
        "mpeg1video": {"qscale": "2"},
        "mpeg2video": {"b": "4M"},
        "mpeg4": {"b": "4M"},
        "mjpeg": {"b": "8M"},
    }
    options = dict(usual.get(clip.codec, {}))
    if clip.interlaced and clip.codec == "libx264":
        options["x264-params"] = "bff=1"
    if clip.codec == "libx264" and clip.bframes:
        options["x264-params"] = f"bframes={clip.bframes}:b-adapt=0"
    return options | dict(clip.options)


def ticks(clip: Clip) -> Fraction:
    """Seconds a tick of the clip's video."""
    if clip.time_base is not None:
        return clip.time_base
    return 1 / clip.fps if clip.pts is None and not clip.start_s else Fraction(1, 90000)


def pictures(clip: Clip) -> Iterator[av.VideoFrame]:
    """The clip's frames in order, with their times."""
    base = ticks(clip)
    start = round(Fraction(clip.start_s) / base)
    for index in range(clip.frames):
        frame = picture(clip, clip.first_number + index)
        pts = clip.pts[index] if clip.pts is not None else round(index / clip.fps / base)
        frame.pts = start + pts
        frame.time_base = base
        yield frame


def picture(clip: Clip, number: int) -> av.VideoFrame:
    """One frame that shows its number, in the clip's pixel format."""
    full = clip.colour is not None and clip.colour.full_range
    luma = stored_luma(clip, number)
    frame = yuv_frame(luma, clip.chroma, full or clip.pix_fmt.startswith("yuvj"))
    if clip.pix_fmt == "yuv420p":
        result = frame
    elif clip.pix_fmt.startswith("gray"):
        grey = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma), "gray")
        result = grey.reformat(format=clip.pix_fmt)
    elif clip.pix_fmt.startswith(PLANAR_YUV):
        tag = ColorRange.JPEG if frame.color_range == 2 else ColorRange.MPEG
        result = frame.reformat(format=clip.pix_fmt, src_color_range=tag, dst_color_range=tag)
    else:
        result = other_frame(frame, clip)
    if clip.colour is not None:
        result.color_primaries, result.color_trc = clip.colour.primaries, clip.colour.transfer
        result.colorspace = clip.colour.matrix
        result.color_range = 2 if clip.colour.full_range else 1
    return result


def stored_luma(clip: Clip, number: int) -> NDArray[np.uint8]:
    """uint8 (height, width) of `clip.size`: the picture as it lies in the file."""
    on_its_side = clip.rotation % 180 == 90
    luma = draw_number(number, clip.size[::-1] if on_its_side else clip.size)
    if clip.interlaced:
        draw_fields(luma, number)
    luma = luma[:, ::-1] if clip.hflip else luma
    luma = luma[::-1] if clip.vflip else luma
    return np.rot90(luma, -clip.rotation // 90)


def yuv_frame(luma: NDArray[np.uint8], chroma: tuple[int, int], full: bool) -> av.VideoFrame:
    """A yuv420p frame of one luma plane and one colour."""
    height, width = luma.shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for index, plane in enumerate(frame.planes):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = luma if index == 0 else chroma[index - 1]
        plane.update(rows.tobytes())
    frame.color_range = 2 if full else 1
    return frame


def other_frame(frame: av.VideoFrame, clip: Clip) -> av.VideoFrame:
    """The frame as RGB of some kind, with the right half as opaque as asked."""
    rgba = frame.reformat(format="rgba", src_colorspace=Colorspace.ITU601).to_ndarray()
    if clip.alpha is not None:
        rgba[:, rgba.shape[1] // 2 :, 3] = clip.alpha
    return av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format=clip.pix_fmt)


def cell_box(cell: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns that a cell covers in a picture of that size."""
    (row, column), (width, height) = cell, size
    rows = slice(row * height // ROWS, (row + 1) * height // ROWS)
    return rows, slice(column * width // COLUMNS, (column + 1) * width // COLUMNS)


def draw_number(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """uint8 (height, width): the luma of the picture with this number (below 65536)."""
    luma = np.empty((size[1], size[0]), np.uint8)
    for cell, grey in CORNERS.items():
        luma[cell_box(cell, size)] = grey
    for bit, cell in enumerate(BITS):
        luma[cell_box(cell, size)] = WHITE if number >> bit & 1 else BLACK
    return luma


def draw_fields(luma: NDArray[np.uint8], number: int) -> None:
    """Turn a bit of the number over in the top field alone."""
    rows, columns = cell_box((0, 1 + number % 3), (luma.shape[1], luma.shape[0]))
    part = luma[rows, columns]
    part[::2] = WHITE + BLACK - part[::2]


def add_sound(out: OutputContainer, sound: Sound) -> AudioStream:
    stream = out.add_stream(sound.codec, rate=sound.rate)
    assert isinstance(stream, AudioStream)
    stream.layout = "mono"
    return stream


def write_sound(out: OutputContainer, stream: AudioStream, sound: Sound, video_s: float) -> None:
    """Encode and write the whole tone."""
    length = round((video_s if sound.length_s is None else sound.length_s) * sound.rate)
    tone = np.sin(2 * np.pi * 440 * np.arange(length) / sound.rate) * 8000
    start = round(sound.start_s * sound.rate)
    for first in range(0, length, 1152):
        samples = tone[first : first + 1152].astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate = sound.rate
        frame.pts = start + first
        frame.time_base = Fraction(1, sound.rate)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


Image = Picture | NDArray[np.uint8]


def luma_of(image: Image) -> NDArray[np.float64]:
    """The brightness of a Picture, of an RGB array or of a luma plane."""
    if isinstance(image, Picture):
        image = (
            image.data
            if image.layout == "rgb"
            else image.planes()[0][: image.height, : image.width]
        )
    if image.ndim == 3:
        weights: NDArray[np.float64] = np.array([0.299, 0.587, 0.114])
        return np.asarray(image[..., :3].astype(np.float64) @ weights)
    return image.astype(np.float64)


def cell_grey(luma: NDArray[np.float64], cell: tuple[int, int]) -> float:
    """Mean of the middle of a cell."""
    rows, columns = cell_box(cell, (luma.shape[1], luma.shape[0]))
    part = luma[rows, columns]
    high, wide = part.shape
    return float(part[high // 4 : high - high // 4, wide // 4 : wide - wide // 4].mean())


def read_number(image: Image) -> int:
    """The number that an upright picture shows."""
    luma = luma_of(image)
    return sum(1 << bit for bit, cell in enumerate(BITS) if cell_grey(luma, cell) > 125)


def read_corners(image: Image) -> list[int]:
    """The grey of the four corners, clockwise from the top left; upright: 235, 180, 125, 70."""
    luma = luma_of(image)
    return [round(cell_grey(luma, cell)) for cell in CORNERS]


def is_upright(image: Image) -> bool:
    """Whether the picture is neither turned nor mirrored; a change of range is no matter."""
    corners = read_corners(image)
    return all(left > right + 20 for left, right in pairwise(corners))
