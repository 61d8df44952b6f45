"""Small real files of many kinds, and ways to damage them, for the fuzz test."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from PIL import Image

from tests.builders import Sound, draw_number, make_clip

SMALL: Mapping[str, Any] = {"frames": 8, "size": (64, 48), "gop": 4}
FRONT = {"movflags": "faststart"}
PIECES = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}

CLIPS: Mapping[str, Mapping[str, Any]] = {
    "sound.mp4": {"audio": Sound(), "bframes": 1},
    "front.mp4": {"container_options": FRONT},
    "pieces.mp4": {"container_options": PIECES},
    "turned.mov": {"rotation": 90, "audio": Sound()},
    "clip.mkv": {"audio": Sound()},
    "clip.webm": {"codec": "libvpx-vp9", "audio": Sound("libopus")},
    "old.webm": {"codec": "libvpx", "audio": Sound("libopus")},
    "clip.ts": {"audio": Sound("mp2")},
    "clip.mpg": {"codec": "mpeg2video", "audio": Sound("mp2")},
    "clip.avi": {"codec": "mpeg4", "audio": Sound("libmp3lame")},
    "jpegs.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "clip.flv": {"audio": Sound()},
    "clip.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "clip.h264": {},
    "lossless.mkv": {"codec": "ffv1"},
    "wide.mp4": {"codec": "libx265"},
}
"""Videos by name."""

PHOTOS = ("photo.png", "photo.jpg", "photo.webp", "photo.gif", "photo.bmp", "photo.tif")
PLAYLISTS = ("list.m3u8", "list.ffconcat")
MOVING = ("moving.webp", "moving.png")

NAMES = (*CLIPS, *PHOTOS, *MOVING, *PLAYLISTS)


def make_seeds(folder: Path) -> dict[str, bytes]:
    """The whole files by name; playlists name `part.ts`, which is among them."""
    for name, settings in CLIPS.items():
        make_clip(folder / name, **{**SMALL, **settings})
    make_clip(folder / "part.ts", **SMALL)
    pictures = [Image.fromarray(draw_number(n, (64, 48))).convert("RGB") for n in range(4)]
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in PHOTOS:
        if name.endswith(("gif", "bmp")):
            pictures[0].save(folder / name)
        else:
            pictures[0].save(folder / name, exif=exif)
    for name in MOVING:
        pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], duration=40)
    (folder / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.32,\npart.ts\n#EXTINF:0.32,\npart.ts\n"
        "#EXT-X-ENDLIST\n"
    )
    (folder / "list.ffconcat").write_text("ffconcat version 1.0\nfile part.ts\nduration 0.32\n")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WIDE = (*EXTREMES, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

Damage = Callable[[bytearray, bytes], None]
"""Changes a file's bytes in place; may take some of another file's."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file, whatever its length: near the front, near the back or anywhere."""

    anchor: str
    offset: int
    share: float

    def __call__(self, data: bytearray) -> int:
        last = max(0, len(data) - 1)
        if self.anchor == "front":
            return min(self.offset, last)
        if self.anchor == "back":
            return max(0, last - self.offset)
        return round(last * self.share)


PLACES = st.builds(
    Place,
    st.sampled_from(["front", "back", "any", "any"]),
    st.integers(0, 1500),
    st.floats(0, 1, allow_nan=False),
)
LENGTHS = st.sampled_from([1, 2, 4, 8, 32, 188, 500, 3000])


def flip(place: Place, bit: int) -> Damage:
    def damage(data: bytearray, other: bytes) -> None:
        if data:
            data[place(data)] ^= 1 << bit

    return damage


def overwrite(place: Place, number: int, code: str) -> Damage:
    """Put an extreme number where a length, a size or a time may stand."""

    def damage(data: bytearray, other: bytes) -> None:
        width = struct.calcsize(code)
        at = place(data)
        data[at : at + width] = struct.pack(code, number & ((1 << 8 * width) - 1))

    return damage


def insert(place: Place, some: bytes) -> Damage:
    def damage(data: bytearray, other: bytes) -> None:
        at = place(data)
        data[at:at] = some

    return damage


def delete(place: Place, length: int) -> Damage:
    def damage(data: bytearray, other: bytes) -> None:
        at = place(data)
        del data[at : at + length]

    return damage


def truncate(place: Place) -> Damage:
    def damage(data: bytearray, other: bytes) -> None:
        del data[place(data) :]

    return damage


def repeat(place: Place, length: int, times: int) -> Damage:
    def damage(data: bytearray, other: bytes) -> None:
        at = place(data)
        data[at:at] = data[at : at + length] * times

    return damage


def splice(place: Place, start: Place, length: int) -> Damage:
    """Overwrite with a part of another file."""

    def damage(data: bytearray, other: bytes) -> None:
        at, begin = place(data), start(bytearray(other))
        part = other[begin : begin + length]
        data[at : at + len(part)] = part

    return damage


DAMAGES = st.one_of(
    st.builds(flip, PLACES, st.integers(0, 7)),
    st.builds(overwrite, PLACES, st.sampled_from(WIDE), st.sampled_from([">B", ">H", ">I", ">Q"])),
    st.builds(overwrite, PLACES, st.sampled_from(WIDE), st.sampled_from(["<H", "<I", "<Q"])),
    st.builds(insert, PLACES, st.binary(min_size=1, max_size=40)),
    st.builds(delete, PLACES, LENGTHS),
    st.builds(truncate, PLACES),
    st.builds(repeat, PLACES, LENGTHS, st.sampled_from([1, 2, 50])),
    st.builds(splice, PLACES, PLACES, LENGTHS),
)


def damaged(whole: bytes, other: bytes, damages: list[Damage]) -> bytes:
    """A file after all of its accidents, one after the other."""
    data = bytearray(whole)
    for damage in damages:
        damage(data, other)
    return bytes(data)
