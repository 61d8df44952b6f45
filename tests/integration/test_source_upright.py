"""The picture stands upright and its pixels are square."""

from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type as SideDataType

from mien.contract.frames import Frame, SourceInfo
from producer.source import open_source
from producer.upright import Orientation, rotated
from tests.builders import is_upright, make_clip, read_corners, read_number

TURNS = list(product((0, 90, 180, 270), (False, True), (False, True)))


def read_all(path: Path) -> tuple[SourceInfo, list[Frame]]:
    source = open_source(str(path))
    frames = list(source.frames())
    source.close()
    return source.info, frames


@pytest.mark.parametrize(("degrees", "hflip", "vflip"), TURNS)
def test_a_turned_and_mirrored_clip_comes_out_upright(
    tmp_path: Path, degrees: int, hflip: bool, vflip: bool
) -> None:
    path = make_clip(
        tmp_path / "clip.mp4",
        frames=3,
        size=(160, 96),
        first_number=1001,
        rotation=degrees,
        hflip=hflip,
        vflip=vflip,
    )
    info, frames = read_all(path)
    assert (info.width, info.height) == ((160, 96) if degrees % 180 == 0 else (96, 160))
    assert [read_number(frame.picture) for frame in frames] == [1001, 1002, 1003]
    assert all(is_upright(frame.picture) for frame in frames)
    if not hflip and not vflip:
        assert info.rotation == -degrees % 360


def test_a_matrix_written_into_the_file_by_hand_is_obeyed(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=2)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    turned = (0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in turned)
    path.write_bytes(data)
    info, frames = read_all(path)
    assert (info.width, info.height, info.rotation) == (120, 160, 90)
    bright_first = read_corners(frames[0].picture)
    assert bright_first.index(max(bright_first)) == 1, "top left must have gone to the top right"


