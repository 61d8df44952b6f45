"""Damaged sources: what decodes is given, what does not is counted, and nothing hangs."""

import random
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.contract.errors import SourceError
from mien.contract.frames import Frame
from producer.completeness import SEGMENT, is_cut_off
from producer.source import Source, open_source
from tests.builders import Sound, make_clip, read_number


def read_all(path: Path) -> tuple[list[Frame], Source]:
    source = open_source(str(path))
    frames = list(source.frames())
    source.close()
    assert all(later.pts_ns > sooner.pts_ns for sooner, later in pairwise(frames))
    return frames, source


def cut(path: Path, part: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * part)])


def scramble(path: Path, first: float, last: float) -> None:
    data = bytearray(path.read_bytes())
    noise = random.Random(1)
    for at in range(round(len(data) * first), round(len(data) * last)):
        data[at] = noise.randrange(256)
    path.write_bytes(data)


FRONT = {"container_options": {"movflags": "faststart"}}
PIECES = {"container_options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}}


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("clip.mp4", FRONT),
        ("pieces.mp4", PIECES),
        ("clip.mkv", {}),
        ("clip.webm", {"codec": "libvpx-vp9"}),
        ("clip.avi", {"codec": "mpeg4"}),
        ("clip.flv", {}),
    ],
)
def test_a_file_that_was_cut_off_gives_what_is_there_and_says_so(
    tmp_path: Path, name: str, clip: dict[str, Any]
) -> None:
    path = make_clip(tmp_path / name, frames=60, **clip)
    whole, source = read_all(path)
    assert (len(whole), source.reason, source.corrupt) == (60, "end of file", 0)
    cut(path, 0.6)
    frames, source = read_all(path)
    assert 10 < len(frames) < 60
    assert source.reason == "damaged"
    numbers = [read_number(frame.picture) for frame in frames[:-1]]
    assert numbers == list(range(len(numbers)))
    assert source.end_ns == len(frames) * 40_000_000


@pytest.mark.parametrize("name", ["clip.ts", "clip.h264", "clip.mpg"])
def test_a_stream_that_was_cut_off_gives_what_is_there(tmp_path: Path, name: str) -> None:
    codec = "mpeg1video" if name == "clip.mpg" else "libx264"
    path = make_clip(tmp_path / name, frames=60, codec=codec)
    cut(path, 0.6)
    frames, _ = read_all(path)
    assert 10 < len(frames) < 60


def test_a_file_without_its_index_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=60)
    cut(path, 0.6)
    with pytest.raises(SourceError, match="no video or picture that can be read"):
        open_source(str(path))


def test_damage_in_the_middle_costs_only_what_is_damaged(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=60, **FRONT)
    scramble(path, 0.4, 0.6)
    frames, source = read_all(path)
    assert source.corrupt > 0
    assert len(frames) + source.corrupt == 60, "every packet is a frame or is counted"
    assert read_number(frames[-1].picture) == 59
    assert read_number(frames[5].picture) == 5
    assert source.end_ns == 2_400_000_000
    assert source.reason == "end of file"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("clip.mkv", "libx264"),
        ("clip.ts", "libx264"),
        ("clip.flv", "libx264"),
        ("clip.h264", "libx264"),
        ("clip.mp4", "libx265"),
        ("clip.webm", "libvpx-vp9"),
        ("clip.avi", "mjpeg"),
        ("clip.mpg", "mpeg1video"),
        ("clip.gif", "gif"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_no_damage_hangs_or_kills(tmp_path: Path, name: str, codec: str, seed: int) -> None:
    pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
    path = make_clip(tmp_path / name, frames=30, codec=codec, pix_fmt=pix_fmt, audio=None)
    data = bytearray(path.read_bytes())
    noise = random.Random(seed)
    for _ in range(30):
        data[noise.randrange(200, len(data))] = noise.randrange(256)
    path.write_bytes(data)
    try:
        frames, source = read_all(path)
    except SourceError:
        return
    assert 0 < len(frames) <= 60
    assert source.reason in ("end of file", "damaged")


def test_noise_is_no_video(tmp_path: Path) -> None:
    for name in ("noise.mp4", "noise.jpg", "noise", "noise.ts"):
        path = tmp_path / name
        path.write_bytes(np.random.default_rng(1).bytes(100_000))
        with pytest.raises(SourceError, match="cannot read"):
            open_source(str(path))


def test_a_header_without_a_frame_holds_no_picture(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", frames=30)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])
    with pytest.raises(SourceError, match="cannot read"):
        open_source(str(path))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.webm", "a.mov", "a.ts"])
def test_a_whole_file_is_not_called_cut_off(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name == "a.webm" else "libx264"
    sound = Sound(codec="libopus") if name == "a.webm" else Sound()
    path = make_clip(tmp_path / name, frames=10, codec=codec, audio=sound)
    assert not is_cut_off(path)
    assert read_all(path)[1].reason == "end of file"


@pytest.mark.parametrize("sound", [None, Sound(start_s=599)], ids=["silent", "heard"])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
def test_a_whole_file_may_start_anywhere(tmp_path: Path, name: str, sound: Sound | None) -> None:
    _, source = read_all(make_clip(tmp_path / name, frames=60, start_s=600, audio=sound))
    assert source.reason == "end of file"
    assert source.info.duration_ns is not None
    early_ns = 0 if name != "a.mkv" else source.info.first_pts_ns  # it tells that of the whole
    assert abs(source.info.duration_ns - early_ns - 2_400_000_000) < 100_000_000


@pytest.mark.parametrize("start_s", [0, 600])
def test_a_matroska_file_of_unknown_size_is_cut_off_by_its_length(
    tmp_path: Path, start_s: int
) -> None:
    path = make_clip(tmp_path / "a.mkv", frames=100, start_s=start_s)
    data = path.read_bytes()
    at = data.index(SEGMENT) + len(SEGMENT)
    path.write_bytes(data[:at] + b"\x01" + b"\xff" * 7 + data[at + 8 :])
    assert read_all(path)[1].reason == "end of file"
    cut(path, 0.6)
    assert not is_cut_off(path)
    assert read_all(path)[1].reason == "damaged"


PAUSE = [3600 * index + (900_000 if index >= 30 else 0) for index in range(60)]
UNEVEN = list(accumulate([0, *random.Random(5).choices([1500, 3003, 3600, 9000, 36000], k=59)]))


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("pts", [None, PAUSE, UNEVEN], ids=["even", "pause", "uneven"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.ts", "a.m2ts", "a.flv"])
def test_a_pause_or_an_uneven_rate_is_no_damage(
    tmp_path: Path, name: str, pts: list[int] | None, bframes: int
) -> None:
    vp9 = {"codec": "libvpx-vp9"} if name == "a.webm" else {"bframes": bframes}
    frames, source = read_all(make_clip(tmp_path / name, frames=60, pts=pts, **vp9))
    assert (len(frames), source.reason, source.missing_ns) == (60, "end of file", 0)


def test_a_file_that_is_deleted_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", frames=30)
    source = open_source(str(path))
    path.unlink()
    assert len(list(source.frames())) == 30
    assert source.reason == "end of file"
    source.close()


def test_sound_that_outlasts_the_video_is_no_damage(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", frames=10, audio=Sound(length_s=5))
    assert read_all(path)[1].reason == "end of file"


def test_closing_in_the_middle_is_clean(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", frames=30)
    source = open_source(str(path))
    frames = source.frames()
    for _ in range(5):
        next(frames)
    source.close()
    source.close()
    assert source.end_ns == 5 * 40_000_000
