"""What is told of a worker: readings that do not hold up a scrape, meters, and the port."""

import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mien.contract.errors import TransportError, UsageError
from mien.monitoring.analyzer import HUNG_S, WINDOW_S, Meter
from mien.monitoring.reading import Reading
from mien.monitoring.server import listen, serve
from tests.monitoring import fetch
from tests.servers import free_port


def test_a_reading_is_kept_for_a_moment() -> None:
    asked: list[int] = []
    reading = Reading(lambda: asked.append(1) or len(asked), life_s=60)
    assert [reading.get(), reading.get()] == [1, 1]
    hasty = Reading(lambda: asked.append(1) or len(asked), life_s=0)
    assert hasty.get() != hasty.get()


def test_a_server_that_hangs_holds_nobody_up() -> None:
    go = threading.Event()
    reading = Reading(lambda: go.wait(20), life_s=60, patience_s=0.1)
    begin = time.monotonic()
    assert reading.get() is None
    assert time.monotonic() - begin < 10
    go.set()
    assert Reading(lambda: 1).get() == 1


def test_a_server_that_refuses_gives_no_reading() -> None:
    def refuse() -> int:
        raise TransportError("no")

    assert Reading(refuse).get() is None


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_meter_knows_the_share_of_time_at_work() -> None:
    clock = Clock()
    meter = Meter(clock)
    assert meter.busy == 0
    meter.end()
    clock.now_s += WINDOW_S / 2
    meter.begin()
    clock.now_s += WINDOW_S / 4
    assert meter.busy == pytest.approx(1 / 4)
    clock.now_s += WINDOW_S / 4
    meter.end()
    assert meter.busy == pytest.approx(1 / 2)
    clock.now_s += WINDOW_S * 3 / 4
    assert meter.busy == pytest.approx(1 / 4)
    clock.now_s += WINDOW_S
    meter.end()
    assert meter.busy == 0


def test_only_a_long_analysis_is_a_hang() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.begin()
    assert not meter.hangs
    clock.now_s += HUNG_S + 1
    assert meter.hangs
    meter.handing_in(over=False)  # a server that is away is waited for
    clock.now_s += HUNG_S + 1
    assert not meter.hangs
    meter.handing_in(over=True)
    assert not meter.hangs
    meter.end()
    clock.now_s += HUNG_S + 1
    assert not meter.hangs


class Fixed(Collector):
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("fixed", "A number.", value=3)


def test_a_port_tells_metrics_life_and_readiness() -> None:
    port = free_port()
    door = listen(port)
    assert door is not None
    trouble = "it is not loaded"
    serve(door, [Fixed()], lambda: None, lambda: trouble)
    for _ in range(2):
        assert fetch(port, "/healthz") == (200, "ok\n")
        assert fetch(port, "/readyz") == (503, "it is not loaded\n")
        assert fetch(port, "/")[0] == 404
        assert "fixed 3.0" in fetch(port, "/metrics")[1]
    trouble = ""
    assert fetch(port, "/readyz") == (200, "ok\n")


def test_a_port_that_is_taken_is_refused_and_another_found() -> None:
    port = free_port()
    door = listen(port)
    assert door is not None
    with door:
        with pytest.raises(UsageError, match=f"{port}.*--metrics-port"):
            listen(port)
        found, other = listen(None), listen(None)
        assert found is not None
        assert other is not None
        with found, other:
            assert found.getsockname()[1] != other.getsockname()[1]
