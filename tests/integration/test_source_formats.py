"""Every container and codec that is promised: the right frames, in order, at the right times."""

import gc
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from mien.contract.errors import SourceError
from mien.contract.frames import Frame, SourceInfo
from producer.source import Source, open_source
from tests.builders import Sound, is_upright, make_clip, read_number
from tests.own_process import open_things, resident_bytes

FORMATS: dict[str, dict[str, Any]] = {
    "h264.mp4": {},
    "bframes.mp4": {"bframes": 2},
    "hevc.mp4": {"codec": "libx265"},
    "h264.mov": {"audio": Sound()},
    "h264.mkv": {"bframes": 2},
    "h264.ts": {"bframes": 2, "audio": Sound(codec="mp2")},
    "h264.flv": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "av1.mkv": {"codec": "libsvtav1"},
    "av1.mp4": {"codec": "libsvtav1"},
    "mpeg1.mpg": {"codec": "mpeg1video"},
    "mpeg2.ts": {"codec": "mpeg2video"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "ffv1.mkv": {"codec": "ffv1"},
    "moving.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    "moving.png": {"codec": "apng", "pix_fmt": "rgba", "format": "apng"},
    "bare.h264": {},
    "bare.264": {},
}


def read_all(path: Path) -> tuple[SourceInfo, list[Frame], Source]:
    source = open_source(str(path))
    frames = list(source.frames())
    source.close()
    return source.info, frames, source


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_gives_all_its_frames_in_order_and_in_time(tmp_path: Path, name: str) -> None:
    info, frames, source = read_all(make_clip(tmp_path / name, frames=25, **FORMATS[name]))
    assert [read_number(frame.picture) for frame in frames] == list(range(25))
    assert [frame.index for frame in frames] == list(range(25))
    assert [frame.pts_ns for frame in frames] == [index * 40_000_000 for index in range(25)]
    assert all(is_upright(frame.picture) for frame in frames)
    assert (source.end_ns, source.reason, source.corrupt) == (1_000_000_000, "end of file", 0)
    assert (info.kind, info.width, info.height) == ("video", 160, 120)
    assert info.source_fps == 25
    assert info.rotation == 0


def test_what_is_known_is_known_before_reading(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=10, codec="libx265", fps=Fraction(30000, 1001))
    source = open_source(str(path))
    info = source.info
    source.close()
    assert info.name == str(path)
    assert (info.codec, info.pixel_format) == ("hevc", "yuv420p")
    assert (info.source_fps, info.frame_count) == (Fraction(30000, 1001), 10)
    assert info.duration_ns == round(10 * 1001 * 10**9 / Fraction(30000))
    assert info.time_base == Fraction(1, 30000)


def test_the_plain_path_changes_no_value(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=3, size=(176, 144), chroma=(90, 170))
    _, frames, _ = read_all(path)
    with av.open(str(path)) as container:
        for frame, expected in zip(frames, container.decode(video=0), strict=True):
            assert np.array_equal(frame.picture.data, expected.to_ndarray())
            assert frame.picture.data.flags.c_contiguous
            assert frame.picture.data.flags.owndata


def test_an_animated_webp_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "moving.webp"
    images = [Image.new("RGB", (64, 48), (50 * index, 0, 0)) for index in range(4)]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=[100, 50, 200, 30], lossless=True
    )
    info, frames, source = read_all(path)
    assert (info.kind, info.codec, info.frame_count) == ("video", "webp", 4)
    assert [frame.pts_ns for frame in frames] == [0, 100_000_000, 150_000_000, 350_000_000]
    assert source.end_ns == 380_000_000
    brightness = [int(frame.picture.planes()[0].mean()) for frame in frames]
    assert brightness == sorted(set(brightness))


@pytest.mark.parametrize("lengths_ms", [[10] * 6, [0] * 6, [100, 10, 0, 20, 0, 10, 100, 20, 0]])
def test_a_gif_lasts_as_long_as_in_browsers(tmp_path: Path, lengths_ms: list[int]) -> None:
    images = [
        Image.new("RGB", (64, 48), (20 * at, 255 - 20 * at, 0)) for at in range(len(lengths_ms))
    ]
    times = []
    for name in ("moving.gif", "moving.webp"):
        path = tmp_path / name
        images[0].save(path, save_all=True, append_images=images[1:], duration=lengths_ms)
        _, frames, source = read_all(path)
        times.append([*(frame.pts_ns for frame in frames), source.end_ns])
        if lengths_ms == [10] * 6 or name == "moving.webp":  # FFmpeg says 100 a second
            assert (source.info.source_fps, source.info.duration_ns) == (None, None)
    shown_ms = [{0: 100, 10: 100}.get(length, length) for length in lengths_ms]
    assert times[0] == times[1]
    assert times[0] == [1_000_000 * time for time in accumulate(shown_ms, initial=0)]


