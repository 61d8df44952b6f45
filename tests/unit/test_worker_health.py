"""Whether a stream worker is alive, by its processes' messages, however often it is probed."""

import json

import pytest

from mien.jobs.aggregator import MetricsAggregator
from mien.jobs.worker_health import HUNG_S, WorkerHealth


class Deployment:
    """An aggregator, the health of two workers, and a clock."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.aggregator = MetricsAggregator(lambda: self.now_s)
        self.health = WorkerHealth(self.aggregator, 2, lambda: self.now_s)

    def send(self, what: str, **fields: int) -> None:
        self.aggregator.receive(json.dumps({"what": what, **fields}).encode())

    def live(self, seconds: float, *workers: int) -> None:
        """Time passes, in which these workers send heartbeats."""
        for _ in range(round(seconds)):
            self.now_s += 1
            for worker in workers:
                self.send("pulse", worker=worker)
            self.health.poll()


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def test_workers_with_heartbeats_are_alive_however_rarely_they_are_probed(
    deployment: Deployment,
) -> None:
    deployment.live(10 * HUNG_S, 1, 2)
    assert deployment.health.liveness_problem() is None
    deployment.live(1, 1, 2)
    deployment.send("died", worker=1)
    deployment.live(2, 2)  # another one is just being started
    assert deployment.health.liveness_problem() is None


def test_a_worker_that_does_not_come_back_is_missed(deployment: Deployment) -> None:
    deployment.live(10, 1, 2)
    deployment.send("died", worker=1)
    deployment.live(HUNG_S - 1, 2)
    assert deployment.health.liveness_problem() is None
    deployment.live(3, 2)
    assert deployment.health.liveness_problem() == "a worker has not started"


def test_a_worker_that_falls_silent_hangs(deployment: Deployment) -> None:
    deployment.live(10, 1, 2)
    deployment.live(HUNG_S + 1, 2)
    assert deployment.health.liveness_problem() == "a worker hangs"


def test_while_it_is_drained_workers_may_end_and_the_others_go_on(deployment: Deployment) -> None:
    deployment.live(10, 1, 2)
    assert deployment.health.readiness_problem() is None
    deployment.send("draining")
    deployment.send("died", worker=1)
    deployment.live(20 * HUNG_S, 2)
    assert deployment.health.liveness_problem() is None
    assert deployment.health.readiness_problem() == "its workers were told to stop"
    deployment.live(HUNG_S + 1)
    assert deployment.health.liveness_problem() == "a worker hangs"
