"""A live stream's port waits for no server: it tells what was lost, and goes on by itself."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mien.contract.analyses import AnalysisRecord
from mien.contract.errors import Closed
from mien.contract.live import AWAY
from mien.transport.keys import Lifetimes
from mien.transport.ports import Superseded
from mien.transport.redis import RedisTransport, StreamSide
from mien.transport.wire import encode_record
from tests.analyses import SETTINGS, image, record
from tests.servers import KINDS, Server
from tests.waiting import wait_for

QUICK = Lifetimes(renew_s=0.2, heart_s=1.0, beat_s=0.1)
LIMIT_S = 15.0
MOMENT_S = 5.0
"""For a busy machine; who waits for a server that hangs waits three times as long."""


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    started = Server(request.param, tmp_path).start()
    yield started
    started.remove()


@pytest.fixture
def transport(server: Server) -> Iterator[RedisTransport]:
    opened = RedisTransport(server.url, lifetimes=QUICK)
    yield opened
    opened.close()


class Camera:
    """Offers an image every now and then and reads what comes of them."""

    def __init__(self, port: StreamSide) -> None:
        self.port = port
        self.records: list[AnalysisRecord] = []
        self.longest_s = 0.0
        self.index = -1

    def step(self) -> None:
        self.index += 1
        begin_s = time.monotonic()
        self.port.offer(image("a", self.index))
        self.records += self.port.read(len(self.records), 0.05)
        self.longest_s = max(self.longest_s, time.monotonic() - begin_s)

    def until(self, happened: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while not happened():
            assert time.monotonic() < deadline_s, "it did not happen"
            self.step()

    @property
    def lost(self) -> list[int]:
        return [one.index for one in self.records if one.reason == AWAY]

    @property
    def answered(self) -> list[int]:
        return [one.index for one in self.records if one.analysis is not None]


def work_on(transport: RedisTransport) -> Callable[[], None]:
    """Analyses what waits now."""
    work = transport.work()

    def step() -> None:
        for lease in work.take(8, 0.05):
            work.publish(lease, record(lease.image.index))

    return step


def goes_on(camera: Camera, transport: RedisTransport) -> None:
    """Images are analysed again, as if nothing had been."""
    analyse, first = work_on(transport), camera.index

    def is_back() -> bool:
        analyse()
        return bool(camera.answered) and camera.answered[-1] > first

    camera.until(is_back)
    assert len(set(camera.lost)) == len(camera.lost), "an image was answered twice"


def test_while_the_server_is_away_images_are_answered_at_once_and_for_ever(
    server: Server, transport: RedisTransport
) -> None:
    camera = Camera(transport.stream("a", SETTINGS, live=True))
    goes_on(camera, transport)
    server.kill()
    camera.until(lambda: len(camera.lost) > 60)
    last = camera.index
    assert camera.longest_s < MOMENT_S, "it waited for the server"
    assert last in camera.lost, "the last image has its answer"
    camera.port.confirm()
    camera.port.numerics()
    server.start()
    goes_on(camera, transport)
    assert len(set(camera.lost) & set(camera.answered)) <= 2, "old images were sent again"


def test_what_is_under_way_when_the_server_goes_is_told_as_well(
    server: Server, transport: RedisTransport
) -> None:
    camera = Camera(transport.stream("a", SETTINGS, live=True))
    for _ in range(5):
        camera.step()
    assert camera.records == []
    server.kill()
    camera.until(lambda: len(camera.lost) > 8)
    assert camera.lost == list(range(len(camera.lost)))


def test_a_server_that_hangs_counts_as_away(server: Server, transport: RedisTransport) -> None:
    camera = Camera(transport.stream("a", SETTINGS, live=True))
    goes_on(camera, transport)
    with server.hanging():
        camera.until(lambda: len(camera.lost) > 20)
        assert camera.longest_s < MOMENT_S, "it waited for the server"
        begin_s = time.monotonic()
        camera.port.confirm()
        assert time.monotonic() - begin_s < 10
    goes_on(camera, transport)


def test_a_server_without_memory_counts_as_away(server: Server, transport: RedisTransport) -> None:
    camera = Camera(transport.stream("a", SETTINGS, live=True))
    with server.client() as client:
        client.config_set("maxmemory", "1")
        camera.until(lambda: len(camera.lost) > 5)
        client.config_set("maxmemory", "0")
    goes_on(camera, transport)


def test_the_stream_can_be_ended_while_the_server_is_away(
    server: Server, transport: RedisTransport
) -> None:
    port = transport.stream("a", SETTINGS, live=True)
    server.kill()
    begin_s = time.monotonic()
    assert port.numerics() == {}
    port.confirm()
    port.close()
    assert time.monotonic() - begin_s < 10
    with pytest.raises(Closed):
        port.read(0, 0)


def test_the_analyzers_are_told_of_though_the_server_is_gone(
    server: Server, transport: RedisTransport
) -> None:
    port = transport.stream("a", SETTINGS, live=True)
    port.offer(image("a", 0))
    work = transport.work()
    (lease,) = work.take(1, 5)
    work.publish(lease, record(0), {"device": "cpu"})
    assert [one.index for one in port.read(0, 5)] == [0]
    wait_for(port._stream.known_numerics)
    server.kill()
    assert port.numerics() == {"device": "cpu"}


def test_a_newer_attempt_is_noticed_without_a_call(transport: RedisTransport) -> None:
    older = transport.stream("a", SETTINGS, live=True)
    newer = transport.stream("a", SETTINGS, live=True)
    with pytest.raises(Superseded):
        wait_for(lambda: older.read(0, 0.1))
    with pytest.raises(Superseded):
        older.confirm()
    older.close()
    newer.confirm()


def test_a_newer_attempt_is_noticed_after_the_server_was_away(
    server: Server, transport: RedisTransport
) -> None:
    older = Camera(transport.stream("a", SETTINGS, live=True))
    server.kill()
    older.until(lambda: len(older.lost) > 3)
    server.start()
    newer = transport.stream("a", SETTINGS, live=True)
    with pytest.raises(Superseded):
        older.until(lambda: False)
    newer.confirm()


def test_closing_the_transport_wakes_who_reads(transport: RedisTransport) -> None:
    port = transport.stream("a", SETTINGS, live=True)
    transport.close()
    with pytest.raises(Closed):
        port.read(0, 60)
    with pytest.raises(Closed):
        port.offer(image("a", 0))


def test_an_analysis_that_cannot_be_read_is_told_and_costs_no_other(
    server: Server, transport: RedisTransport, caplog: pytest.LogCaptureFixture
) -> None:
    camera = Camera(transport.stream("a", SETTINGS, live=True))
    goes_on(camera, transport)
    ours, before = encode_record(record(0)), camera.answered.count(0)
    theirs = ours[:2] + bytes([9]) + ours[3:]  # of version 9
    with server.client() as client, client.pipeline() as together:
        for message in (theirs, ours, theirs):
            together.xadd("mien:log:a", {"r": message})
        together.execute()
    camera.until(lambda: camera.answered.count(0) > before)
    goes_on(camera, transport)
    assert camera.lost == [], "the server was taken for away"
    told = [one.message for one in caplog.records if "version 9" in one.message]
    assert told == [
        "an analysis is of version 9, and this mien knows 1; the camera goes on without it"
    ]
