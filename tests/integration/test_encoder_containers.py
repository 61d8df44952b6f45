"""Which rates the containers get that cannot take any."""

from fractions import Fraction
from pathlib import Path

import pytest

from mien.contract.errors import UsageError
from tests.integration.test_encoder import info_of
from workers.containers import CONTAINERS, check_fps, constant_fps, container_of
from workers.video_encoder import find_encoder

NTSC = Fraction(30_000, 1001)


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm", "ts", "flv", "MP4"])
def test_most_containers_take_any_times(extension: str) -> None:
    assert constant_fps(Path(f"out.{extension}"), info_of(source_fps=NTSC)) is None


@pytest.mark.parametrize(
    ("extension", "source", "wanted"),
    [
        ("avi", NTSC, NTSC),
        ("avi", Fraction(12), Fraction(12)),
        ("avi", Fraction(4090, 200), Fraction(20)),
        ("avi", None, Fraction(25)),
        ("avi", Fraction(90_000), Fraction(60)),
        ("mpg", NTSC, NTSC),
        ("mpg", Fraction(15), Fraction(24_000, 1001)),
        ("mpg", Fraction(120), Fraction(60)),
        ("mpg", None, Fraction(25)),
    ],
)
def test_the_others_get_a_rate_near_the_source(
    extension: str, source: Fraction | None, wanted: Fraction
) -> None:
    assert constant_fps(Path(f"out.{extension}"), info_of(source_fps=source)) == wanted


def test_a_rate_that_mpeg_does_not_know_is_refused() -> None:
    check_fps(Path("out.mpg"), NTSC)
    check_fps(Path("out.avi"), Fraction(7))
    with pytest.raises(UsageError, match=r"29\.97"):
        check_fps(Path("out.mpg"), Fraction(7))


def test_the_usual_encoder_of_each_container_is_there_and_fits() -> None:
    for extension, container in CONTAINERS.items():
        assert find_encoder(container.encoder, container, extension).name == container.encoder


def test_an_unknown_extension_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"\.mp4 .*\.webm"):
        container_of(Path("out.xyz"))
