"""The sound is read apart from the pictures, packet by packet."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from mien.contract.errors import SourceError
from producer.audio import AudioFeed
from producer.restarts import Restarts
from producer.source import open_source
from tests.builders import Sound, make_clip
from tests.restamping import SOUND, restamp


def stored(path: Path, track: int = 0) -> list[tuple[int | None, int | None, bytes]]:
    with av.open(str(path)) as container:
        packets = container.demux(audio=track)
        return [(p.pts, p.dts, bytes(p)) for p in packets if p.size and p.dts is not None]


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("clip.mp4", Sound()),
        ("clip.mkv", Sound(codec="libopus")),
        ("clip.ts", Sound(codec="mp2")),
        ("clip.avi", Sound(codec="libmp3lame")),
        ("clip.flv", Sound(rate=44100)),
        ("clip.mpg", Sound(codec="mp2")),
    ],
)
def test_every_packet_comes_as_it_is_stored(tmp_path: Path, name: str, sound: Sound) -> None:
    codec = "mpeg1video" if name == "clip.mpg" else "libx264"
    path = make_clip(tmp_path / name, frames=30, codec=codec, audio=sound)
    feed = AudioFeed(str(path))
    assert [stream.codec_context.name for stream in feed.templates]
    packets = [(p.pts, p.dts, bytes(p)) for _, p in feed.take(None)]
    feed.close()
    assert len(packets) > 10
    assert packets == stored(path)


def test_it_gives_just_what_lies_before_a_time(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.ts", frames=50, start_s=3, audio=Sound(start_s=3.0))
    feed = AudioFeed(str(path))
    steps = [list(feed.take(until)) for until in (0, 500_000_000, 500_000_000, 10**9, None)]
    times = [[to_ns(feed, packet) for _, packet in step] for step in steps]
    assert times[0] == times[2] == []
    assert max(times[1]) < 500_000_000 <= min(times[3]) < max(times[3]) < 10**9 <= min(times[4])
    flat = [time for step in times for time in step]
    assert flat == sorted(flat)
    assert sum(map(len, steps)) == len(stored(path))
    assert list(feed.take(None)) == []
    feed.close()


def to_ns(feed: AudioFeed, packet: Any) -> int:
    return int(round(packet.dts * packet.time_base * 10**9) - feed.start_ns)


def test_sound_and_picture_keep_their_distance(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", frames=10, start_s=0.834, audio=Sound(length_s=2))
    source, feed = open_source(str(path)), AudioFeed(str(path))
    first = next(feed.take(None))[1]
    assert first.pts is not None
    sound_ns = round(first.pts * first.time_base * 10**9) - feed.start_ns
    gap_ns = source.info.first_pts_ns - sound_ns
    assert abs(gap_ns - 834_000_000) < 25_000_000
    source.close()
    feed.close()


def test_all_tracks_come(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=25, audio=Sound(tracks=3))
    feed = AudioFeed(str(path))
    packets = list(feed.take(None))
    feed.close()
    assert len(feed.templates) == 3
    for track in range(3):
        assert [bytes(p) for at, p in packets if at == track] == [
            p for *_, p in stored(path, track)
        ]


def test_a_silent_file_has_no_tracks(tmp_path: Path) -> None:
    feed = AudioFeed(str(make_clip(tmp_path / "clip.mp4", frames=3)))
    assert feed.templates == []
    assert list(feed.take(None)) == []
    feed.close()
    feed.close()


def test_it_can_be_closed_in_the_middle(tmp_path: Path) -> None:
    feed = AudioFeed(str(make_clip(tmp_path / "clip.mp4", frames=25, audio=Sound())))
    next(feed.take(None))
    feed.close()
    assert list(feed.take(None)) == []


def test_a_packet_can_be_muxed_after_the_feed_has_gone_on(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=25, audio=Sound())
    feed = AudioFeed(str(path))
    with av.open(str(tmp_path / "copy.mp4"), "w") as out:
        stream = out.add_stream_from_template(feed.templates[0])
        for _, packet in list(feed.take(None)):
            packet.stream = stream
            out.mux(packet)
    feed.close()
    assert [p for *_, p in stored(tmp_path / "copy.mp4")] == [p for *_, p in stored(path)]


def joined(
    tmp_path: Path, starts: tuple[float, float], first_sound_s: float | None = None
) -> tuple[Path, Path]:
    """Two clips of two seconds in one file, and the second alone."""
    lengths = (first_sound_s, None)
    parts = [
        make_clip(
            tmp_path / f"{start}.ts",
            frames=50,
            start_s=start + 0.1,
            audio=Sound(codec="mp2", start_s=start, length_s=length),
        )
        for start, length in zip(starts, lengths, strict=True)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path, parts[1]


def read_side_by_side(path: Path) -> tuple[list[int], list[int]]:
    """Times of the pictures and of the sound from the container's start, as a muxer asks."""
    source = open_source(str(path))
    feed = AudioFeed(str(path), restarts=source.restarts)
    pictures, sounds = [], []
    for frame in source.frames():
        pictures.append(frame.pts_ns + source.info.first_pts_ns)
        sounds += [to_ns(feed, packet) for _, packet in feed.take(pictures[-1])]
    sounds += [to_ns(feed, packet) for _, packet in feed.take(None)]
    source.close()
    feed.close()
    return pictures, sounds


