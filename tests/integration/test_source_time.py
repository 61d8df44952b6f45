"""Times are the source's own, exact, and always increase."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from mien.contract.frames import Frame, SourceInfo
from producer.source import Source, open_source
from tests.builders import Sound, make_clip, read_number
from tests.restamping import VIDEO, restamp

TICK = Fraction(1, 90000)


def read_all(path: Path) -> tuple[SourceInfo, list[Frame], Source]:
    source = open_source(str(path))
    frames = list(source.frames())
    source.close()
    return source.info, frames, source


def ns(ticks: int) -> int:
    return round(ticks * TICK * 10**9)


def test_a_variable_rate_is_kept_to_the_nanosecond(tmp_path: Path) -> None:
    pts = [0, 3003, 9001, 9002, 90000, 91000]
    _, frames, source = read_all(make_clip(tmp_path / "clip.mp4", frames=6, pts=pts))
    assert [frame.pts_ns for frame in frames] == [ns(ticks) for ticks in pts]
    assert source.end_ns > frames[-1].pts_ns


def test_a_gap_of_a_minute_is_kept(tmp_path: Path) -> None:
    pts = [0, 3600, 3600 + 60 * 90000, 7200 + 60 * 90000]
    for name in ("clip.mp4", "clip.mkv", "clip.ts"):
        _, frames, _ = read_all(make_clip(tmp_path / name, frames=4, pts=pts))
        assert [frame.pts_ns for frame in frames] == [
            0,
            40_000_000,
            60_040_000_000,
            60_080_000_000,
        ], name


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.mov"])
def test_a_video_that_starts_after_its_sound_says_by_how_much(tmp_path: Path, name: str) -> None:
    path = make_clip(tmp_path / name, frames=10, start_s=0.834, audio=Sound(length_s=2))
    with av.open(str(path)) as container:
        sound: Any = container.streams.audio[0]
        # The priming of AAC lies before the start, and containers differ in counting it.
        early_s = min(Fraction(0), Fraction(container.start_time or 0, 10**6))
        assert sound.start_time is not None
        sound_s = sound.start_time * sound.time_base if name == "clip.ts" else early_s
    info, frames, _ = read_all(path)
    with av.open(str(path)) as container:
        first: Any = next(container.decode(video=0))
        expected = round((first.pts * first.time_base - sound_s) * 10**9)
    assert info.first_pts_ns == expected
    assert abs(info.first_pts_ns - 834_000_000) < 45_000_000
    assert [frame.pts_ns for frame in frames][:3] == [0, 40_000_000, 80_000_000]


def test_a_video_alone_starts_at_nought_wherever_it_starts(tmp_path: Path) -> None:
    info, frames, _ = read_all(make_clip(tmp_path / "clip.ts", frames=3, start_s=77.7))
    assert (info.first_pts_ns, frames[0].pts_ns) == (0, 0)


@pytest.mark.parametrize("lead_s", [0.2, 0.5])
def test_a_transport_stream_whose_clock_wraps_goes_on(tmp_path: Path, lead_s: float) -> None:
    path = make_clip(tmp_path / "wrap.ts", frames=30, start_s=2**33 / 90000 - lead_s, bframes=2)
    with av.open(str(path), options={"correct_ts_overflow": "0"}) as container:
        stamps = [packet.dts for packet in container.demux(video=0) if packet.dts is not None]
        assert any(later < sooner for sooner, later in pairwise(stamps)), "it must wrap"
    _, frames, source = read_all(path)
    assert [frame.pts_ns for frame in frames] == [index * 40_000_000 for index in range(30)]
    assert source.end_ns == 1_200_000_000


def test_two_transport_streams_in_one_file_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "joined.ts"
    parts = [
        make_clip(tmp_path / f"{start}.ts", frames=50, first_number=first, start_s=start)
        for start, first in ((500.0, 0), (3.0, 50))
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    _, frames, source = read_all(path)
    assert [read_number(frame.picture) for frame in frames] == list(range(100))
    assert all(later.pts_ns > sooner.pts_ns for sooner, later in pairwise(frames))
    assert 3_900_000_000 < source.end_ns < 5_100_000_000


def test_bare_h264_has_no_times_and_gets_its_rate(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.h264", frames=20, bframes=2, fps=Fraction(30))
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).pts is None
    info, frames, source = read_all(path)
    assert info.source_fps is not None
    step = 1 / info.source_fps
    assert [read_number(frame.picture) for frame in frames] == list(range(20))
    assert [frame.pts_ns for frame in frames] == [round(i * step * 10**9) for i in range(20)]
    assert source.end_ns == round(20 * step * 10**9)


def test_h264_with_b_frames_in_an_avi_comes_in_order(tmp_path: Path) -> None:
    _, frames, _ = read_all(make_clip(tmp_path / "clip.avi", frames=20, bframes=2))
    assert [read_number(frame.picture) for frame in frames] == list(range(20))
    steps = [later.pts_ns - sooner.pts_ns for sooner, later in pairwise(frames)]
    assert set(steps) == {40_000_000}


def write_stamps(path: Path, stamps: list[int]) -> Path:
    """A file of bare pictures, each a packet with just the stamp given, in milliseconds."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as out:
        stream: Any = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        packets = []
        for index in range(len(stamps)):
            frame = av.VideoFrame(64, 48, "yuvj420p")
            frame.pts, frame.time_base = index, Fraction(1, 1000)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for order, (packet, stamp) in enumerate(zip(packets, stamps, strict=True)):
            packet.pts, packet.dts = stamp, order
            out.mux(packet)
    return path


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([50, 90, 90, 130], [0, 40, 41, 80]),
        ([50, 130, 90, 170], [0, 80, 81, 120]),
        ([50, 90, 90, 90, 90], [0, 40, 41, 42, 43]),
        ([9000, 9040, 9080, 50, 90], [0, 40, 80, 120, 160]),
    ],
)
def test_stamps_that_repeat_or_go_back_still_increase(
    tmp_path: Path, stamps: list[int], expected: list[int]
) -> None:
    path = write_stamps(tmp_path / "clip.mkv", stamps)
    with av.open(str(path)) as container:
        written = [packet.pts for packet in container.demux(video=0) if packet.size]
        assert written == stamps
    _, frames, _ = read_all(path)
    assert [frame.pts_ns // 1_000_000 for frame in frames] == expected


@pytest.mark.parametrize("seconds", [60, 7200, -60])
def test_one_damaged_stamp_moves_no_other_picture(tmp_path: Path, seconds: int) -> None:
    path = make_clip(tmp_path / "clip.ts", frames=20, start_s=100)
    restamp(path, VIDEO, 10, seconds)
    _, frames, source = read_all(path)
    assert [frame.pts_ns for frame in frames] == [40_000_000 * number for number in range(20)]
    assert source.restarts.match(Fraction(160), Fraction(0), None, 0) is None


def test_the_last_frame_is_shown_as_long_as_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(3):
            frame = av.VideoFrame(64, 48, "yuvj420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            for packet in stream.encode(frame):
                packet.duration = 1 if index < 2 else 25
                out.mux(packet)
    _, frames, source = read_all(path)
    assert frames[-1].pts_ns == 80_000_000
    assert source.end_ns == 1_080_000_000