def test_a_gif_that_does_not_move_is_a_photo(tmp_path: Path) -> None:
    path = tmp_path / "still.gif"
    Image.new("P", (20, 10), 3).save(path)
    assert read_all(path)[0].kind == "photo"


def test_of_two_videos_the_one_a_player_shows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as out:
        small = out.add_stream("ffv1", rate=25)
        large = out.add_stream("ffv1", rate=25)
        small.disposition = av.stream.Disposition(0)
        large.disposition = av.stream.Disposition.default
        small.width, small.height, small.pix_fmt = 64, 48, "yuv420p"
        large.width, large.height, large.pix_fmt = 160, 120, "yuv420p"
        for index in range(5):
            for stream in (small, large):
                frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                out.mux(stream.encode(frame))
        for stream in (small, large):
            out.mux(stream.encode(None))
    info, frames, _ = read_all(path)
    assert (info.width, info.height, len(frames)) == (160, 120, 5)


def with_cover(path: Path, video: bool) -> Path:
    """A file with sound and a cover picture, and with a video or without."""
    with av.open(str(path), "w") as out:
        streams = []
        if video:
            streams.append(out.add_stream("libx264", rate=25))
        streams.append(out.add_stream("mjpeg", rate=25))
        streams[-1].disposition = av.stream.Disposition.attached_pic
        sound = out.add_stream("aac", rate=48000, layout="mono")
        for stream in streams:
            stream.width, stream.height = (320, 240) if stream is streams[-1] else (160, 120)
            stream.pix_fmt = "yuvj420p" if stream is streams[-1] else "yuv420p"
        for stream in streams:
            for index in range(1 if stream is streams[-1] else 10):
                frame = av.VideoFrame(stream.width, stream.height, str(stream.pix_fmt))
                frame.pts, frame.time_base = index, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.sample_rate = 48000
        out.mux(sound.encode(samples))
        out.mux(sound.encode(None))
    return path


def test_a_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    info, frames, _ = read_all(with_cover(tmp_path / "song.mp4", video=True))
    assert (info.width, info.height, len(frames)) == (160, 120, 10)


def test_a_song_with_a_cover_holds_no_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read .*song\.mp4: it holds no picture"):
        open_source(str(with_cover(tmp_path / "song.mp4", video=False)))


def test_sound_alone_holds_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libmp3lame", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.int16), "s16", "mono")
        frame.sample_rate = 44100
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(SourceError, match=r"song\.mp3: it holds no picture"):
        open_source(str(path))


def held_after_many_sources(path: Path, still: Path) -> dict[str, tuple[int, int, int]]:
    """Descriptors, threads and memory after 100 sources that were closed, and after 200 more."""

    def open_and_close(rounds: int) -> None:
        for round_ in range(rounds):
            source = open_source(str(path if round_ % 3 else still))
            if round_ % 2:
                next(source.frames())
            source.close()
            source.close()

    def held() -> tuple[int, int, int]:
        time.sleep(0.2)  # a thread that was joined stands in /proc a moment longer
        return *open_things(), resident_bytes()

    open_and_close(100)
    before = held()
    open_and_close(200)
    return {"before": before, "now": held()}


def test_opening_and_closing_leaks_no_descriptor_thread_or_memory(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=3, size=(320, 240), audio=Sound())
    still = tmp_path / "still.png"
    Image.new("RGB", (8, 8)).save(still)
    # What other tests left to end by itself in this process does not count.
    with ProcessPoolExecutor(1, get_context("spawn")) as own_process:
        held = own_process.submit(held_after_many_sources, path, still).result(timeout=120)
    descriptors, threads, resident = zip(held["before"], held["now"], strict=True)
    assert descriptors[1] <= descriptors[0], held
    assert threads[1] <= threads[0], held
    assert resident[1] < resident[0] + 4_000_000, held


@pytest.mark.parametrize("rotation", [0, 90])
def test_memory_stays_flat_though_no_garbage_is_collected(tmp_path: Path, rotation: int) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=250, size=(640, 480), rotation=rotation)
    source = open_source(str(path))
    frames = source.frames()
    gc.disable()
    try:
        for _ in range(50):
            next(frames)
        before = resident_bytes()
        assert sum(1 for _ in frames) == 200
        grown = resident_bytes() - before
    finally:
        gc.enable()
        source.close()
    assert grown < 30_000_000, "200 frames would be 92 MB"


def test_ffmpeg_says_nothing_on_the_terminal(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", frames=20)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :: 7] = bytes(len(data[len(data) // 2 :: 7]))
    path.write_bytes(data)
    code = (
        "import sys; from producer.source import open_source;"
        "print(len(list(open_source(sys.argv[1]).frames())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stderr == ""
    assert 0 < int(done.stdout) <= 20


def test_a_stream_process_reads_without_torch(tmp_path: Path) -> None:
    code = "import sys, producer.source, producer.audio; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
