"""Small files whose headers promise pictures of absurd size."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.builders import make_clip

SMALL = (64, 48)


def saved(form: str, **options: object) -> bytearray:
    """A small picture file."""
    file = io.BytesIO()
    Image.new("RGB", SMALL).save(file, form, **options)
    return bytearray(file.getvalue())


def png(width: int, height: int, bits: int, rows: bytes) -> bytes:
    """A grey PNG that says this of itself; `rows` is its compressed content."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def big_png(path: Path) -> None:
    path.write_bytes(png(50_000, 50_000, 8, zlib.compress(bytes(1000))))


def all_of_a_png(path: Path) -> None:
    """One that is no lie: 900 million black points in 110 kB."""
    packer, row = zlib.compressobj(), bytes(1 + 30_000 // 8)
    rows = b"".join(packer.compress(row * 100) for _ in range(300)) + packer.flush()
    path.write_bytes(png(30_000, 30_000, 1, rows))


def big_jpeg(path: Path) -> None:
    data = saved("JPEG")
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    path.write_bytes(data)


def big_bmp(path: Path) -> None:
    data = saved("BMP")
    data[18:26] = struct.pack("<ii", 60_000, 60_000)
    path.write_bytes(data)


def big_tiff(path: Path) -> None:
    data = bytes(saved("TIFF"))
    for tag, old in ((256, SMALL[0]), (257, SMALL[1])):
        data = data.replace(
            struct.pack("<HHII", tag, 4, 1, old), struct.pack("<HHII", tag, 4, 1, 60_000)
        )
    path.write_bytes(data)


def big_gif(path: Path) -> None:
    make_clip(path, frames=3, size=SMALL, codec="gif", pix_fmt="rgb8", format="gif")
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 65_535, 65_535)
    path.write_bytes(data)


def big_moving_webp(path: Path) -> None:
    others = [Image.new("RGB", SMALL, "red"), Image.new("RGB", SMALL, "blue")]
    data = saved("WEBP", save_all=True, append_images=others)
    at = data.index(b"VP8X") + 12
    data[at : at + 6] = (16_383).to_bytes(3, "little") * 2
    path.write_bytes(data)


def ivf(payload: bytes, width: int, height: int) -> bytes:
    """One VP8 frame in the plainest container."""
    head = struct.pack("<HH4sHHIIII", 0, 32, b"VP80", width, height, 25, 1, 1, 0)
    return b"DKIF" + head + struct.pack("<IQ", len(payload), 0) + payload


def big_vp8(path: Path) -> None:
    frame = b"\x10\0\0\x9d\1\x2a" + struct.pack("<HH", 16_383, 16_383) + bytes(200)
    path.write_bytes(ivf(frame, 16_383, 16_383))


def big_vp8_in_a_small_file(path: Path) -> None:
    frame = b"\x10\0\0\x9d\1\x2a" + struct.pack("<HH", 16_383, 16_383) + bytes(200)
    path.write_bytes(ivf(frame, *SMALL))


def big_ivf(path: Path) -> None:
    path.write_bytes(ivf(bytes(100), 30_000, 30_000))


def big_vp9(path: Path) -> None:
    """Of a real clip, all key frames say that they are larger.

    Source: VP9 bitstream specification, section 6.2: the size stands 36 bits after the start.
    """
    make_clip(path, frames=3, size=SMALL, codec="libvpx-vp9", gop=1, format="webm")
    data = path.read_bytes()
    sync = b"\x49\x83\x42"
    parts = data.split(sync)
    assert len(parts) > 2
    changed = [bytes([part[0] & 0xF0 | 0xF]) + b"\xff\xff\xff" + part[4:] for part in parts[1:]]
    path.write_bytes(sync.join([parts[0], *changed]))


def big_mkv(path: Path) -> None:
    """Lossless, so that the size stands in the container alone."""
    make_clip(path, frames=3, size=(300, 260), codec="ffv1", format="matroska")
    data = path.read_bytes()
    for old in (b"\xb0\x82\x01\x2c", b"\xba\x82\x01\x04"):
        assert data.count(old) == 1
        data = data.replace(old, old[:2] + struct.pack(">H", 30_000))
    path.write_bytes(data)


def big_mp4(path: Path) -> None:
    """The container and every picture in it, JPEGs, say so."""
    make_clip(path, frames=3, size=SMALL, codec="mjpeg", pix_fmt="yuvj420p", format="mov")
    data = bytearray(path.read_bytes())
    at = data.index(b"jpeg", data.index(b"stsd")) + 28
    assert data[at : at + 4] == struct.pack(">HH", *SMALL)
    data[at : at + 4] = struct.pack(">HH", 30_000, 30_000)
    for start in range(len(data) - 9):
        if data[start : start + 4] == b"\xff\xc0\0\x11":
            data[start + 5 : start + 9] = struct.pack(">HH", 30_000, 30_000)
    path.write_bytes(data)


class Bits:
    """Writes numbers of any width, most significant bit first."""

    def __init__(self) -> None:
        self._text = ""

    def fixed(self, value: int, width: int) -> None:
        self._text += f"{value:0{width}b}"

    def golomb(self, *values: int) -> None:
        """Source: ISO/IEC 14496-10, section 9.1."""
        for value in values:
            code = f"{value + 1:b}"
            self._text += "0" * (len(code) - 1) + code

    def data(self) -> bytes:
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def big_h264(path: Path) -> None:
    """A real clip whose sequence header is another: 1875 x 1875 blocks of 16 pixels.

    Source: ISO/IEC 14496-10, section 7.3.2.1.
    """
    make_clip(path, frames=10, size=SMALL, format="h264")
    header = Bits()
    header.golomb(0, 0, 2, 1)  # id, frame numbers, order, reference frames
    header.fixed(0, 1)
    header.golomb(1874, 1874)
    header.fixed(0b11000, 5)  # frames only, no cropping, no further words
    sequence = b"\0\0\0\1\x67" + bytes([66, 0, 62]) + header.data()
    data = path.read_bytes()
    start = data.index(b"\0\0\0\1\x67")
    end = data.index(b"\0\0\0\1", start + 4)
    path.write_bytes(data[:start] + sequence + data[end:])


BOMBS: tuple[Callable[[Path], None], ...] = (
    big_png, all_of_a_png, big_jpeg, big_bmp, big_tiff, big_gif, big_moving_webp, big_vp8,
    big_vp8_in_a_small_file, big_ivf, big_vp9, big_mkv, big_mp4, big_h264,
)  # fmt: skip
