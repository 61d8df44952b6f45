"""Sample values and colour tags stay what the source says."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from mien.contract.frames import Frame, SourceInfo
from mien.contract.pictures import Colour
from producer.source import open_source
from tests.builders import is_upright, make_clip, read_corners, read_number

CHROMA = (90, 170)
TRUE_CORNERS = [235, 180, 125, 70]


def read_all(path: Path) -> tuple[SourceInfo, list[Frame]]:
    source = open_source(str(path))
    frames = list(source.frames())
    source.close()
    return source.info, frames


def read_colour(frame: Frame) -> tuple[int, int]:
    _, blue, red = frame.picture.planes()
    return round(float(blue.mean())), round(float(red.mean()))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    "pix_fmt",
    ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p12le", "yuv410p", "yuv411p"],
)
def test_every_kind_of_yuv_keeps_its_values(tmp_path: Path, pix_fmt: str, full: bool) -> None:
    clip: dict[str, Any] = {"codec": "ffv1", "pix_fmt": pix_fmt, "chroma": CHROMA}
    path = make_clip(tmp_path / "clip.mkv", frames=3, colour=Colour(1, 1, 1, full), **clip)
    info, frames = read_all(path)
    assert info.pixel_format == pix_fmt
    assert info.colour.full_range is full
    assert np.allclose(read_corners(frames[0].picture), TRUE_CORNERS, atol=1)
    assert np.allclose(read_colour(frames[0]), CHROMA, atol=1)
    assert [read_number(frame.picture) for frame in frames] == [0, 1, 2]


def test_nv12_keeps_its_values(tmp_path: Path) -> None:
    clip: dict[str, Any] = {"codec": "rawvideo", "pix_fmt": "nv12", "chroma": CHROMA}
    info, frames = read_all(make_clip(tmp_path / "clip.nut", frames=1, **clip))
    assert info.pixel_format == "nv12"
    assert read_corners(frames[0].picture) == TRUE_CORNERS
    assert read_colour(frames[0]) == CHROMA


@pytest.mark.parametrize(
    "colour",
    [
        Colour(1, 1, 1, False),
        Colour(5, 6, 5, False),
        Colour(6, 6, 6, True),
        Colour(9, 14, 9, False),
    ],
)
def test_tags_are_carried(tmp_path: Path, colour: Colour) -> None:
    info, frames = read_all(make_clip(tmp_path / "clip.mp4", frames=2, colour=colour))
    assert info.colour == colour
    assert {frame.picture.colour for frame in frames} == {colour}


def test_a_clip_without_tags_has_none(tmp_path: Path) -> None:
    assert read_all(make_clip(tmp_path / "clip.mp4", frames=1))[0].colour == Colour()


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_keeps_its_tags_in_8_bits(tmp_path: Path, transfer: int) -> None:
    colour = Colour(9, transfer, 9, False)
    path = make_clip(
        tmp_path / "clip.mp4", frames=2, codec="libx265", pix_fmt="yuv420p10le", colour=colour
    )
    info, frames = read_all(path)
    assert (info.colour, info.pixel_format) == (colour, "yuv420p10le")
    assert frames[0].picture.data.dtype == np.uint8
    assert np.allclose(read_corners(frames[0].picture), TRUE_CORNERS, atol=3)


def test_mjpeg_is_full_range(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.avi", frames=1, codec="mjpeg", pix_fmt="yuvj422p")
    info, frames = read_all(path)
    assert info.colour.full_range
    assert np.allclose(read_corners(frames[0].picture), TRUE_CORNERS, atol=3)


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray16le"])
def test_grey_is_full_range_and_without_colour(tmp_path: Path, pix_fmt: str) -> None:
    path = make_clip(tmp_path / "a.mkv", frames=2, codec="ffv1", pix_fmt=pix_fmt)
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="gray").astype(np.uint8)
    info, frames = read_all(path)
    assert info.colour == Colour(full_range=True)
    assert np.allclose(read_corners(frames[0].picture), read_corners(stored), atol=1)
    assert read_colour(frames[0]) == (128, 128)


def test_grey_that_is_tagged_limited_stays_so(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "a.mkv", frames=1, codec="ffv1", pix_fmt="gray", colour=Colour(2, 2, 2, False)
    )
    info, frames = read_all(path)
    assert not info.colour.full_range
    assert np.allclose(read_corners(frames[0].picture), TRUE_CORNERS, atol=1)


def solid(path: Path, rgb: tuple[int, ...], size: tuple[int, int], pix_fmt: str) -> Path:
    """A clip of one colour, losslessly."""
    with av.open(str(path), "w") as out:
        codec = {".gif": "gif", ".avi": "rawvideo"}.get(path.suffix, "ffv1")
        stream: Any = out.add_stream(codec, rate=10)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        pixels = np.full((size[1], size[0], len(rgb)), rgb, np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, "rgba" if len(rgb) == 4 else "rgb24")
        for index in range(2):
            shown = frame.reformat(format=pix_fmt)
            shown.pts = index
            out.mux(stream.encode(shown))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("size", "matrix", "expected"),
    [((64, 48), 6, (81, 90, 240)), ((64, 720), 1, (63, 102, 240))],
)
@pytest.mark.parametrize("pix_fmt", ["bgr0", "gbrp10le"])
def test_rgb_becomes_yuv_by_the_matrix_of_its_height(
    tmp_path: Path, size: tuple[int, int], matrix: int, expected: tuple[int, ...], pix_fmt: str
) -> None:
    """Source: BT.601-7 and BT.709-6, 8-bit, pure red."""
    info, frames = read_all(solid(tmp_path / "red.mkv", (255, 0, 0), size, pix_fmt))
    assert (info.colour.matrix, info.colour.full_range) == (matrix, False)
    values = [round(float(plane.mean())) for plane in frames[0].picture.planes()]
    assert np.allclose(values, expected, atol=1)


def test_rgb_in_h264_is_not_taken_for_yuv(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", frames=2, codec="libx264rgb", pix_fmt="rgb24")
    info, frames = read_all(path)
    assert (info.pixel_format, info.colour.matrix) == ("gbrp", 6)
    assert np.allclose(read_corners(frames[1].picture), TRUE_CORNERS, atol=4)


def test_a_gif_keeps_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    images = [Image.new("RGB", (32, 32), (0, 0, 255 - index)) for index in range(3)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    _, frames = read_all(path)
    values = [round(float(plane.mean())) for plane in frames[0].picture.planes()]
    assert np.allclose(values, (41, 240, 110), atol=2)


def test_rgb_that_lies_bottom_up_in_an_avi_stands_upright(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.avi", frames=2, codec="rawvideo", pix_fmt="bgr24")
    _, frames = read_all(path)
    assert is_upright(frames[1].picture)
    assert read_number(frames[1].picture) == 1


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "white"),
    [("bgra", "ffv1", 235), ("yuva420p", "ffv1", 235), ("yuva444p10le", "ffv1", 235)],
)
def test_what_is_half_transparent_is_half_black(
    tmp_path: Path, pix_fmt: str, codec: str, white: int
) -> None:
    settings: dict[str, Any] = {"codec": codec, "pix_fmt": "bgra", "alpha": 128}
    path = make_clip(tmp_path / "a.mkv", frames=1, **settings)
    if pix_fmt != "bgra":
        path = recode(path, tmp_path / "b.mkv", pix_fmt)
    info, frames = read_all(path)
    corners = read_corners(frames[0].picture)
    assert info.pixel_format == pix_fmt
    assert np.allclose(corners[0], white, atol=3), "the left half is opaque"
    assert np.allclose(corners[1], 16 + (180 - 16) / 2, atol=3), "the right half is not"


def recode(path: Path, target: Path, pix_fmt: str) -> Path:
    """The same pictures in another pixel format, losslessly."""
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height = 160, 120
        stream.pix_fmt = pix_fmt
        for frame in source.decode(video=0):
            out.mux(stream.encode(frame.reformat(format=pix_fmt)))
        out.mux(stream.encode(None))
    return target
