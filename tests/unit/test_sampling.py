"""Which frames are shown and analysed, for any times that a source may have."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from mien.contract.frames import SECOND_NS
from mien.contract.waiting import Showing
from producer.sampling import AnalysisSampler, ConstantRate, EveryFrame, NoFrame

rates = st.fractions(min_value=Fraction(1, 10), max_value=240, max_denominator=1001)
gaps = st.lists(st.integers(min_value=1, max_value=3 * SECOND_NS), min_size=1, max_size=60)


def times(gaps_ns: list[int]) -> list[int]:
    """Start times of frames, and the end of the last one."""
    starts = [0]
    for gap in gaps_ns:
        starts.append(starts[-1] + gap)
    return starts


def shown_with(sampler: ConstantRate, starts: list[int]) -> list[tuple[int, Showing]]:
    last = len(starts) - 2
    return [
        (index, showing)
        for index in range(last + 1)
        for showing in sampler.showings(starts[index], starts[index + 1], last=index == last)
    ]


@given(rates, gaps)
def test_a_constant_rate_keeps_the_duration_to_within_one_output_frame(
    rate: Fraction, gaps_ns: list[int]
) -> None:
    starts = times(gaps_ns)
    shown = shown_with(ConstantRate(rate), starts)
    slot_ns = SECOND_NS / rate
    assert abs(len(shown) * slot_ns - starts[-1]) <= slot_ns


@given(rates, gaps)
def test_a_constant_rate_fills_every_slot_once_and_in_order(
    rate: Fraction, gaps_ns: list[int]
) -> None:
    shown = shown_with(ConstantRate(rate), times(gaps_ns))
    assert [showing.pts_ns for _, showing in shown] == [
        round(slot * SECOND_NS / rate) for slot in range(len(shown))
    ]
    assert [index for index, _ in shown] == sorted(index for index, _ in shown)


@given(rates, gaps)
def test_no_slot_is_more_than_half_a_slot_from_its_frame(
    rate: Fraction, gaps_ns: list[int]
) -> None:
    starts = times(gaps_ns)
    slot_ns = SECOND_NS / rate
    shown = shown_with(ConstantRate(rate), starts)
    if len(shown) == 1:
        return  # the one picture of a very short source
    for index, showing in shown:
        assert starts[index] - slot_ns / 2 <= showing.pts_ns + 1
        assert showing.pts_ns - 1 <= starts[index + 1] + slot_ns / 2


def test_24_frames_a_second_from_30_leave_out_every_fifth() -> None:
    starts = [index * SECOND_NS // 30 for index in range(31)]
    shown = shown_with(ConstantRate(Fraction(24)), starts)
    assert len(shown) == 24
    assert len({index for index, _ in shown}) == 24


def test_60_frames_a_second_from_25_repeat_frames() -> None:
    starts = [index * SECOND_NS // 25 for index in range(26)]
    shown = shown_with(ConstantRate(Fraction(60)), starts)
    assert len(shown) == 60
    assert {index for index, _ in shown} == set(range(25))


def test_without_a_rate_every_frame_keeps_its_own_time() -> None:
    assert EveryFrame().showings(70, 110) == (Showing(70, 40),)


def test_without_a_video_nothing_is_shown() -> None:
    assert NoFrame().showings(0, 40, last=True) == ()


@given(rates, gaps)
def test_the_first_frame_at_or_after_each_tick_is_analysed(
    rate: Fraction, gaps_ns: list[int]
) -> None:
    starts = times(gaps_ns)[:-1]
    sampler = AnalysisSampler(rate)
    wanted = [start for start in starts if sampler.wants(start)]
    half = Fraction(1, 2)  # times are rounded to whole nanoseconds
    ticks = range(int((starts[-1] + half) * rate / SECOND_NS) + 1)
    expected = {min(s for s in starts if (s + half) * rate >= tick * SECOND_NS) for tick in ticks}
    assert wanted == sorted(expected)


@given(st.sampled_from([24, 25, 30, 60, 120, Fraction(30000, 1001), Fraction(24000, 1001)]))
def test_the_sources_own_rate_analyses_and_shows_every_frame(fps: Fraction) -> None:
    starts = [round(index * SECOND_NS / fps) for index in range(3001)]
    sampler = AnalysisSampler(Fraction(fps))
    assert all(sampler.wants(start) for start in starts[:-1])
    shown = shown_with(ConstantRate(Fraction(fps)), starts)
    assert [index for index, _ in shown] == list(range(3000))


def test_half_the_rate_shows_every_other_frame_and_never_stumbles() -> None:
    starts = [round(index * SECOND_NS / Fraction(48)) for index in range(481)]
    shown = [index for index, _ in shown_with(ConstantRate(Fraction(24)), starts)]
    assert shown == list(range(0, 480, 2))


@given(gaps)
def test_all_frames_are_analysed_where_all_are_asked_for(gaps_ns: list[int]) -> None:
    sampler = AnalysisSampler(None)
    assert all(sampler.wants(start) for start in times(gaps_ns))
