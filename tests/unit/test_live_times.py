"""Times of live pictures: they go on, whatever the source's stamps and connections do."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producer.live_times import BEHIND_NS, CAMERA_AHEAD_NS, Arrivals, LiveTimes

MS = 1_000_000
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["picture", "anchor", "mark"]),
        st.integers(-(10**11), 10**11),
        st.integers(0, 10**9),
    ),
    max_size=60,
)


@given(EVENTS, st.booleans())
def test_time_never_stands_still_and_never_goes_back(
    events: list[tuple[str, int, int]], paced: bool
) -> None:
    times, found, now = LiveTimes(paced=paced), [], 0
    for kind, stamp, passed in events:
        now += passed
        if kind == "anchor":
            times.anchor()
        else:
            found.append(times.place(stamp, now) if kind == "picture" else times.mark(now))
    assert all(one < other for one, other in pairwise(found))
    assert found == [] or found[-1] == times.last_ns


def test_pictures_keep_the_distances_that_the_camera_gives_them() -> None:
    times = LiveTimes(paced=False)
    arrivals = [0, 41, 95, 118, 166, 200]  # the net is not steady
    placed = [times.place(40 * n * MS, at * MS) for n, at in enumerate(arrivals)]
    assert placed == [40 * n * MS for n in range(6)]


def test_a_new_connection_is_placed_by_the_clock() -> None:
    times = LiveTimes(paced=False)
    times.place(0, 0)
    times.anchor()
    assert times.place(0, 7_000 * MS) == 7_000 * MS
    assert times.place(40 * MS, 7_001 * MS) == 7_040 * MS


def test_a_camera_whose_clock_is_fast_does_not_run_away() -> None:
    times = LiveTimes(paced=False)
    last = 0
    for n in range(2000):
        last = times.place(50 * n * MS, 40 * n * MS)
    assert abs(last - 40 * 1999 * MS) <= CAMERA_AHEAD_NS + MS


def test_a_camera_whose_clock_is_slow_does_not_fall_behind() -> None:
    times = LiveTimes(paced=False)
    last = 0
    for n in range(25 * 3600):
        last = times.place(int(39.6 * n * MS), 40 * n * MS)
    assert 0 <= 40 * (25 * 3600 - 1) * MS - last <= BEHIND_NS


def test_a_delay_on_the_way_moves_no_picture() -> None:
    times = LiveTimes(paced=False)
    placed = [times.place(40 * n * MS, (40 * n + (900 if n > 5 else 0)) * MS) for n in range(20)]
    assert placed == [40 * n * MS for n in range(20)]


def test_segments_that_come_late_move_what_follows() -> None:
    times = LiveTimes(paced=True)
    assert times.place(0, 0) == 0
    assert times.place(2_000 * MS, 100 * MS) == 2_000 * MS
    assert times.place(4_000 * MS, 5_000 * MS) == 5_000 * MS
    assert times.place(6_000 * MS, 5_100 * MS) == 7_000 * MS


def test_a_burst_is_placed_by_the_clock_when_it_is_its_turn() -> None:
    times = LiveTimes(paced=True)
    times.place(0, 0)
    times.anchor()
    assert times.place(40 * MS, 1 * MS, 3_000 * MS) == 3_000 * MS
    assert times.place(80 * MS, 2 * MS, 3_001 * MS) == 3_040 * MS


def test_stamps_of_a_server_that_leap_are_not_waited_for() -> None:
    times = LiveTimes(paced=True)
    stamps = [0, 40, 80, 300_080, 300_120, 300_160]
    assert [times.place(at * MS, n * MS) // MS for n, at in enumerate(stamps)] == [
        0, 40, 80, 120, 160, 200
    ]  # fmt: skip
    times.anchor()
    assert times.place(300_200 * MS, 1_000 * MS) == 1_000 * MS
    assert times.place(900_200 * MS, 1_001 * MS) == 1_040 * MS, "what is usual is known still"


def test_a_pause_of_a_server_is_kept() -> None:
    times = LiveTimes(paced=True)
    came = [0, 1, 20_000, 20_001]
    stamps = [0, 40, 20_040, 20_080]
    placed = [times.place(at * MS, n * MS) for n, at in zip(came, stamps, strict=True)]
    assert placed == [at * MS for at in stamps]


def test_pictures_of_a_server_may_be_far_apart() -> None:
    times = LiveTimes(paced=True)
    for begin in (0, 100_000):
        times.anchor()
        now = [begin + max(0, 8_000 * (n - 1)) for n in range(5)]
        placed = [times.place(8_000 * n * MS, begin * MS, at * MS) for n, at in enumerate(now)]
        assert [at // MS for at in placed] == [begin + 8_000 * n for n in range(5)]


def test_arrivals_tell_the_interval_but_not_of_pictures_that_come_together() -> None:
    arrivals = Arrivals()
    told = [(arrivals.place(at), arrivals.interval_ns) for at in (70, 80, 95)]
    assert told == [(0, None), (10, None), (25, None)], "read ahead where it was opened"
    assert arrivals.place(95 + 3_000 * MS) == 25 + 3_000 * MS
    for late in range(3):
        arrivals.place(100 + 3_000 * MS + late)
    assert arrivals.interval_ns == 3_000 * MS
