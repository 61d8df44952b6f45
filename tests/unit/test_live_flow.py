"""What keeps a live stream from falling behind, and tells how it is."""

from mien.contract.live import MOST_CREDIT, Credit, LiveProgress
from producer.backoff import FIRST_S, LONGEST_S, MOST_ABSENCES, REFUSED_S, Backoff


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def under_way(credit: Credit, start: int) -> int:
    """How many more may be sent now."""
    count = 0
    while credit.take(start + count):
        count += 1
    return count


def test_credit_grows_while_analyses_come_in_time() -> None:
    credit = Credit(Clock())
    for index in range(1000):
        assert credit.take(index)
        credit.back(index, late=False)
    assert under_way(credit, 1000) == MOST_CREDIT


def test_credit_shrinks_to_one_and_never_to_none() -> None:
    clock = Clock()
    credit = Credit(clock)
    for index in range(20):
        clock.now_s += 1
        assert credit.take(index)
        clock.now_s += 1
        credit.back(index, late=True)
    assert under_way(credit, 20) == 1


def test_analyses_sent_together_that_come_late_together_count_once() -> None:
    clock = Clock()
    credit = Credit(clock)
    assert under_way(credit, 0) == 4
    clock.now_s += 1
    for index in range(4):
        credit.back(index, late=True)
    assert under_way(credit, 10) == 2


def test_an_analysis_that_never_comes_does_not_hold_its_place_for_ever() -> None:
    clock = Clock()
    credit = Credit(clock)
    under_way(credit, 0)
    assert not credit.take(50)
    clock.now_s += 11
    assert credit.take(51)
    assert credit.waiting


def test_an_analysis_is_not_forgotten_while_its_picture_waits() -> None:
    clock = Clock()
    credit = Credit(clock, max_latency_s=30.0)
    under_way(credit, 0)
    clock.now_s += 31
    assert not credit.take(50)
    clock.now_s += 30
    assert credit.take(51)


def test_an_analysis_that_comes_twice_counts_once() -> None:
    credit = Credit(Clock())
    under_way(credit, 0)
    credit.back(0, late=False)
    credit.back(0, late=False)
    assert under_way(credit, 10) == 1


def test_latencies_are_of_the_last_minute_and_losses_of_all_time() -> None:
    clock = Clock()
    progress = LiveProgress(clock)
    assert progress.as_dict()["latency_p50_s"] is None
    for _ in range(100):
        clock.now_s += 1
        progress.written(9.0)
    progress.lost("late", 3)
    for number in range(61):
        clock.now_s += 1
        progress.written(number / 100)
    told = progress.as_dict()
    assert told["fps"] == 1.02
    assert told["latency_p50_s"] == 0.3
    assert told["latency_p95_s"] == 0.57
    assert told["drops"] == {"late": 3}
    assert told["uptime_s"] == 161.0


def test_waits_double_up_to_a_limit_that_brings_a_camera_back_in_time() -> None:
    backoff = Backoff(draw=lambda: 1.0)
    waits = [backoff.wait_s() for _ in range(6)]
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert LONGEST_S < 8
    backoff.lasted(5)
    assert backoff.wait_s() == LONGEST_S
    backoff.lasted(61)
    assert backoff.wait_s() == FIRST_S


def test_no_two_cameras_are_tried_in_the_same_moment() -> None:
    assert Backoff(draw=lambda: 0.0).wait_s() == FIRST_S / 2
    assert len({Backoff().wait_s() for _ in range(20)}) > 15


def test_who_gave_pictures_and_knows_them_no_more_is_asked_soon_but_not_for_ever() -> None:
    backoff = Backoff(draw=lambda: 1.0)
    assert backoff.wait_s(refused=True, absent=True) == REFUSED_S, "it has never worked"
    for _ in range(2):
        backoff.lasted(3)
        waits = [backoff.wait_s(refused=True, absent=True) for _ in range(MOST_ABSENCES + 2)]
        assert max(waits[:-2]) <= LONGEST_S
        assert waits[-2:] == [REFUSED_S, REFUSED_S]


def test_a_wrong_password_is_asked_for_seldom_though_it_has_worked() -> None:
    backoff = Backoff(draw=lambda: 1.0)
    backoff.lasted(3)
    assert backoff.wait_s(refused=True) == REFUSED_S


def test_who_refuses_is_asked_seldom() -> None:
    assert Backoff(draw=lambda: 0.0).wait_s(refused=True) > REFUSED_S / 2
