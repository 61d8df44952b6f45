"""What the encoder writes, decoded again: pictures, times, lengths, names."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mien.contract.errors import OutputError, UsageError
from mien.contract.frames import SECOND_NS, SourceInfo
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Colour, Picture, even
from producer.photo import FORMATS
from workers.outputs import READABLE_PHOTOS, check_outputs, open_sink
from workers.sink import OutputSummary
from workers.video_options import encoder_options
from workers.video_sink import VideoSink

STAMPED = ["mp4", "m4v", "mov", "mkv", "webm", "ts", "flv"]
CONSTANT = ["avi", "mpg"]
UNEVEN_MS = [0, 33, 100, 134, 500, 533, 900, 1400, 1440, 1480]
SIZE = (160, 120)


def info_of(width: int = SIZE[0], height: int = SIZE[1], **changes: object) -> SourceInfo:
    info = SourceInfo(
        name="camera.mp4",
        kind="video",
        width=width,
        height=height,
        colour=Colour(),
        source_fps=Fraction(25),
        time_base=Fraction(1, 90_000),
        duration_ns=None,
        frame_count=None,
        first_pts_ns=0,
        codec="h264",
        pixel_format="yuv420p",
        rotation=0,
    )
    return replace(info, **changes)  # type: ignore[arg-type]


def picture_of(level: int, width: int = SIZE[0], height: int = SIZE[1]) -> Picture:
    """A flat picture whose grey says which one it is."""
    rows, columns = even(height), even(width)
    data = np.full((rows * 3 // 2, columns), 128, np.uint8)
    data[:rows] = level
    return Picture(data, width, height, Colour())


def level_of(number: int) -> int:
    return 40 + 16 * number


def write(
    path: Path,
    times_ms: Sequence[float],
    info: SourceInfo | None = None,
    last_ms: float = 40,
    **settings: object,
) -> OutputSummary:
    info = info or info_of()
    sink = open_sink([OutputSettings(path, **{"fps": None, **settings})], info, None)  # type: ignore[arg-type]
    ends = [*times_ms[1:], times_ms[-1] + last_ms]
    for number, (time, end) in enumerate(zip(times_ms, ends, strict=True)):
        picture = picture_of(level_of(number % 12), info.width, info.height)
        sink.write(picture, round(time * 1e6), round((end - time) * 1e6))
    (summary,) = sink.finish()
    sink.commit()
    return summary


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as file:
        return list(file.decode(file.streams.video[0]))


def levels(frames: Sequence[av.VideoFrame]) -> list[int]:
    return [int(frame.to_ndarray()[: frame.height].mean()) for frame in frames]


def times_ms(frames: Sequence[av.VideoFrame]) -> list[float]:
    return [float(frame.pts * frame.time_base * 1000) for frame in frames]


@pytest.mark.parametrize("extension", STAMPED)
def test_every_picture_comes_out_at_its_own_time(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"out.{extension}"
    write(path, UNEVEN_MS)
    frames = decoded(path)
    start = times_ms(frames)[0]
    assert [time - start for time in times_ms(frames)] == pytest.approx(UNEVEN_MS, abs=1.1)
    wanted = [level_of(number) for number in range(len(UNEVEN_MS))]
    assert levels(frames) == pytest.approx(wanted, abs=4)


@pytest.mark.parametrize("extension", CONSTANT)
def test_constant_containers_keep_order_and_rate(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"out.{extension}"
    write(path, [40 * number for number in range(12)], fps=Fraction(25))
    frames = decoded(path)
    start = times_ms(frames)[0]
    wanted = [40 * number for number in range(12)]
    assert [time - start for time in times_ms(frames)] == pytest.approx(wanted, abs=0.1)
    assert levels(frames) == pytest.approx([level_of(n) for n in range(12)], abs=5)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm", "ts"])
def test_a_late_first_picture_stays_late(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"out.{extension}"
    write(path, UNEVEN_MS, info_of(first_pts_ns=834 * SECOND_NS // 1000))
    wanted = [834 + time for time in UNEVEN_MS]
    assert times_ms(decoded(path)) == pytest.approx(wanted, abs=1.1)


def test_a_late_first_picture_stays_late_at_a_constant_rate(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    info = info_of(first_pts_ns=834_000_000)
    write(path, [1000 * number / 24 for number in range(10)], info, fps=Fraction(24))
    wanted = [834 + 1000 * number / 24 for number in range(10)]
    assert times_ms(decoded(path)) == pytest.approx(wanted, abs=0.05)


def test_an_avi_repeats_its_first_picture_until_its_time(tmp_path: Path) -> None:
    path = tmp_path / "out.avi"
    info = info_of(first_pts_ns=400_000_000)
    summary = write(path, [40 * number for number in range(5)], info, fps=Fraction(25))
    assert any("10 times more" in note for note in summary.notes)
    assert any("one frame rate" in note for note in summary.notes)
    got = levels(decoded(path))
    assert len(got) == 15
    assert got[:11] == pytest.approx([level_of(0)] * 11, abs=5)
    assert got[11:] == pytest.approx([level_of(n) for n in range(1, 5)], abs=5)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm"])
def test_the_last_picture_keeps_its_length(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"out.{extension}"
    summary = write(path, UNEVEN_MS, last_ms=700)
    assert summary.duration_ns == 2_180_000_000
    with av.open(str(path)) as file:
        assert file.duration == pytest.approx(2_180_000, abs=1_100)


@pytest.mark.parametrize("extension", [*STAMPED, *CONSTANT])
def test_a_video_of_one_picture_works(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"out.{extension}"
    fps = Fraction(25) if extension in CONSTANT else None
    summary = write(path, [0], fps=fps)
    assert summary.frames == 1
    assert levels(decoded(path)) == pytest.approx([level_of(0)], abs=5)


def test_an_asked_rate_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    rate = Fraction(30_000, 1001)
    summary = write(path, [float(n / rate * 1000) for n in range(30)], fps=rate, last_ms=33.4)
    assert summary.fps == rate
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert stream.average_rate == rate
        stamps = [frame.pts * frame.time_base for frame in file.decode(stream)]
    assert stamps == [n / rate for n in range(30)]


@pytest.mark.parametrize("rate", [Fraction(120_000, 1001), Fraction(240_000, 1001)])
@pytest.mark.parametrize("extension", ["avi", "mp4"])
def test_fast_cameras_rates_are_kept_where_mpeg4_cannot_write_them_down(
    tmp_path: Path, extension: str, rate: Fraction
) -> None:
    path = tmp_path / f"out.{extension}"
    wanted = [float(n / rate * 1000) for n in range(30)]
    last_ms = float(1000 / rate)
    write(path, wanted, fps=rate, last_ms=last_ms, encoder="mpeg4")
    with av.open(str(path)) as file:
        assert float(file.streams.video[0].average_rate) == pytest.approx(rate, rel=1e-7)
        assert file.duration == pytest.approx(30 * last_ms * 1000, abs=100)
    frames = decoded(path)
    start = times_ms(frames)[0]
    assert [time - start for time in times_ms(frames)] == pytest.approx(wanted, abs=0.05)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "ts"])
@pytest.mark.parametrize(
    ("time_base", "fps"),
    [
        (Fraction(66_667, 1_000_000), None),
        (Fraction(33_367, 1_000_000), None),
        (Fraction(1001, 24_000), None),
        (Fraction(1, 90_000), Fraction("29.97123")),
        (Fraction(1, 90_000), Fraction("0.97123")),
    ],
)
def test_ticks_of_odd_lengths_are_kept(
    tmp_path: Path, extension: str, time_base: Fraction, fps: Fraction | None
) -> None:
    path, late_ms = tmp_path / f"out.{extension}", 834
    step = 1 / fps if fps else time_base
    wanted = [float(n * step * 1000) for n in range(12)]
    info = info_of(time_base=time_base, source_fps=1 / step, first_pts_ns=late_ms * 1_000_000)
    write(path, wanted, info, last_ms=float(step * 1000), fps=fps)
    times = times_ms(decoded(path))
    start = times[0] if extension == "ts" else late_ms
    assert [time - start for time in times] == pytest.approx(wanted, abs=1.1)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv"])
def test_a_picture_may_last_an_hour_however_fine_the_sources_ticks(
    tmp_path: Path, extension: str
) -> None:
    path, hour_ms = tmp_path / f"out.{extension}", 3_600_000
    info = info_of(time_base=Fraction(1, 1_000_000_000))
    write(path, [0, 40, 40 + hour_ms], info)
    assert times_ms(decoded(path)) == pytest.approx([0, 40, 40 + hour_ms], abs=1.1)


def test_odd_sizes_are_padded_by_one(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write(path, [0, 40], info_of(width=161, height=121))
    frame = decoded(path)[0]
    assert (frame.width, frame.height) == (162, 122)


def test_mp4_starts_with_its_index(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write(path, UNEVEN_MS)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_hevc_in_mp4_has_the_tag_that_all_players_take(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    summary = write(path, UNEVEN_MS, encoder="libx265", preset="ultrafast")
    assert summary.encoder == "libx265"
    with av.open(str(path)) as file:
        assert file.streams.video[0].codec_context.codec_tag == "hvc1"
    assert len(decoded(path)) == len(UNEVEN_MS)


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_a_lower_crf_costs_more_bytes(tmp_path: Path, encoder: str) -> None:
    sizes = []
    for crf in (0, 40):
        path = tmp_path / f"{crf}.mp4"
        sink = open_sink([OutputSettings(path, None, encoder=encoder, crf=crf)], info_of(), None)
        rng = np.random.default_rng(0)
        for number in range(5):
            picture = picture_of(100)
            picture.data[:] = rng.integers(60, 200, picture.data.shape, np.uint8)
            sink.write(picture, number * 40_000_000, 40_000_000)
        sink.finish()
        sink.commit()
        sizes.append(path.stat().st_size)
    assert sizes[0] > 2 * sizes[1]


def test_the_best_quality_is_never_the_0_that_leaves_it_to_the_encoder() -> None:
    assert encoder_options("h264_nvenc", "medium", 0)["cq"] == "1"


def test_a_photo_gives_a_photo(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    info = info_of(128, 128, kind="photo", name="photo.jpg")
    for extension, tolerance in (("png", 0), ("bmp", 0), ("jpg", 4), ("webp", 14)):
        path = tmp_path / f"out.{extension}"
        sink = open_sink([OutputSettings(path, None)], info, None)
        sink.write(Picture(np.ascontiguousarray(pixels), 128, 128, Colour()), 0, 0)
        assert [summary.frames for summary in sink.finish()] == [1]
        sink.commit()
        with av.open(str(path)) as file:
            back = next(file.decode(video=0)).to_ndarray(format="rgb24").astype(int)
        assert np.abs(back - pixels).mean() <= tolerance, extension


@pytest.mark.parametrize(("extension", "longest"), [("webp", 16_383), ("jpg", 65_500)])
def test_a_photo_too_large_for_its_format_is_refused_before_any_work(
    tmp_path: Path, extension: str, longest: int
) -> None:
    settings = [OutputSettings(tmp_path / f"out.{extension}", None)]
    with pytest.raises(UsageError, match=f"at most {longest} pixels; this one is 2x{longest + 1}"):
        open_sink(settings, info_of(2, longest + 1, kind="photo"), None)
    assert list(tmp_path.iterdir()) == []
    sink = open_sink(settings, info_of(2, longest, kind="photo"), None)
    sink.write(Picture(np.zeros((longest, 2, 3), np.uint8), 2, longest, Colour()), 0, 0)
    sink.finish()


def test_wrong_wishes_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_bytes(b"x")
    wrong = {
        "out.xyz": ({}, "its ending is none of"),
        "out": ({}, "its ending is none of"),
        "out.jpg": ({}, r"a video gives a video; .* \(JPEG, PNG, WebP, BMP, GIF and TIFF\)"),
        "missing/out.mp4": ({}, "no folder"),
        "there.mp4": ({}, "--overwrite"),
        "a.mp4": ({"encoder": "nonsense"}, "no encoder"),
        "b.mp4": ({"encoder": "aac"}, "does not encode video"),
        "c.webm": ({"encoder": "libx264"}, "do not take h264"),
        "d.mp4": ({"preset": "warp"}, "preset is one of ultrafast, .*, not 'warp'"),
        "e.mp4": ({"crf": 99}, "crf is 0 to 51, not 99"),
        "f.mpg": ({"fps": Fraction(10)}, "frame rates"),
    }
    for name, (changes, words) in wrong.items():
        settings = OutputSettings(tmp_path / name, **{"fps": None, **changes})  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=words):
            check_outputs([settings], "video")
    with pytest.raises(UsageError, match="a photo gives a photo"):
        check_outputs([OutputSettings(tmp_path / "out.mp4", None)], "photo")
    assert [path.name for path in tmp_path.iterdir()] == ["there.mp4"]


def test_the_photos_that_are_named_are_those_that_can_be_read() -> None:
    assert set(READABLE_PHOTOS.upper().replace(" AND", ",").split(", ")) == set(FORMATS)


def test_an_encoder_that_does_not_open_leaves_nothing(tmp_path: Path) -> None:
    settings = OutputSettings(tmp_path / "out.mpg", Fraction(25))
    info = info_of(width=20_000, height=16)  # wider than MPEG-2 can say
    with pytest.raises(UsageError, match="cannot be opened"):
        open_sink([settings], info, None)
    assert list(tmp_path.iterdir()) == []


def test_abort_leaves_nothing_behind(tmp_path: Path) -> None:
    sink = open_sink([OutputSettings(tmp_path / "out.mp4", None)], info_of(), None)
    sink.write(picture_of(100), 0, 40_000_000)
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."]
    sink.abort()
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_an_output_without_pictures_is_an_error(tmp_path: Path) -> None:
    sink = open_sink([OutputSettings(tmp_path / "out.mp4", None)], info_of(), None)
    with pytest.raises(OutputError, match="no picture"):
        sink.finish()
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_fails_is_said_so_and_leaves_nothing(tmp_path: Path) -> None:
    sink = open_sink([OutputSettings(tmp_path / "out.mp4", None)], info_of(), None)
    assert isinstance(sink, VideoSink)
    sink._video._context.encode(None)  # it takes nothing after that
    with pytest.raises(OutputError, match="the encoder libx264 has failed: End of file"):
        sink.write(picture_of(100), 0, 40_000_000)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_another_size_is_an_error(tmp_path: Path) -> None:
    sink = open_sink([OutputSettings(tmp_path / "out.mp4", None)], info_of(), None)
    with pytest.raises(OutputError, match="does not fit"):
        sink.write(picture_of(100, 320, 240), 0, 40_000_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm", "ts", "avi"])
def test_a_full_disk_is_said_so_and_leaves_nothing(tmp_path: Path, extension: str) -> None:
    """The limit on file sizes stands for the disk; both come out of the same calls."""
    code = """
import resource, sys
from pathlib import Path
import numpy as np
from fractions import Fraction
from mien.contract.errors import OutputError
from tests.integration.test_encoder import info_of, picture_of
from mien.contract.outputs import OutputSettings
from workers.outputs import open_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
sink = open_sink([OutputSettings(Path(sys.argv[1]), Fraction(25))], info_of(), None)
rng = np.random.default_rng(0)
try:
    for number in range(40):
        picture = picture_of(100)
        picture.data[:] = rng.integers(0, 256, picture.data.shape, np.uint8)
        sink.write(picture, number * 40_000_000, 40_000_000)
    sink.finish()
except OutputError as error:
    print(error)
"""
    path = tmp_path / f"out.{extension}"
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = f"cannot write {path}: the file would be larger than the system allows"
    assert result.stdout.strip() == wanted
    assert list(tmp_path.iterdir()) == []