@pytest.mark.parametrize(("degrees", "hflip", "vflip"), TURNS)
def test_turning_is_what_numpy_makes_of_the_same_matrix(
    tmp_path: Path, degrees: int, hflip: bool, vflip: bool
) -> None:
    """Source: FFmpeg's autorotate, by the signs of the matrix."""
    path = make_clip(
        tmp_path / "clip.mp4", frames=1, rotation=degrees, hflip=hflip, vflip=vflip, chroma=(9, 200)
    )
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        image = frame.to_ndarray()[:120]
        side = frame.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
        if side is not None:
            a, b, _, c, d = np.sign(np.frombuffer(bytes(side), np.int32)[:5])
            image, sx, sy = (image.T, c, b) if a == 0 else (image, a, d)
            image = image[::sy, ::sx]
    assert np.array_equal(read_all(path)[1][0].picture.planes()[0], image)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("horizontal", "vertical"), [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_every_orientation_fills_planes_whose_rows_are_apart(
    transposed: bool, horizontal: int, vertical: int
) -> None:
    plane = np.arange(35, dtype=np.uint8).reshape(5, 7)
    expected = (plane.T if transposed else plane)[::vertical, ::horizontal]
    rows, columns = expected.shape
    out = np.zeros((rows + 2, columns + 3), np.uint8)
    Orientation(transposed, horizontal, vertical).apply(plane, out[:rows, :columns])
    assert np.array_equal(out[:rows, :columns], expected)
    assert not out[rows:].any()
    assert not out[:, columns:].any()


@pytest.mark.parametrize("degrees", [0, 90, 180, -90, -180])
def test_a_plain_rotation_is_known_without_the_matrix(degrees: int) -> None:
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    expected = np.rot90(plane, degrees // 90 % 4)
    out = np.empty(expected.shape, np.uint8)
    rotated(degrees).apply(plane, out)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("size", [(161, 121), (161, 120), (160, 121), (33, 17)])
@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_an_odd_size_stays_odd_and_its_edge_is_repeated(
    tmp_path: Path, size: tuple[int, int], degrees: int
) -> None:
    clip: dict[str, Any] = {"codec": "mjpeg", "pix_fmt": "yuvj420p", "frames": 2}
    path = make_clip(tmp_path / "clip.mov", size=size, rotation=degrees, **clip)
    info, frames = read_all(path)
    width, height = size if degrees % 180 == 0 else size[::-1]
    assert (info.width, info.height) == (width, height)
    picture = frames[1].picture
    assert (picture.width, picture.height) == (width, height)
    luma = picture.planes()[0]
    assert luma.shape == (height + height % 2, width + width % 2)
    assert np.array_equal(luma[:, -1], luma[:, width - 1])
    assert np.array_equal(luma[-1], luma[height - 1])
    assert read_number(picture) == 1
    assert is_upright(picture)


@pytest.mark.parametrize(
    ("sar", "shown"),
    [
        (Fraction(2), (320, 120)),
        (Fraction(1, 2), (160, 240)),
        (Fraction(4, 3), (214, 120)),
        (Fraction(16, 15), (170, 120)),
        (Fraction(1), (160, 120)),
    ],
)
def test_pixels_become_square_and_none_is_lost(
    tmp_path: Path, sar: Fraction, shown: tuple[int, int]
) -> None:
    info, frames = read_all(make_clip(tmp_path / "clip.mp4", frames=3, sar=sar))
    assert (info.width, info.height) == shown
    assert [read_number(frame.picture) for frame in frames] == [0, 1, 2]


def test_a_turned_clip_is_widened_before_it_is_turned(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=2, sar=Fraction(2), rotation=90, size=(80, 120))
    info, frames = read_all(path)
    assert (info.width, info.height) == (120, 160)
    assert read_number(frames[1].picture) == 1


def test_a_mad_aspect_is_taken_for_square(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", frames=1, codec="ffv1", sar=Fraction(200))
    assert read_all(path)[0].width == 160


def test_frames_of_another_size_are_fitted_into_the_first(tmp_path: Path) -> None:
    parts = [
        make_clip(tmp_path / "a.h264", frames=5),
        make_clip(tmp_path / "b.h264", frames=5, first_number=5, size=(320, 120)),
        make_clip(tmp_path / "c.h264", frames=5, first_number=10, size=(80, 120)),
    ]
    path = tmp_path / "all.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    _, frames = read_all(path)
    assert {(f.picture.width, f.picture.height) for f in frames} == {(160, 120)}
    assert len(frames) == 15
    wide = frames[7].picture.planes()[0]
    assert (wide[:28] == 16).all()
    assert (wide[-28:] == 16).all()
    assert read_number(wide[30:90]) == 7
    tall = frames[12].picture.planes()[0]
    assert (tall[:, :38] == 16).all()
    assert (tall[:, -38:] == 16).all()
    assert read_number(tall[:, 40:120]) == 12
    assert all(later.pts_ns > sooner.pts_ns for sooner, later in pairwise(frames))


WIDE = Fraction(64, 45)
"""A pixel of 16:9 in standard definition; one of 4:3 is 16:15."""


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_pixels_of_another_shape_are_fitted_from_their_first_frame_on(
    tmp_path: Path, codec: str, interlaced: bool
) -> None:
    path = tmp_path / "all.ts"
    with path.open("wb") as out:
        for number, sar in enumerate((Fraction(16, 15), WIDE, Fraction(16, 15))):
            part = make_clip(
                tmp_path / "part.ts", frames=10, first_number=10 * number, size=(720, 576),
                codec=codec, sar=sar, bframes=2, interlaced=interlaced,
            )  # fmt: skip
            out.write(part.read_bytes())
    _, frames = read_all(path)
    assert {(f.picture.width, f.picture.height) for f in frames} == {(768, 576)}
    lumas = [frame.picture.planes()[0] for frame in frames]
    bars = [bool((luma[:72] == 16).all() and (luma[-72:] == 16).all()) for luma in lumas]
    assert bars == [10 <= number < 20 for number in range(30)]
    if not interlaced:
        shown = [luma[72:-72] if barred else luma for luma, barred in zip(lumas, bars, strict=True)]
        assert [read_number(luma) for luma in shown] == list(range(30))


def test_a_frame_of_another_size_has_an_aspect_of_its_own(tmp_path: Path) -> None:
    parts = [
        make_clip(tmp_path / "a.ts", frames=10, sar=Fraction(4, 3), size=(120, 120)),
        make_clip(tmp_path / "b.ts", frames=10, first_number=10),
    ]
    path = tmp_path / "all.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    _, frames = read_all(path)
    assert [read_number(frame.picture) for frame in frames] == list(range(20))
    assert not any((frame.picture.planes()[0][0] == 16).all() for frame in frames), "no bars"


def test_what_the_container_says_of_pixels_is_obeyed(tmp_path: Path) -> None:
    plain, path = make_clip(tmp_path / "plain.mp4", frames=3), tmp_path / "a.mp4"
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    info, frames = read_all(path)
    assert (info.width, info.height) == (320, 120)
    assert [read_number(frame.picture) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.ts", "mpeg2video")])
def test_interlaced_frames_are_made_whole_at_their_own_times(
    tmp_path: Path, name: str, codec: str
) -> None:
    path = make_clip(tmp_path / name, frames=20, codec=codec, interlaced=True)
    with av.open(str(path)) as container:
        woven = next(container.decode(video=0))
        assert woven.interlaced_frame
        assert read_number(woven.to_ndarray()[:120].astype(np.uint8)) != 0, (
            "the second field must be wrong"
        )
    _, frames = read_all(path)
    assert [read_number(frame.picture) for frame in frames] == list(range(20))
    assert [frame.pts_ns for frame in frames] == [index * 40_000_000 for index in range(20)]


def test_one_interlaced_frame_alone_comes_out(tmp_path: Path) -> None:
    _, frames = read_all(make_clip(tmp_path / "a.mp4", frames=1, interlaced=True))
    assert len(frames) == 1


def test_an_interlaced_clip_that_lies_on_its_side_is_turned_too(tmp_path: Path) -> None:
    info, frames = read_all(make_clip(tmp_path / "a.mp4", frames=3, interlaced=True, rotation=180))
    assert info.rotation == 180
    assert is_upright(frames[2].picture)
