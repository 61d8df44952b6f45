"""A camera's pictures without a camera: numbered ones for a sink, and how they are read back."""

import time
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mien.contract.frames import SourceInfo
from mien.contract.outputs import OutputSettings
from mien.contract.pictures import Colour, Picture
from tests.builders import draw_number, read_number
from workers.sink import Sink

SIZE = (160, 120)
FPS = 25
FRAME_NS = 1_000_000_000 // FPS

INFO = SourceInfo(
    name="rtsp://camera/live",
    kind="live",
    width=SIZE[0],
    height=SIZE[1],
    colour=Colour(),
    source_fps=Fraction(FPS),
    time_base=Fraction(1, 90_000),
    duration_ns=None,
    frame_count=None,
    first_pts_ns=0,
    codec="h264",
    pixel_format="yuv420p",
    rotation=0,
)


def numbered(number: int, *, noisy: bool = False) -> Picture:
    """A picture that shows its number; a noisy one is large when it is encoded."""
    data = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
    data[: SIZE[1]] = draw_number(number, SIZE)
    if noisy:
        data[:] = data // 2 + np.random.default_rng(number).integers(0, 100, data.shape, np.uint8)
    return Picture(data, *SIZE, Colour())


def feed(
    sink: Sink, numbers: Iterable[int], *, pace_s: float = 0.0, noisy: bool = False
) -> Iterator[int]:
    """Write pictures at 25 a second of their own time, one each `pace_s` of ours."""
    for number in numbers:
        sink.write(numbered(number, noisy=noisy), number * FRAME_NS, FRAME_NS)
        yield number
        time.sleep(pace_s)


def settings_for(*targets: Path | str, **settings: object) -> list[OutputSettings]:
    return [OutputSettings(target, **{"fps": None, **settings}) for target in targets]  # type: ignore[arg-type]


def shown(path: Path | str, most: int | None = None) -> list[int]:
    """The numbers of the pictures in a file or playlist, or at an address; at most so many."""
    numbers: list[int] = []
    with av.open(str(path)) as container:
        try:
            for frame in container.decode(video=0):
                numbers.append(read_number(frame.to_ndarray(format="rgb24")))
                if len(numbers) == most:
                    break
        except av.error.InvalidDataError:
            pass  # the torn end of a file whose writer was killed
    return numbers


def times_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return [float(f.pts * f.time_base) for f in frames if f.pts is not None]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_gapless(numbers: Sequence[int]) -> bool:
    return list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))
