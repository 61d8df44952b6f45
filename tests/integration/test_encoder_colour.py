"""Colours survive the encoder: tags and samples."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Colour, Picture
from tests.integration.test_encoder import info_of
from workers.outputs import open_sink

WIDTH, HEIGHT = 128, 96
BT709 = Colour(1, 1, 1, full_range=False)
FULL = Colour(1, 13, 6, full_range=True)
WIDE = Colour(9, 16, 9, full_range=False)


def blocks(colour: Colour, lines: int = HEIGHT) -> Picture:
    """Flat patches of many colours, which survive compression."""
    rng = np.random.default_rng(4)
    low, high = (0, 256) if colour.full_range else (16, 236)
    rows = []
    for height, width in ((lines, WIDTH), (lines // 2, WIDTH // 2), (lines // 2, WIDTH // 2)):
        patches = rng.integers(low, high, (3, 4), np.uint8)
        part = np.ones((-(-height // 3), width // 4), np.uint8)
        rows.append(np.kron(patches, part)[:height].ravel())
    data = np.concatenate(rows).reshape(lines * 3 // 2, WIDTH)
    return Picture(np.ascontiguousarray(data), WIDTH, lines, colour)


def written(path: Path, colour: Colour, **settings: object) -> av.VideoFrame:
    options = OutputSettings(path, **{"fps": None, "crf": 8, **settings})  # type: ignore[arg-type]
    sink = open_sink([options], info_of(WIDTH, HEIGHT, colour=colour), None)
    for number in range(5):
        sink.write(blocks(colour), number * 40_000_000, 40_000_000)
    sink.finish()
    sink.commit()
    with av.open(str(path)) as file:
        return list(file.decode(file.streams.video[0]))[3]


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm", "ts"])
@pytest.mark.parametrize(
    "colour", [Colour(), BT709, FULL, WIDE], ids=["none", "709", "full", "hdr"]
)
def test_tags_are_kept_and_samples_not_touched(
    tmp_path: Path, extension: str, colour: Colour
) -> None:
    frame = written(tmp_path / f"out.{extension}", colour)
    if extension != "webm" or colour.matrix != 2:  # VP9 knows no 'not said' but that of its file
        assert frame.colorspace == colour.matrix
    assert (frame.color_primaries, frame.color_trc) == (colour.primaries, colour.transfer)
    assert (frame.color_range == 2) == colour.full_range
    samples = np.concatenate([np.asarray(plane_of(frame, n), int).ravel() for n in range(3)])
    assert np.abs(samples - blocks(colour).data.ravel()).mean() < 2


@pytest.mark.parametrize("kind", ["video", "live"])
def test_a_picture_whose_height_is_no_multiple_of_four_keeps_its_colours(
    tmp_path: Path, kind: str
) -> None:
    picture, path = blocks(BT709, 70), tmp_path / "out.mkv"
    info = info_of(WIDTH, 70, colour=BT709, kind=kind)
    sink = open_sink([OutputSettings(path, None, crf=8)], info, None)
    sink.write(picture, 0, 40_000_000)
    sink.finish()
    sink.commit()
    with av.open(str(path)) as file:
        (frame,) = file.decode(file.streams.video[0])
    for number, plane in enumerate(picture.planes()):
        lines = np.abs(plane_of(frame, number).astype(int) - plane).mean(axis=1)
        assert lines.max() < 8


@pytest.mark.parametrize("encoder", ["libx265", "libsvtav1"])
def test_other_encoders_keep_full_range_too(tmp_path: Path, encoder: str) -> None:
    frame = written(tmp_path / "out.mp4", FULL, encoder=encoder, preset="ultrafast")
    assert frame.color_range == 2
    luma = plane_of(frame, 0).astype(int)
    assert np.abs(luma - blocks(FULL).planes()[0]).mean() < 4


@pytest.mark.parametrize(("extension", "encoder"), [("mpg", None), ("avi", None), ("mp4", "mpeg4")])
def test_codecs_without_full_range_get_scaled_samples(
    tmp_path: Path, extension: str, encoder: str | None
) -> None:
    fps = None if extension == "mp4" else Fraction(25)
    frame = written(tmp_path / f"out.{extension}", FULL, encoder=encoder, fps=fps)
    assert frame.color_range != 2
    luma = plane_of(frame, 0).astype(float)
    wanted = 16 + blocks(FULL).planes()[0] * (219 / 255)
    assert np.abs(luma - wanted).mean() < 3


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("extension", "encoder", "lines", "matrix", "meant"),
    [
        ("avi", None, HEIGHT, 1, 6),
        ("avi", None, HEIGHT, 9, 6),
        ("avi", None, 720, 6, 1),
        ("avi", "ffv1", HEIGHT, 1, 6),
        ("mpg", "mpeg1video", HEIGHT, 1, 6),
        ("flv", "flv", HEIGHT, 1, 6),
        ("avi", None, HEIGHT, 6, 6),
        ("avi", None, 720, 1, 1),
        ("avi", "libx264", HEIGHT, 1, 1),
        ("mpg", None, HEIGHT, 1, 1),
        ("mp4", "mpeg4", HEIGHT, 1, 1),
        ("mkv", "ffv1", HEIGHT, 1, 1),
    ],
)
def test_colours_are_seen_as_they_were_whether_a_file_can_name_their_matrix_or_not(
    tmp_path: Path,
    extension: str,
    encoder: str | None,
    lines: int,
    matrix: int,
    meant: int,
    full_range: bool,
) -> None:
    """The matrix is the one that the file names or, without a name, players assume."""
    source = Colour(1, 1, matrix, full_range)
    fps = Fraction(25) if extension in {"avi", "mpg"} else None
    picture = blocks(source, lines)
    levels = (96.0, 110.0, 160.0)
    for plane, value in zip(picture.planes(), levels, strict=True):
        plane[:] = value
    path = tmp_path / f"out.{extension}"
    options = OutputSettings(path, fps, encoder=encoder, crf=8)
    info = info_of(WIDTH, lines, colour=source)
    sink = open_sink([options], info, None)
    for number in range(3):
        sink.write(picture, number * 40_000_000, 40_000_000)
    (summary,) = sink.finish()
    sink.commit()
    with av.open(str(path)) as file:
        frame = next(file.decode(file.streams.video[0]))
    assert Colour(matrix=frame.colorspace).matrix_for(lines) == meant
    seen = [float(plane_of(frame, number).mean()) for number in range(3)]
    full = frame.color_range == 2
    wanted = rgb_of(levels, matrix, full_range)
    assert rgb_of(seen, meant, full) == pytest.approx(wanted, abs=3)
    assert any("what players assume" in note for note in summary.notes) == (meant != matrix)


@pytest.mark.parametrize(
    ("encoder", "first"),
    [("libx264", BT709), ("libx264", FULL), ("libvpx", Colour(1, 13, 6)), ("libvpx", FULL)],
)
@pytest.mark.parametrize("then", [Colour(), BT709, FULL], ids=["601", "709", "full"])
def test_a_camera_that_means_its_colours_in_another_way_is_seen_as_before(
    tmp_path: Path, encoder: str, first: Colour, then: Colour
) -> None:
    levels, path = (96.0, 110.0, 160.0), tmp_path / "out.mkv"
    info = info_of(WIDTH, HEIGHT, colour=first, kind="live")
    sink = open_sink([OutputSettings(path, None, encoder=encoder, crf=8)], info, None)
    for number, colour in enumerate((first, then, then)):
        picture = blocks(colour)
        for plane, value in zip(picture.planes(), levels, strict=True):
            plane[:] = value
        sink.write(picture, number * 40_000_000, 40_000_000)
    sink.finish()
    with av.open(str(path)) as file:
        frames = list(file.decode(file.streams.video[0]))
    for frame, colour in zip(frames, (first, then, then), strict=True):
        seen = [float(plane_of(frame, number).mean()) for number in range(3)]
        wanted = rgb_of(levels, colour.matrix_for(HEIGHT), colour.full_range)
        meant = Colour(matrix=frame.colorspace).matrix_for(HEIGHT)
        assert rgb_of(seen, meant, frame.color_range == 2) == pytest.approx(wanted, abs=4)


def rgb_of(levels: Sequence[float], matrix: int, full: bool) -> list[float]:
    """Red, green and blue, 0..255, of Y, Cb and Cr."""
    kr, kb = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}.get(matrix, (0.299, 0.114))
    luma = levels[0] / 255 if full else (levels[0] - 16) / 219
    blue, red = ((value - 128) / (255 if full else 224) for value in levels[1:])
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    return [255 * value for value in (r, (luma - kr * r - kb * b) / (1 - kr - kb), b)]


def plane_of(frame: av.VideoFrame, number: int) -> np.ndarray:
    plane = frame.planes[number]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
