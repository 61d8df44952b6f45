"""Whether a stream worker lives, by what its workers say, and not by how often it is asked."""

import json

import pytest

from mien.jobs.books import Books
from mien.jobs.roll_call import HUNG_S, RollCall


class Deployment:
    """Books, a roll call over two workers, and a clock."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.books = Books(lambda: self.now_s)
        self.roll = RollCall(self.books, 2, lambda: self.now_s)

    def say(self, what: str, **fields: int) -> None:
        self.books.read(json.dumps({"what": what, **fields}).encode())

    def live(self, seconds: float, *workers: int) -> None:
        """Time passes, in which these workers say that they live."""
        for _ in range(round(seconds)):
            self.now_s += 1
            for worker in workers:
                self.say("pulse", worker=worker)
            self.roll.look()


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def test_workers_that_speak_live_however_rarely_they_are_asked(deployment: Deployment) -> None:
    deployment.live(10 * HUNG_S, 1, 2)
    assert deployment.roll.trouble() is None
    deployment.live(1, 1, 2)
    deployment.say("died", worker=1)
    deployment.live(2, 2)  # another one is just being started
    assert deployment.roll.trouble() is None


def test_a_worker_that_does_not_come_back_is_missed(deployment: Deployment) -> None:
    deployment.live(10, 1, 2)
    deployment.say("died", worker=1)
    deployment.live(HUNG_S - 1, 2)
    assert deployment.roll.trouble() is None
    deployment.live(3, 2)
    assert deployment.roll.trouble() == "a worker does not begin"


def test_a_worker_that_falls_silent_hangs(deployment: Deployment) -> None:
    deployment.live(10, 1, 2)
    deployment.live(HUNG_S + 1, 2)
    assert deployment.roll.trouble() == "a worker hangs"


def test_while_it_is_drained_workers_may_end_and_the_others_go_on(deployment: Deployment) -> None:
    deployment.live(10, 1, 2)
    assert deployment.roll.absence() is None
    deployment.say("draining")
    deployment.say("died", worker=1)
    deployment.live(20 * HUNG_S, 2)
    assert deployment.roll.trouble() is None
    assert deployment.roll.absence() == "its workers were told to stop"
    deployment.live(HUNG_S + 1)
    assert deployment.roll.trouble() == "a worker hangs"
