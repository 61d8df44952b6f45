"""Photos: one RGB frame, upright, whatever the file holds and is called."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from mien.contract.errors import SourceError
from mien.contract.frames import Frame, SourceInfo
from producer.addresses import parse
from producer.photo import still_or_moving
from producer.source import open_source
from tests.builders import draw_number, is_upright, make_clip, read_number

Pixels = NDArray[np.uint8]


def read(path: Path) -> tuple[SourceInfo, Frame]:
    source = open_source(str(path))
    (frame,) = source.frames()
    assert list(source.frames()) == []
    assert (source.reason, source.corrupt, source.end_ns) == ("end of file", 0, 40_000_000)
    source.close()
    return source.info, frame


def pixels(path: Path) -> Pixels:
    return read(path)[1].picture.data


def numbered(size: tuple[int, int] = (160, 120)) -> Image.Image:
    return Image.fromarray(draw_number(4711, size)).convert("RGB")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif", "a.gif"])
def test_each_format_is_one_rgb_picture(tmp_path: Path, name: str) -> None:
    numbered().save(tmp_path / name)
    info, frame = read(tmp_path / name)
    assert (info.kind, info.width, info.height, info.frame_count) == ("photo", 160, 120, 1)
    assert (info.source_fps, info.duration_ns, info.pixel_format) == (None, None, "rgb24")
    assert (frame.index, frame.pts_ns, frame.picture.layout) == (0, 0, "rgb")
    assert frame.picture.data.flags.c_contiguous
    assert frame.picture.colour.full_range
    assert read_number(frame.picture) == 4711


TRANSPOSES = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera that writes this orientation did to the upright picture."""


@pytest.mark.parametrize("orientation", TRANSPOSES)
@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_every_exif_orientation_is_obeyed(tmp_path: Path, orientation: int, form: str) -> None:
    image = numbered()
    turn = TRANSPOSES[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{form}"
    (image if turn is None else image.transpose(turn)).save(path, exif=exif)
    info, frame = read(path)
    assert (info.width, info.height) == (160, 120)
    assert is_upright(frame.picture)
    assert read_number(frame.picture) == 4711
    plain = {1: 0, 3: 180, 6: 90, 8: 270}
    assert info.rotation == plain.get(orientation, info.rotation)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[:, :2, 3] = 255
    rgba[:, 2:4, 3] = 128
    for name in ("a.png", "a.webp"):
        Image.fromarray(rgba).save(tmp_path / name, lossless=True)
        row = pixels(tmp_path / name)[0]
        assert row[0].tolist() == [200, 0, 0], name
        assert np.allclose(row[2], [227, 127, 127], atol=1), name
        assert row[5].tolist() == [255, 255, 255], name


def test_grey_with_transparency(tmp_path: Path) -> None:
    grey = np.zeros((2, 2, 2), np.uint8)
    grey[:, 0, 1] = 255
    Image.fromarray(grey, "LA").save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png")[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    assert pixels(tmp_path / "a.png")[0].tolist() == [[255, 255, 255], [200, 100, 50]]


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_few_colours_become_rgb(tmp_path: Path, mode: str) -> None:
    numbered().convert(mode).save(tmp_path / "a.png")
    assert read_number(read(tmp_path / "a.png")[1].picture) == 4711


def test_grey_of_16_bits_keeps_its_brightness(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        assert np.array_equal(pixels(tmp_path / name)[0, :, 0], np.arange(256)), name


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red = pixels(tmp_path / "a.jpg")[4, 4]
    assert red[0] > 240
    assert red[1:].max() < 20


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    for name, icc in (("plain.png", srgb), ("foreign.png", profile)):
        Image.new("RGB", (4, 4), (200, 30, 60)).save(tmp_path / name, icc_profile=icc.tobytes())
        assert np.allclose(pixels(tmp_path / name)[0, 0], [200, 30, 60], atol=2), name
    swapped = swap_primaries(srgb.tobytes())
    Image.new("RGB", (4, 4), (200, 30, 60)).save(tmp_path / "swap.png", icc_profile=swapped)
    assert np.allclose(pixels(tmp_path / "swap.png")[0, 0], [30, 200, 60], atol=3)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_colour_profile_is_applied_where_opacity_or_a_palette_is(
    tmp_path: Path, mode: str
) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    image = Image.new("RGB", (4, 4), (200, 30, 60)).convert(mode, palette=Image.Palette.ADAPTIVE)
    if mode == "RGBA":
        image.putpixel((0, 0), (200, 30, 60, 128))
    image.save(tmp_path / "a.png", icc_profile=swap_primaries(srgb.tobytes()))
    shown = pixels(tmp_path / "a.png")
    assert np.allclose(shown[3, 3], [30, 200, 60], atol=3)
    assert mode == "P" or np.allclose(shown[0, 0], [142, 227, 157], atol=3), "over white"


def swap_primaries(profile: bytes) -> bytes:
    """A profile in which red stands for green and green for red."""
    return profile.replace(b"rXYZ", b"xXYZ").replace(b"gXYZ", b"rXYZ").replace(b"xXYZ", b"gXYZ")


def test_a_broken_colour_profile_is_left_alone(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (200, 30, 60)).save(tmp_path / "a.png", icc_profile=b"nonsense")
    assert pixels(tmp_path / "a.png")[0, 0].tolist() == [200, 30, 60]


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    numbered().save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    assert read(tmp_path / "a.mp4")[0].kind == "photo"
    make_clip(tmp_path / "b.mp4", frames=3).rename(tmp_path / "b.jpg")
    source = open_source(str(tmp_path / "b.jpg"))
    assert (source.info.kind, len(list(source.frames()))) == ("video", 3)
    source.close()


def test_a_photo_with_a_second_picture_behind_it_is_a_photo(tmp_path: Path) -> None:
    numbered().save(
        tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[numbered((80, 60))]
    )
    info, frame = read(tmp_path / "a.jpg")
    assert (info.kind, info.codec, info.width) == ("photo", "jpeg", 160)
    assert read_number(frame.picture) == 4711


def png_of_size(width: int, height: int) -> bytes:
    """The beginning of a grey PNG that states a size and holds no pixel of it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize("size", [(20_000, 10_001), (100_000, 100_000)])
def test_a_photo_that_is_too_large_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "a.png").write_bytes(png_of_size(*size))
    with pytest.raises(SourceError, match=r"a\.png: its picture is too large"):
        open_source(str(tmp_path / "a.png"))


def test_a_large_photo_is_taken_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_of_size(20_000, 9_999))
    assert still_or_moving(parse(str(tmp_path / "a.png"))) == "photo"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp"])
def test_a_photo_that_was_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    memory = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(memory, Image.registered_extensions()[Path(name).suffix])
    (tmp_path / name).write_bytes(memory.getvalue()[: len(memory.getvalue()) // 2])
    with pytest.raises(SourceError, match="cannot read"):
        open_source(str(tmp_path / name))
