"""What a worker serves: answers that do not hold up a scrape, meters, and the port."""

import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mien.contract.errors import TransportError, UsageError
from mien.monitoring.analyzer import HUNG_S, WINDOW_S, Meter, MeteredWork
from mien.monitoring.cached_answer import CachedAnswer
from mien.monitoring.concurrent_collector import ConcurrentCollector
from mien.monitoring.server import listen, serve
from mien.transport.memory import MemoryTransport
from mien.transport.ports import Lease
from tests.analyses import SETTINGS, image, record
from tests.monitoring import fetch
from tests.servers import free_port


def test_an_answer_is_kept_for_a_moment() -> None:
    asked: list[int] = []
    kept = CachedAnswer(lambda: asked.append(1) or len(asked), max_age_s=60)
    assert [kept.get(), kept.get()] == [1, 1]
    fresh = CachedAnswer(lambda: asked.append(1) or len(asked), max_age_s=0)
    assert fresh.get() != fresh.get()


def test_a_server_that_hangs_holds_nobody_up() -> None:
    go = threading.Event()
    answer = CachedAnswer(lambda: go.wait(20), max_age_s=60, timeout_s=0.1)
    begin = time.monotonic()
    assert answer.get() is None
    assert time.monotonic() - begin < 10
    go.set()
    assert CachedAnswer(lambda: 1).get() == 1


def test_queries_that_are_made_together_share_one_time_out() -> None:
    go = threading.Event()
    answers = [CachedAnswer(lambda: go.wait(20), max_age_s=60, timeout_s=0.3) for _ in range(20)]
    for answer in answers:
        answer.refresh()
    begin = time.monotonic()
    assert [answer.get() for answer in answers] == [None] * 20
    first_s = time.monotonic() - begin
    assert [answer.get() for answer in answers] == [None] * 20
    go.set()
    assert first_s < 20 * 0.3 / 2


def test_collectors_are_all_refreshed_before_one_is_waited_for() -> None:
    told: list[str] = []

    class One:
        def __init__(self, name: str) -> None:
            self._name = name

        def refresh(self) -> None:
            told.append(f"refresh {self._name}")

        def collect(self) -> Iterator[Metric]:
            told.append(f"wait for {self._name}")
            yield GaugeMetricFamily(self._name, "A number.", value=1)

    collector = ConcurrentCollector([One("a"), One("b")])
    assert [family.name for family in collector.collect()] == ["a", "b"]
    assert told == ["refresh a", "refresh b", "wait for a", "wait for b"]


def test_a_server_that_refuses_gives_no_answer() -> None:
    def refuse() -> int:
        raise TransportError("no")

    assert CachedAnswer(refuse).get() is None


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
    meter.begin_server_call()  # a server that is away is waited for
    clock.now_s += HUNG_S + 1
    assert not meter.hangs
    meter.end_server_call()
    assert not meter.hangs
    meter.end()
    clock.now_s += HUNG_S + 1
    assert not meter.hangs


def test_who_waits_for_the_server_with_images_in_hand_does_not_hang() -> None:
    clock, transport = Clock(), MemoryTransport()
    meter = Meter(clock)

    class Away:
        def take(self, limit: int, wait_s: float) -> list[Lease]:
            clock.now_s += HUNG_S + 1
            hung.append(meter.hangs)
            return []

    hung: list[bool] = []
    work = MeteredWork(transport.work(), meter)
    transport.stream("a", SETTINGS).offer(image("a", 0))
    work.take(2, 0)
    work._work = Away()  # type: ignore[assignment]  # it is asked to take alone
    work.take(1, 0)
    assert hung == [False]
    assert not meter.hangs
    transport.close()


def test_who_waits_for_more_with_images_in_hand_is_at_work() -> None:
    clock, transport = Clock(), MemoryTransport()
    meter = Meter(clock)
    work = MeteredWork(transport.work(), meter)
    stream = transport.stream("a", SETTINGS)
    stream.offer(image("a", 0))
    (lease,) = work.take(2, 0)
    clock.now_s += WINDOW_S / 4
    assert work.take(1, 0) == []  # for a batch that is not full
    clock.now_s += WINDOW_S / 4
    assert meter.busy == pytest.approx(1 / 2)
    clock.now_s += HUNG_S
    assert meter.hangs
    work.publish(lease, record(0))
    work.take(1, 0)
    clock.now_s += WINDOW_S
    assert meter.busy == 0
    transport.close()


class Fixed(Collector):
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("fixed", "A number.", value=3)


def test_a_port_tells_metrics_life_and_readiness() -> None:
    port = free_port()
    listener = listen(port)
    assert listener is not None
    trouble = "it is not loaded"
    serve(listener, [Fixed()], lambda: None, lambda: trouble)
    for _ in range(2):
        assert fetch(port, "/healthz") == (200, "ok\n")
        assert fetch(port, "/readyz") == (503, "it is not loaded\n")
        assert fetch(port, "/")[0] == 404
        assert "fixed 3.0" in fetch(port, "/metrics")[1]
    trouble = ""
    assert fetch(port, "/readyz") == (200, "ok\n")


class Broken(Collector):
    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("begun", "A number.", value=1)
        raise KeyError("nobody foresaw it")


def test_a_collector_that_fails_costs_no_series_of_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    door = listen(port)
    assert door is not None
    serve(door, [Broken(), Fixed()], lambda: None, lambda: None)
    status, page = fetch(port, "/metrics")
    assert status == 200
    assert "begun 1.0" in page
    assert "fixed 3.0" in page
    assert "some metrics are missing" in caplog.text


def test_metrics_are_kept_to_an_address_or_to_nobody() -> None:
    port = free_port()
    listener = listen(port, "127.0.0.1")
    assert listener is not None
    with listener:
        assert listener.getsockname() == ("127.0.0.1", port)
    assert listen(0) is None
    for asked in (port, None):
        with pytest.raises(UsageError, match=r"at 192\.0\.2\.1 .*--metrics-host"):
            listen(asked, "192.0.2.1")  # an address that no machine has


def test_a_port_that_is_taken_is_refused_and_another_found() -> None:
    port = free_port()
    listener = listen(port)
    assert listener is not None
    with listener:
        told = rf"{port} .*cannot be opened \(address already in use\): .*--metrics-port"
        with pytest.raises(UsageError, match=told):
            listen(port)
        found, other = listen(None), listen(None)
        assert found is not None
        assert other is not None
        with found, other:
            assert found.getsockname()[1] != other.getsockname()[1]
