"""Times that containers find hard to keep."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from mien.contract.frames import SECOND_NS
from mien.contract.outputs import OutputSettings
from tests.integration.test_encoder import (
    STAMPED,
    decoded,
    info_of,
    picture_of,
    times_ms,
    write,
)
from workers.outputs import open_sink


@pytest.mark.parametrize("extension", ["mp4", "mov"])
@pytest.mark.parametrize("frames", [4, 5, 6, 7, 9, 40])
def test_the_last_picture_keeps_its_length_whichever_is_decoded_last(
    tmp_path: Path, extension: str, frames: int
) -> None:
    path = tmp_path / f"out.{extension}"
    sink = open_sink([OutputSettings(path, None)], info_of(), None)
    for number in range(frames):  # alike, so that the encoder predicts them from both sides
        last = number == frames - 1
        sink.write(picture_of(100), number * 40_000_000, 2 * SECOND_NS if last else 40_000_000)
    sink.finish()
    sink.commit()
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert stream.duration * stream.time_base == Fraction(40 * (frames - 1) + 2000, 1000)


@pytest.mark.parametrize("extension", STAMPED)
def test_pictures_nearer_to_each_other_than_a_containers_ticks_follow_one_another(
    tmp_path: Path, extension: str
) -> None:
    path = tmp_path / f"out.{extension}"
    wanted = [0, 40, 80, 80.002, 80.004, 120, 160, 200]
    write(path, wanted, info_of(time_base=Fraction(1, 500_000)))
    times = times_ms(decoded(path))
    assert [time - times[0] for time in times] == pytest.approx(wanted, abs=1.1)