PACKET_NS = 24_000_000
"""Length of a packet of MP2 at 48 kHz."""


@pytest.mark.parametrize("first_sound_s", [1.6, 0.9, 2.0, 2.5, 3.2])
@pytest.mark.parametrize(
    "starts", [(500.0, 3.0), (3.0, 7203.0), (2**33 / 90000 - 1, 2**33 / 90000 - 100)]
)
def test_joined_files_of_unequal_sound_keep_the_distance_of_sound_and_picture(
    tmp_path: Path, starts: tuple[float, float], first_sound_s: float
) -> None:
    path, second = joined(tmp_path, starts, first_sound_s)
    pictures, sounds = read_side_by_side(path)
    pictures_alone, sounds_alone = read_side_by_side(second)
    distance_ns = pictures[-1] - sounds[-1]
    assert abs(distance_ns - (pictures_alone[-1] - sounds_alone[-1])) < PACKET_NS
    assert all(later - sooner > PACKET_NS // 3 for sooner, later in pairwise(sounds))
    left_out = max(0.0, first_sound_s - 2) * 10**9 / PACKET_NS
    assert abs(len(stored(path)) - left_out - len(sounds)) < 3


@pytest.mark.parametrize("all_known", [False, True])
def test_many_joined_files_do_not_drift(tmp_path: Path, all_known: bool) -> None:
    sound = Sound(codec="mp2", length_s=1.7)
    part = make_clip(tmp_path / "part.ts", frames=50, size=(64, 48), audio=sound)
    path = tmp_path / "joined.ts"
    path.write_bytes(part.read_bytes() * 5)
    if all_known:  # as if the pictures were read far ahead
        source = open_source(str(path))
        pictures = [frame.pts_ns + source.info.first_pts_ns for frame in source.frames()]
        feed = AudioFeed(str(path), restarts=source.restarts)
        sounds = [to_ns(feed, packet) for _, packet in feed.take(None)]
        source.close()
        feed.close()
    else:
        pictures, sounds = read_side_by_side(path)
    alone = read_side_by_side(part)
    assert len(pictures) == 250
    assert abs(pictures[-1] - sounds[-1] - (alone[0][-1] - alone[1][-1])) < PACKET_NS
    assert sum(later - sooner > 200_000_000 for sooner, later in pairwise(sounds)) == 4


def test_a_sound_that_begins_anew_alone_comes_at_the_end_at_the_latest(tmp_path: Path) -> None:
    path, _ = joined(tmp_path, (500.0, 3.0))
    feed = AudioFeed(str(path), restarts=Restarts())
    half = list(feed.take(3_000_000_000))
    rest = list(feed.take(None))
    feed.close()
    assert 70 < len(half) < 90
    assert len(half) + len(rest) == len(stored(path))
    times = [to_ns(feed, packet) for _, packet in half + rest]
    assert all(0 < later - sooner < 30_000_000 for sooner, later in pairwise(times))


def test_a_sound_that_pauses_for_hours_comes_at_its_time(tmp_path: Path) -> None:
    path, _ = joined(tmp_path, (3.0, 7203.0))
    feed = AudioFeed(str(path), restarts=Restarts())
    before, after = list(feed.take(7_100_000_000_000)), list(feed.take(7_300_000_000_000))
    feed.close()
    assert 70 < len(before) < 90
    assert len(before) + len(after) == len(stored(path))
    assert 7_199_000_000_000 < to_ns(feed, after[0][1]) < 7_201_000_000_000


def test_without_the_pictures_word_the_sound_goes_on_by_itself(tmp_path: Path) -> None:
    path, _ = joined(tmp_path, (500.0, 3.0))
    feed = AudioFeed(str(path))
    times = [to_ns(feed, packet) for _, packet in feed.take(None)]
    feed.close()
    assert len(times) == len(stored(path))
    assert all(0 < later - sooner < 30_000_000 for sooner, later in pairwise(times))


def test_a_clock_that_wraps_goes_on(tmp_path: Path) -> None:
    start = 2**33 / 90000 - 0.5
    path = make_clip(
        tmp_path / "wrap.ts", frames=50, start_s=start, audio=Sound(codec="mp2", start_s=start)
    )
    feed = AudioFeed(str(path))
    times = [to_ns(feed, packet) for _, packet in feed.take(None)]
    feed.close()
    assert all(0 < later - sooner < 30_000_000 for sooner, later in pairwise(times))
    assert 1_900_000_000 < times[-1] < 2_100_000_000


@pytest.mark.parametrize("seconds", [60, 7200, -60])
def test_one_damaged_stamp_moves_no_other_sound(tmp_path: Path, seconds: int) -> None:
    path = make_clip(
        tmp_path / "clip.ts", frames=75, start_s=100, audio=Sound(codec="mp2", start_s=100)
    )
    _, whole = read_side_by_side(path)
    restamp(path, SOUND, 5, seconds)
    _, damaged = read_side_by_side(path)
    assert damaged == pytest.approx(whole, abs=PACKET_NS // 100)


def test_a_damaged_file_gives_the_sound_that_is_there(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.ts", frames=50, audio=Sound(codec="mp2"))
    whole = len(stored(path))
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    feed = AudioFeed(str(path))
    assert whole // 3 < len(list(feed.take(None))) < whole
    feed.close()


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        AudioFeed(str(tmp_path / "clip.mp4"))
