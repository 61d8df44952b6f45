"""Sources that change their pictures while one connection lasts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain, cycle, pairwise
from pathlib import Path

import av
import pytest

from tests.broadcast import Silent, served
from tests.builders import Clip, add_video, encoder_options, make_clip, pictures, read_number
from tests.cameras import Camera
from tests.live_runs import Run, check_books, lines_of, request_for
from tests.watcher import Watcher, epochs

SMALL, LARGE = (320, 180), (640, 360)
FRAMES = 50
PACKET_BYTES = 188
"""Of an MPEG transport stream."""

PIECES_A_SECOND = 10


@pytest.fixture
def restless(camera: Camera) -> Camera:
    """The camera, where its pictures are twice as large every other two seconds."""
    clips = [Clip(FRAMES, size=SMALL), Clip(FRAMES, size=LARGE, first_number=FRAMES)]
    write_changing(camera.folder / "clip.mp4", clips)
    return camera


def test_pictures_whose_size_changes_are_all_read_and_fitted(restless: Camera) -> None:
    with Watcher(restless.url()) as watcher:
        watcher.more(5 * FRAMES + 1)
    numbers = [read_number(frame.picture) for frame in watcher.frames]
    assert numbers == [index % (2 * FRAMES) for index in range(len(numbers))]
    assert {(frame.picture.width, frame.picture.height) for frame in watcher.frames} == {SMALL}
    assert watcher.source.changes == (len(numbers) - 1) // FRAMES >= 5
    assert watcher.source.reconnects == watcher.source.corrupt == 0
    assert not watcher.outages


def test_a_run_survives_pictures_whose_size_changes(restless: Camera, tmp_path: Path) -> None:
    run = Run(request_for(restless, tmp_path))
    run.wait_for(5 * FRAMES)
    outcome = run.end()
    check_books(tmp_path, outcome)
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = [read_number(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
        assert (container.streams.video[0].width, container.streams.video[0].height) == SMALL
    assert all((other - one) % (2 * FRAMES) in (0, 1) for one, other in pairwise(shown))
    assert not [line for line in lines_of(tmp_path) if line.get("event") == "outage"]


@pytest.mark.parametrize("codecs", [("libx264", "libx265"), ("libx265", "libx264")])
def test_a_stream_whose_codec_changes_is_opened_again(
    codecs: tuple[str, str], tmp_path: Path
) -> None:
    """FFmpeg knows a stream's codec from when it was opened."""
    first, second = (
        make_clip(tmp_path / f"{codec}.ts", frames=2 * FRAMES, size=SMALL, codec=codec)
        for codec in codecs
    )
    with transmitting([first], [second]) as address, Watcher(address, read_s=10) as watcher:
        watcher.wait_for(lambda: watcher.source.reconnects == 1, limit_s=40)
        watcher.more(2 * FRAMES)
    assert watcher.source.reconnects_by == {"no picture": 1}
    assert epochs(watcher) == {0, 1}
    assert len(watcher.outages) == 1
    numbers = [
        read_number(frame.picture)
        for frame in watcher.frames
        if frame.capture and frame.capture.epoch == 1
    ]
    assert numbers == [(numbers[0] + index) % (2 * FRAMES) for index in range(len(numbers))]


def write_changing(path: Path, clips: Sequence[Clip]) -> None:
    """One video that consists of several; what a decoder must know is with each key frame."""
    ticks = 0
    with av.open(str(path), "w") as out:
        stream = add_video(out, clips[0])
        for clip in clips:
            encoder = av.VideoCodecContext.create(clip.codec, "w")
            encoder.width, encoder.height = clip.size
            encoder.pix_fmt = clip.pix_fmt
            encoder.time_base = 1 / clip.fps
            encoder.gop_size = clip.gop
            encoder.options = encoder_options(clip)
            for frame in chain(pictures(clip), [None]):
                if frame is not None:
                    frame.pts, frame.time_base = ticks, encoder.time_base
                    ticks += 1
                for packet in encoder.encode(frame):
                    packet.stream = stream
                    out.mux(packet)


def test_pictures_whose_pixels_change_their_shape_keep_that_of_what_they_show(
    tmp_path: Path,
) -> None:
    square, wide = (
        make_clip(tmp_path / f"{sar}.ts", frames=2 * FRAMES, size=SMALL, sar=Fraction(sar))
        for sar in (1, 2)
    )
    with transmitting([square], [wide]) as address, Watcher(address, read_s=10) as watcher:
        watcher.wait_for(lambda: len(watcher.frames) > 3 * FRAMES, limit_s=20)
    early, late = (watcher.frames[at].picture.planes()[0] for at in (FRAMES, 3 * FRAMES))
    assert early.shape == late.shape
    assert not (early[:40] == 16).all()
    assert (late[:40] == 16).all()
    assert (late[-40:] == 16).all()
    assert read_number(late[46:134]) == FRAMES


@contextmanager
def transmitting(first: Sequence[Path], later: Sequence[Path]) -> Iterator[str]:
    """The address of a transport stream without an end, sent at its own speed.

    first: what the first connection gets before all others' `later`, which is repeated.
    """
    begun = [path.read_bytes() for path in first]
    rest = [path.read_bytes() for path in later]

    class Transmitter(Silent):
        def do_GET(self) -> None:  # noqa: N802 - what the library calls
            self.send_response(200)
            self.end_headers()
            clips = chain(tuple(begun), cycle(rest))
            begun.clear()
            with suppress(OSError):
                for piece in chain.from_iterable(map(pieces, clips)):
                    self.wfile.write(piece)
                    time.sleep(1 / PIECES_A_SECOND)

    with served(Transmitter) as address:
        yield f"http://{address}/live.ts"


def pieces(clip: bytes) -> list[bytes]:
    """Whole packets, as many to a piece as make the clip last as long as it shows."""
    count = 2 * FRAMES // 25 * PIECES_A_SECOND
    size = -(-len(clip) // PACKET_BYTES // count) * PACKET_BYTES
    return [clip[at : at + size] for at in range(0, len(clip), size)]
