"""What a camera is recorded into: it can be played while it grows, after a kill, on a full disk."""

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import av
import pytest

from mien.contract.errors import OutputError, UsageError
from mien.contract.outputs import parse_target
from tests.live import (
    FPS,
    FRAME_NS,
    INFO,
    SIZE,
    feed,
    is_gapless,
    names,
    numbered,
    settings_for,
    shown,
    times_s,
)
from workers.live_encoder import LiveEncoder
from workers.live_pictures import EncodedPicture, VideoFormat
from workers.live_sink import LiveSink
from workers.outputs import check_outputs, open_sink
from workers.recording import Recording

ROOT = Path(__file__).parents[2]
KINDS = ["mp4", "m4v", "mov", "mkv", "webm", "ts", "flv"]
RECORDER = """
import sys
from pathlib import Path
from tests.live import INFO, feed, settings_for
from workers.outputs import open_sink
folder = Path(sys.argv[1])
growing = settings_for(*(folder / f"one.{kind}" for kind in ("mp4", "mkv", "ts")))
cut = settings_for(*(folder / f"cut.{kind}" for kind in ("mp4", "mkv", "ts")), segment_s=2)
sink = open_sink([*growing, *cut, *settings_for(folder / "live.m3u8")], INFO, None)
for number in feed(sink, range(10_000), pace_s=0.02):
    print(number, flush=True)
"""
FULL = """
import resource, sys
from pathlib import Path
from mien.contract.errors import OutputError
from tests.live import INFO, feed, settings_for
from workers.outputs import open_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
sink = open_sink(settings_for(Path(sys.argv[1])), INFO, None)
try:
    for _ in feed(sink, range(400), noisy=True):
        pass
    sink.finish()
except OutputError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_can_be_played_while_it_grows_and_at_the_end(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"cam.{kind}"
    sink = open_sink(settings_for(path), INFO, None)
    for _ in feed(sink, range(100)):
        pass
    growing = shown(path)
    assert growing == list(range(len(growing)))
    assert len(growing) >= 100 - 2 * FPS
    (summary,) = sink.finish()
    assert shown(path) == list(range(100))
    assert times_s(path)[-1] - times_s(path)[0] == pytest.approx(99 / FPS, abs=0.002)
    assert summary.frames == 100
    assert summary.duration_ns == 4_000_000_000
    assert names(tmp_path) == [path.name]


def test_segments_have_the_wished_length_whenever_the_stream_begins(tmp_path: Path) -> None:
    sink = open_sink(settings_for(tmp_path / "cam.mkv", segment_s=4), INFO, None)
    for _ in feed(sink, range(3, 300)):
        pass
    sink.finish()
    files = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert [len(shown(path)) for path in files] == [97, 100, 100]


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_segments_begin_at_their_own_time_0_and_lose_no_picture(tmp_path: Path, kind: str) -> None:
    sink = open_sink(settings_for(tmp_path / f"cam.{kind}", segment_s=4), INFO, None)
    for _ in feed(sink, range(250)):
        pass
    (summary,) = sink.finish()
    files = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert all(re.fullmatch(rf"cam-\d{{8}}T\d{{6}}Z(-\d)?\.{kind}", p.name) for p in files)
    assert [shown(path) for path in files] == [
        list(range(100)), list(range(100, 200)), list(range(200, 250))
    ]  # fmt: skip
    for path in files:
        assert times_s(path)[0] == 0
    assert summary.frames == 250
    assert summary.notes[0].startswith("3 segments, cam-")


def test_two_attempts_in_one_second_leave_each_other_alone(tmp_path: Path) -> None:
    (settings,) = settings_for(tmp_path / "cam.mkv", segment_s=600, overwrite=True)
    for attempt in range(3):
        encoder = LiveEncoder(av.Codec("libx264", "w"), settings, INFO)
        recording = Recording(settings, encoder.video, utc_s=lambda: 0.0)
        for number in range(10):
            for picture in encoder.encode(
                numbered(10 * attempt + number), FRAME_NS * number, FRAME_NS
            ):
                recording.put(picture)
        recording.close()
    stem = "cam-19700101T000000Z"
    assert names(tmp_path) == [f"{stem}-2.mkv", f"{stem}-3.mkv", f"{stem}.mkv"]
    assert shown(tmp_path / f"{stem}.mkv") == list(range(10))
    assert shown(tmp_path / f"{stem}-3.mkv") == list(range(20, 30))


def test_what_a_killed_process_recorded_can_be_played(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RECORDER, tmp_path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        written = -1
        for line in process.stdout:
            written = int(line)
            if written == 180:
                process.kill()
    for kind in ("mp4", "mkv", "ts"):
        numbers = shown(tmp_path / f"one.{kind}")
        assert is_gapless(numbers)
        assert numbers[0] == 0
        assert numbers[-1] >= written - 2 * FPS
        cut = sorted(tmp_path.glob(f"cut-*.{kind}"), key=lambda path: path.stat().st_mtime_ns)
        numbers = [number for path in cut for number in shown(path)]
        assert len(cut) in {written // 50 + 1, (written + 1) // 50 + 1}
        assert is_gapless(numbers)
        assert numbers[-1] >= written - 2 * FPS
    # and the next attempt's playlist goes on from the last one's
    before = (tmp_path / "live.m3u8").read_text()
    assert "#EXT-X-ENDLIST" not in before
    sink = open_sink(settings_for(tmp_path / "live.m3u8", overwrite=True), INFO, None)
    for _ in feed(sink, range(500, 600)):
        pass
    sink.finish()
    after = shown(tmp_path / "live.m3u8")
    assert is_gapless(after[:-100])
    assert after[0] == 0
    assert after[-100:] == list(range(500, 600))
    assert (tmp_path / "live.m3u8").read_text().count("#EXT-X-DISCONTINUITY\n") == 1


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_on_a_full_disk_the_run_ends_and_what_was_written_can_be_played(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"cam.{kind}"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, "2000000"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"cannot write {path}: the file would be larger than the system allows\n"
    assert done.returncode == 6
    with av.open(str(path)) as container:
        sizes = []
        with suppress(av.error.InvalidDataError):
            sizes += [packet.size for packet in container.demux(video=0)]
    assert path.stat().st_size > 1_500_000
    assert sum(sizes) > 1_400_000


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_a_disk_that_is_full_from_the_first_write_gets_no_empty_file(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"cam.{kind}"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, "0"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"cannot write {path}: the file would be larger than the system allows\n"
    assert names(tmp_path) == []


def test_a_playlist_on_a_full_disk_ends_the_run_and_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "live.m3u8"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, "100000"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"cannot write {path}: the file would be larger than the system allows\n"
    assert done.returncode == 6
    assert names(tmp_path) == []


def test_an_output_that_cannot_be_finished_costs_no_other_its_end(tmp_path: Path) -> None:
    sink = open_sink(settings_for(tmp_path / "a.m3u8", tmp_path / "b.m3u8"), INFO, None)
    for _ in feed(sink, range(75)):
        pass
    (tmp_path / ".a.m3u8.partial").mkdir()  # where its text is written
    with pytest.raises(OutputError, match=r"a\.m3u8"):
        sink.finish()
    assert "#EXT-X-ENDLIST" not in (tmp_path / "a.m3u8").read_text()
    assert (tmp_path / "b.m3u8").read_text().endswith("#EXT-X-ENDLIST\n")
    assert shown(tmp_path / "b.m3u8") == list(range(75))


def test_an_encoder_that_fails_is_said_so(tmp_path: Path) -> None:
    for use in ("write", "finish"):
        sink = open_sink(settings_for(tmp_path / f"{use}.mkv"), INFO, None)
        assert isinstance(sink, LiveSink)
        for _ in feed(sink, range(3)):
            pass
        sink._branches[0].encoder._context.encode(None)  # it takes nothing after that
        with pytest.raises(OutputError, match="the encoder libx264 has failed: End of file"):
            next(feed(sink, [3])) if use == "write" else sink.finish()
        assert shown(tmp_path / f"{use}.mkv") == [0, 1, 2]


def test_a_stream_without_pictures_leaves_no_file(tmp_path: Path) -> None:
    sink = open_sink(settings_for(tmp_path / "cam.mp4", tmp_path / "live.m3u8"), INFO, None)
    notes = [note for summary in sink.finish() for note in summary.notes]
    assert notes == [
        "no picture came, so cam.mp4 was not begun",
        "no picture came, so live.m3u8 was not begun",
    ]
    assert names(tmp_path) == []


def test_a_closed_output_takes_no_picture(tmp_path: Path) -> None:
    sink = open_sink(settings_for(tmp_path / "cam.mp4"), INFO, None)
    sink.abort()
    assert [health.name for health in sink.health()] == [str(tmp_path / "cam.mp4")]
    with pytest.raises(OutputError, match="closed already"):
        next(feed(sink, range(1)))
    with pytest.raises(OutputError, match="closed already"):
        sink.finish()


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "cam.mp4"
    sink = open_sink(settings_for(path), INFO, None)
    path.write_text("mine")
    with pytest.raises(OutputError, match="was not overwritten"):
        next(feed(sink, range(1)))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("segment_s", [None, 600])
def test_a_relative_name_may_hold_a_colon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segment_s: float | None
) -> None:
    monkeypatch.chdir(tmp_path)
    sink = open_sink(settings_for(Path("cam:front.mkv"), segment_s=segment_s), INFO, None)
    for _ in feed(sink, range(10)):
        pass
    sink.finish()
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("cam:front")
    assert shown(path) == list(range(10))


@pytest.mark.parametrize("segment_s", [None, 600])
def test_a_file_that_cannot_be_opened_leaves_its_name_free(
    tmp_path: Path, segment_s: float | None
) -> None:
    (settings,) = settings_for(tmp_path / "cam.mkv", segment_s=segment_s)
    recording = Recording(settings, VideoFormat("no codec", "none", *SIZE, None))
    with pytest.raises(ValueError, match="no codec"):
        recording.put(EncodedPicture(b"", 0, 1, is_key=True))
    assert names(tmp_path) == []


def test_wrong_wishes_for_cameras_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "there.m3u8").write_text("")
    live = {
        "cam.avi": ({}, "a camera can be recorded as .mp4"),
        "cam.mpg": ({}, "a camera can be recorded as .mp4"),
        "cam.jpg": ({}, "its ending is none of"),
        "there.m3u8": ({}, "--overwrite"),
        "live.m3u8": ({"encoder": "libx265"}, ".m3u8 files do not take hevc"),
        "cam.mp4": ({"encoder": "mpeg4"}, "do not take mpeg4"),
        "cut.mp4": ({"segment_s": 0.5}, "segments last 2 seconds"),
    }
    for name, (changes, words) in live.items():
        with pytest.raises(UsageError, match=words):
            check_outputs(settings_for(tmp_path / name, **changes), "live")
    with pytest.raises(UsageError, match="rtmp servers do not take hevc"):
        check_outputs(settings_for("rtmp://host/app", encoder="libx265"), "live")
    two = settings_for(tmp_path / "a.mp4", tmp_path / "b.mp4")
    for outputs, words in (
        (two, "only a camera gives several"),
        (settings_for(tmp_path / "out.m3u8"), "only a camera"),
        (settings_for("rtsp://u:secret@host/x"), "published as rtsp://u@host/x"),
        (settings_for(tmp_path / "out.mp4", segment_s=60), "only a camera"),
    ):
        with pytest.raises(UsageError, match=words):
            check_outputs(outputs, "video")
    for url in ("http://u:secret@host/x", "rtsp://", "rtsp://host:nonsense/x"):
        with pytest.raises(UsageError) as refused:
            parse_target(url)
        assert "secret" not in str(refused.value)
    assert names(tmp_path) == ["there.m3u8"]
