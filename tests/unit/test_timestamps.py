"""Placing frames in time."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producer.timestamps import Timeline, to_ns

MS = Fraction(1, 1000)
FPS_25 = Fraction(1, 25)


def place_all(line: Timeline, stamps: list[int | None]) -> list[int]:
    return [line.place(stamp, None, None) for stamp in stamps]


def test_time_counts_from_the_first_frame_wherever_that_is() -> None:
    line = Timeline(Fraction(1, 90000), FPS_25)
    assert place_all(line, [75060, 78660, 82260]) == [0, 40_000_000, 80_000_000]
    assert line.first_s == Fraction(75060, 90000)


def test_ntsc_times_are_exact_to_the_nanosecond_after_a_day() -> None:
    line = Timeline(Fraction(1001, 30000), None)
    frames = 24 * 3600 * 30
    for hour in range(0, frames, 3000 * 30):
        line.place(hour, None, None)
    assert line.place(frames, None, None) == round(frames * 1001 * 10**9 / Fraction(30000))


def test_a_gap_is_kept() -> None:
    assert place_all(Timeline(MS, FPS_25), [0, 40, 50_000, 50_040])[2:] == [
        50_000_000_000,
        50_040_000_000,
    ]


def test_missing_stamps_go_on_at_the_stated_rate_without_drift() -> None:
    line = Timeline(MS, Fraction(1001, 30000))
    times = place_all(line, [None] * 3001)
    assert times[3000] == to_ns(3000 * Fraction(1001, 30000))
    assert line.first_s is None


def test_the_decoder_s_order_helps_where_the_presentation_time_is_missing() -> None:
    line = Timeline(MS, FPS_25)
    assert [line.place(None, dts, None) for dts in (100, 150, 230)] == [0, 50_000_000, 130_000_000]


def test_a_first_frame_without_a_stamp_lies_one_interval_before_the_second() -> None:
    assert place_all(Timeline(MS, FPS_25), [None, 5000, 5040]) == [0, 40_000_000, 80_000_000]


def test_a_repeated_stamp_is_one_tick_later() -> None:
    assert place_all(Timeline(MS, FPS_25), [0, 40, 40, 80]) == [
        0,
        40_000_000,
        41_000_000,
        80_000_000,
    ]


def test_a_stamp_that_goes_back_a_little_is_one_tick_later() -> None:
    assert place_all(Timeline(MS, FPS_25), [0, 80, 40, 120]) == [
        0,
        80_000_000,
        81_000_000,
        120_000_000,
    ]


def test_a_wrap_goes_on_where_it_was() -> None:
    wrap = 1 << 33
    line = Timeline(Fraction(1, 90000), FPS_25, wrap)
    stamps = [(wrap - 7200 + 3600 * index) % wrap for index in range(5)]
    assert place_all(line, list(stamps)) == [index * 40_000_000 for index in range(5)]


def test_two_wraps_go_on_too() -> None:
    wrap = 1 << 10
    line = Timeline(MS, FPS_25, wrap)
    times = place_all(line, [index * 100 % wrap for index in range(30)])
    assert times == [index * 100_000_000 for index in range(30)]


def test_a_new_beginning_follows_the_old_end() -> None:
    times = place_all(Timeline(MS, FPS_25), [100_000, 100_040, 0, 40, 80])
    assert times == [0, 40_000_000, 80_000_000, 120_000_000, 160_000_000]


def test_the_end_is_the_last_frame_s_own_length() -> None:
    line = Timeline(MS, FPS_25)
    assert line.end_ns == 0
    line.place(0, None, 40)
    line.place(40, None, 500)
    assert line.end_ns == 540_000_000


def test_the_end_without_a_length_goes_by_the_rate_then_by_the_step_then_by_40_ms() -> None:
    stated = Timeline(MS, Fraction(1, 50))
    place_all(stated, [0, 100])
    assert stated.end_ns == 120_000_000
    unstated = Timeline(MS, None)
    place_all(unstated, [0, 100])
    assert unstated.end_ns == 200_000_000
    alone = Timeline(MS, None)
    alone.place(7, None, 0)
    assert alone.end_ns == 40_000_000


@given(
    st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=2, max_size=30),
    st.sampled_from([Fraction(1, 90000), MS, FPS_25, Fraction(1, 10**9)]),
    st.sampled_from([None, 1 << 33]),
)
def test_times_always_increase(
    stamps: list[int | None], time_base: Fraction, wrap: int | None
) -> None:
    line = Timeline(time_base, FPS_25, wrap)
    times = place_all(line, stamps)
    assert all(later > earlier for earlier, later in pairwise(times))
    assert line.end_ns > times[-1]
