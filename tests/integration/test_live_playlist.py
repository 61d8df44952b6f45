"""A camera's HLS playlist: it rolls, is read while it runs, ends, and goes on after a failure."""

import os
from functools import partial
from pathlib import Path

import pytest

from mien.contract.frames import SECOND_NS
from producer.live_producer import LONGEST_STEP_NS
from tests.broadcast import Silent, served
from tests.live import INFO, feed, is_gapless, names, numbered, settings_for, shown
from workers.hls import end_playlist
from workers.hls_playlist import RollingPlaylist, Segment, read_playlist, write_playlist
from workers.outputs import open_sink
from workers.sink import Sink

SEGMENT = 50
"""Pictures in a segment."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "live.m3u8"


def begin(path: Path) -> Sink:
    return open_sink(settings_for(path, overwrite=True), INFO, None)


def segments(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def on_disk(path: Path) -> list[str]:
    return [name for name in names(path.parent) if name.endswith(".ts") and name[0] != "."]


def value(path: Path, tag: str) -> int:
    lines = path.read_text().splitlines()
    return next(int(line.partition(":")[2]) for line in lines if line.startswith(f"#EXT-X-{tag}:"))


def test_the_playlist_rolls_and_can_be_read_at_any_time(path: Path) -> None:
    sink = begin(path)
    for number in feed(sink, range(20 * SEGMENT)):
        whole = number // SEGMENT
        assert path.exists() == (whole > 0)
        if number % SEGMENT or not whole:
            continue
        wanted = [f"live-{n:05d}.ts" for n in range(max(0, whole - 6), whole)]
        assert segments(path) == wanted
        assert value(path, "MEDIA-SEQUENCE") == max(0, whole - 6)
        assert set(wanted) <= set(on_disk(path))
        assert len(on_disk(path)) <= 6 + 3
        if whole == 10:  # a player begins three segments before the end
            first = (whole - 3) * SEGMENT
            assert shown(path, most=2 * SEGMENT) == list(range(first, first + 2 * SEGMENT))
    assert "#EXT-X-ENDLIST" not in path.read_text()
    (summary,) = sink.finish()
    assert path.read_text().endswith("#EXT-X-ENDLIST\n")
    assert shown(path) == list(range(14 * SEGMENT, 20 * SEGMENT))
    assert names(path.parent) == [*segments(path), "live.m3u8"]
    assert summary.frames == 20 * SEGMENT


def test_the_last_segment_may_be_short(path: Path) -> None:
    sink = begin(path)
    for _ in feed(sink, range(SEGMENT + 7)):
        pass
    sink.finish()
    assert shown(path) == list(range(SEGMENT + 7))
    assert value(path, "TARGETDURATION") == 2


def test_no_segment_lasts_as_long_as_the_machine_stood_still(path: Path) -> None:
    before, after = range(SEGMENT + 10), range(60 * 25, 60 * 25 + 2 * SEGMENT)
    sink = begin(path)
    for _ in feed(sink, [*before, *after]):
        pass
    sink.finish()
    assert value(path, "TARGETDURATION") == 2
    lines = path.read_text().splitlines()
    lengths_s = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    assert lengths_s == pytest.approx([2.0, 0.4, 2.0, 2.0])
    assert lines.index("#EXT-X-DISCONTINUITY") == lines.index("live-00001.ts") + 1
    assert shown(path) == [*before, *after]


def test_pictures_that_are_far_apart_are_shown_without_a_break(path: Path) -> None:
    sink = begin(path)
    for number in range(4):  # as the producer hands them on: none is said to last longer
        sink.write(numbered(number), 5 * number * SECOND_NS, LONGEST_STEP_NS)
    sink.finish()
    lines = path.read_text().splitlines()
    lengths_s = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    assert lengths_s == pytest.approx([5.0, 5.0, 5.0, 1.0])
    assert "#EXT-X-DISCONTINUITY" not in lines


def test_players_wait_no_longer_than_for_the_segments_that_are_listed(path: Path) -> None:
    playlist = RollingPlaylist(62)
    playlist.add("live-00000.ts", 2.6, 0.0, is_break=False)
    path.with_name("live-00000.ts").touch()
    write_playlist(path, playlist)
    assert read_playlist(path, 2).target_s == 3


@pytest.mark.parametrize("length", ["nan", "inf"])
def test_a_playlist_whose_segments_have_no_length_is_another_programs(
    path: Path, length: str
) -> None:
    path.with_name("live-00000.ts").touch()
    path.write_text(listing("live-00000.ts").replace("2.000000", length))
    assert read_playlist(path, 2) == RollingPlaylist(2)


def test_a_playlist_that_was_given_up_goes_on_behind_a_break(path: Path) -> None:
    for attempt in range(4):
        sink = begin(path)
        for _ in feed(sink, range(1000 * attempt, 1000 * attempt + 2 * SEGMENT + 10)):
            pass
        sink.abort()
        assert "#EXT-X-ENDLIST" not in path.read_text()
    # two whole segments of each attempt; what was in progress is gone
    assert segments(path) == [f"live-{n:05d}.ts" for n in range(2, 8)]
    assert value(path, "MEDIA-SEQUENCE") == 2
    assert path.read_text().count("#EXT-X-DISCONTINUITY\n") == 3
    assert value(path, "DISCONTINUITY-SEQUENCE") == 0
    begin(path).finish()
    numbers = shown(path)
    assert all(is_gapless(numbers[n : n + SEGMENT]) for n in range(0, 6 * SEGMENT, SEGMENT))
    assert [numbers[n] for n in range(0, 6 * SEGMENT, 2 * SEGMENT)] == [1000, 2000, 3000]
    assert names(path.parent) == [*segments(path), "live.m3u8"]


def test_a_playlist_that_is_handed_on_is_whole_and_open(path: Path) -> None:
    for attempt in range(2):
        sink = begin(path)
        for _ in feed(sink, range(1000 * attempt, 1000 * attempt + SEGMENT + 10)):
            pass
        sink.finish(goes_on=True)
        assert "#EXT-X-ENDLIST" not in path.read_text()
    end_playlist(path)  # or a player would wait for more
    assert shown(path) == [*range(SEGMENT + 10), *range(1000, 1000 + SEGMENT + 10)]
    assert path.read_text().count("#EXT-X-DISCONTINUITY\n") == 1


def test_a_playlist_that_nobody_goes_on_with_is_ended(path: Path) -> None:
    sink = begin(path)
    for _ in feed(sink, range(SEGMENT + 10)):
        pass
    sink.abort()
    path.with_name(".live.partial.ts").write_text("of a killed attempt")
    path.with_name("live-00001.ts").write_text("whole, and not listed yet")
    before = path.read_text()
    end_playlist(path)
    assert path.read_text() == before + "#EXT-X-ENDLIST\n"
    assert names(path.parent) == ["live-00000.ts", "live.m3u8"]


@pytest.mark.parametrize("text", [None, "", "another program's\n"])
def test_what_is_no_playlist_of_ours_is_not_ended(path: Path, text: str | None) -> None:
    if text is not None:
        path.write_text(text)
    end_playlist(path)
    assert (path.read_text() if path.exists() else None) == text


def test_what_lies_beside_a_lost_playlist_is_not_overwritten(path: Path) -> None:
    mine = path.with_name("live-00041.ts")
    mine.write_text("mine")
    sink = begin(path)
    for _ in feed(sink, range(SEGMENT)):
        pass
    sink.finish()
    assert segments(path) == ["live-00042.ts"]
    assert mine.read_text() == "mine"


def test_a_playlist_reads_back_as_it_was_written(path: Path) -> None:
    playlist = RollingPlaylist(2)
    for number in range(9):
        path.with_name(f"live-{number:05d}.ts").touch()
        length_s = round(2.4 + number / 10, 6)
        playlist.add(f"live-{number:05d}.ts", length_s, number * 2.0, is_break=number in (1, 5))
    write_playlist(path, playlist)
    assert read_playlist(path, 2) == playlist
    assert (playlist.sequence, playlist.breaks, playlist.target_s) == (3, 1, 3)
    assert playlist.segments[2] == Segment("live-00005.ts", 2.9, "1970-01-01T00:00:10.000Z", True)
    path.with_name("live-00005.ts").unlink()
    left = read_playlist(path, 2)
    assert [segment.name for segment in left.segments] == [f"live-{n:05d}.ts" for n in (6, 7, 8)]
    assert (left.sequence, left.breaks) == (6, 2)


@pytest.mark.parametrize("text", ["", "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:x\n", "a.ts\n", "\0\xff"])
def test_another_programs_playlist_is_begun_anew(path: Path, text: str) -> None:
    path.write_text(text)
    assert read_playlist(path, 2) == RollingPlaylist(2)


def listing(*files: str) -> str:
    """A playlist as mien writes it, of these files."""
    playlist = RollingPlaylist(2)
    for number, name in enumerate(files):
        playlist.add(name, 2.0, 2.0 * number, is_break=False)
    return playlist.text(ended=False)


def test_a_users_own_files_outlive_the_playlist_that_lists_them(path: Path) -> None:
    mine = ["holiday.ts", "song.mp3", "live-00000.ts", "live-00001.ts"]
    for name in mine:
        path.with_name(name).write_text("mine")
    text = listing("holiday.ts", "song.mp3", "below/live-00000.ts", "live-00001.ts")
    path.write_text(text)
    sink = begin(path)
    assert path.read_text() == text, "until there is something to put in its place"
    for _ in feed(sink, range(8 * SEGMENT)):
        pass
    sink.finish()
    # all four would have left the window by now
    assert segments(path) == [f"live-{n:05d}.ts" for n in range(4, 10)]
    assert value(path, "MEDIA-SEQUENCE") == 2
    assert "#EXT-X-DISCONTINUITY\n" not in path.read_text()
    assert names(path.parent) == sorted([*mine, *segments(path), "live.m3u8"])
    assert {path.with_name(name).read_text() for name in mine} == {"mine"}


@pytest.mark.parametrize(
    "files",
    [
        ("live-00001.ts", "holiday.ts"),
        ("below/live-00001.ts",),
        ("../live-00001.ts",),
        ("/live-00001.ts",),
        ("live-00001.ts?token",),
        ("live-00001.ts\r",),
        ("LIVE-00001.ts",),
        ("live-000001.ts",),
        ("live-1.ts",),
        ("live--0001.ts",),
        ("live-٠٠٠٠١.ts",),
        ("other-00001.ts",),
        ("-00001.ts",),
        ("live-00001.ts", "live-00001.ts"),
    ],
)
def test_a_playlist_with_any_other_file_is_another_programs(
    path: Path, files: tuple[str, ...]
) -> None:
    for name in files:
        path.with_name(Path(name).name).touch()
    path.write_text(listing("live-00000.ts", *files), encoding="utf-8")
    path.with_name("live-00000.ts").touch()
    before = path.read_bytes()
    assert read_playlist(path, 2) == RollingPlaylist(2)
    end_playlist(path)
    assert path.read_bytes() == before


def test_another_programs_segments_are_not_ours_though_they_are_called_alike(path: Path) -> None:
    path.write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXTINF:2.000000,\nlive-00000.ts\n"
    )
    path.with_name("live-00000.ts").touch()
    assert read_playlist(path, 2) == RollingPlaylist(2)


def play_twice(path: Path) -> None:
    """The second time goes on with a playlist that was ended."""
    for _ in range(2):
        sink = begin(path)
        for _ in feed(sink, range(SEGMENT)):
            pass
        sink.finish()


@pytest.mark.parametrize("stem", ["a.b", "my cam (1)", "caméra", "live-00000"])
def test_a_playlist_is_known_again_by_any_name(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.m3u8"
    play_twice(path)
    assert segments(path) == [f"{stem}-00000.ts", f"{stem}-00001.ts"]
    assert path.read_text().count("#EXT-X-DISCONTINUITY\n") == 1


def test_a_name_that_is_no_proper_text_is_quoted_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.m3u8")
    play_twice(path)
    assert segments(path) == ["caf%E9-00000.ts", "caf%E9-00001.ts"]
    assert on_disk(path) == [os.fsdecode(b"caf\xe9-0000%d.ts" % number) for number in range(2)]


@pytest.mark.parametrize(
    ("stem", "listed"),
    [("cam#1", "cam%231"), ("#", "%23"), ("50%41?", "50%2541%3F"), ("door:2", "door%3A2")],
)
def test_players_find_the_segments_whatever_signs_are_in_the_name(
    tmp_path: Path, stem: str, listed: str
) -> None:
    path = tmp_path / f"{stem}.m3u8"
    play_twice(path)
    lines = path.read_text().splitlines()
    assert [n for n in lines if n[0] != "#"] == [f"{listed}-00000.ts", f"{listed}-00001.ts"]
    with served(partial(Silent, directory=str(tmp_path))) as place:
        assert shown(f"http://{place}/{listed}.m3u8") == [*range(SEGMENT)] * 2
