"""What every transport promises; the same tests run over each of them."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import pytest

from mien.contract.analyses import AnalysisRecord, AnalysisSettings
from mien.contract.errors import Closed
from mien.transport.memory import MemoryTransport
from mien.transport.ports import StreamPort, Superseded, Transport
from mien.transport.redis import RedisTransport
from mien.transport.redis_live_stream import RedisLiveStream
from tests.analyses import OTHERS, SETTINGS, image, record
from tests.servers import KINDS, Server
from tests.waiting import wait_for


@pytest.fixture(params=["memory", *KINDS])
def transport(
    request: pytest.FixtureRequest, server_of: Callable[[str], Server], prefix: str
) -> Iterator[Transport]:
    opened: Transport
    if request.param == "memory":
        opened = MemoryTransport()
    else:
        opened = RedisTransport(server_of(request.param).url, prefix=prefix)
    yield opened
    opened.close()


IMAGE_S = 0.02
"""What an analyzer takes for an image."""


def analyse(transport: Transport, done: list[int]) -> None:
    """What an analyzer does, until the transport is closed; notes the images that it did."""
    work = transport.work()
    with suppress(Closed):
        while True:
            for lease in work.take(3, 5):
                time.sleep(IMAGE_S)
                work.publish(lease, record(lease.image.index))
                done.append(lease.image.index)


def test_work_is_handed_out_oldest_first_and_once(transport: Transport) -> None:
    stream = transport.stream("a", SETTINGS)
    for index in range(5):
        stream.offer(image("a", index))
    work = transport.work()
    first, second = work.take(3, 1), work.take(3, 1)
    assert [lease.image.index for lease in first + second] == [0, 1, 2, 3, 4]
    assert all(lease.deliveries == 1 for lease in first + second)
    assert work.take(3, 0.01) == []


def test_pixels_and_settings_arrive_as_they_were_sent(transport: Transport) -> None:
    sent = image("a", 7)
    transport.stream("a", SETTINGS).offer(sent)
    (lease,) = transport.work().take(1, 1)
    assert lease.image.settings == SETTINGS
    assert lease.image.picture.colour == sent.picture.colour
    assert np.array_equal(lease.image.picture.data, sent.picture.data)
    assert lease.image.stream == "a"
    assert lease.image.index == 7


def test_results_come_to_the_stream_that_asked_in_order_of_publication(
    transport: Transport,
) -> None:
    one, two = transport.stream("one", SETTINGS), transport.stream("two", SETTINGS)
    one.offer(image("one", 0))
    two.offer(image("two", 0))
    one.offer(image("one", 1))
    work = transport.work()
    leases = work.take(3, 1)
    for lease in reversed(leases):
        work.publish(lease, record(lease.image.index))
    assert [r.index for r in one.read(0, 1)] == [1, 0]
    assert [r.index for r in one.read(1, 1)] == [0]  # one that was read in part is read again
    assert [r.index for r in two.read(0, 1)] == [0]


def test_work_that_was_given_back_is_delivered_again_and_is_no_suspect(
    transport: Transport,
) -> None:
    transport.stream("a", SETTINGS).offer(image("a", 0))
    work = transport.work()
    (lease,) = work.take(1, 1)
    for _ in range(2):
        work.give_back(lease)
        (lease,) = work.take(1, 1)
        assert (lease.image.index, lease.deliveries) == (0, 1)


def test_reading_waits_for_a_result_and_no_longer_than_asked(transport: Transport) -> None:
    stream, work = transport.stream("a", SETTINGS), transport.work()
    begin = time.monotonic()
    assert list(stream.read(0, 0.1)) == []
    assert time.monotonic() - begin >= 0.09
    stream.offer(image("a", 0))
    (lease,) = work.take(1, 1)
    threading.Timer(0.1, work.publish, (lease, record(0))).start()
    assert [r.index for r in stream.read(0, 10)] == [0]


def test_a_stream_that_is_closed_leaves_no_work_behind(transport: Transport) -> None:
    stream, other = transport.stream("a", SETTINGS), transport.stream("b", SETTINGS)
    stream.offer(image("a", 0))
    other.offer(image("b", 0))
    stream.close()
    assert [lease.image.stream for lease in transport.work().take(9, 1)] == ["b"]


def test_closing_wakes_an_analyzer_and_a_stream(transport: Transport) -> None:
    stream, work = transport.stream("a", SETTINGS), transport.work()
    threading.Timer(0.1, transport.close).start()
    with pytest.raises(Closed):
        work.take(1, 30)
    with pytest.raises(Closed):
        stream.read(0, 30)


def test_a_stream_with_much_work_does_not_starve_another(transport: Transport) -> None:
    long, short = transport.stream("long", SETTINGS), transport.stream("short", SETTINGS)
    for index in range(100):
        long.offer(image("long", index))
    for index in range(2):
        short.offer(image("short", index))
    taken = [lease.image.stream for lease in transport.work().take(4, 1)]
    assert sorted(taken) == ["long", "long", "short", "short"]


def test_however_many_streams_there_are_each_has_its_turn(transport: Transport) -> None:
    names = [f"s{number}" for number in range(12)]
    for name in names:
        stream = transport.stream(name, SETTINGS)
        for index in range(9):
            stream.offer(image(name, index))
    work = transport.work()
    taken = {lease.image.stream for _ in range(12) for lease in work.take(2, 1)}
    assert taken == set(names)


def has_left(port: StreamPort) -> bool:
    """Whether what was offered lies where analyzers take it."""
    if not isinstance(port, RedisLiveStream):
        return True
    with port._changed:
        return not port._outbox and port._sending_s is None


def test_live_streams_come_first(transport: Transport) -> None:
    file = transport.stream("file", SETTINGS)
    camera = transport.stream("camera", SETTINGS, live=True)
    for index in range(5):
        file.offer(image("file", index))
    for index in range(3):
        camera.offer(image("camera", index))
    wait_for(lambda: has_left(camera))
    taken = transport.work().take(4, 1)
    assert [lease.image.stream for lease in taken] == ["camera"] * 3 + ["file"]


def test_an_analyzer_leaves_alone_what_it_does_not_serve(transport: Transport) -> None:
    ours, theirs = transport.stream("ours", SETTINGS), transport.stream("theirs", OTHERS)
    theirs.offer(image("theirs", 0, OTHERS))
    ours.offer(image("ours", 0))
    asked = []

    def serves(settings: AnalysisSettings) -> bool:
        asked.append(settings)
        return settings == SETTINGS

    choosy = transport.work(serves)
    assert [lease.image.stream for lease in choosy.take(9, 1)] == ["ours"]
    assert choosy.take(9, 0.5) == []
    assert sorted(asked, key=str) == [OTHERS, SETTINGS]
    (lease,) = transport.work().take(9, 1)
    assert (lease.image.stream, lease.deliveries) == ("theirs", 1)


def test_a_stream_that_begins_while_an_analyzer_waits_is_found(transport: Transport) -> None:
    work = transport.work()

    def begin() -> None:
        transport.stream("late", SETTINGS).offer(image("late", 0))

    threading.Timer(0.3, begin).start()
    begin_s = time.monotonic()
    assert [lease.image.stream for lease in work.take(1, 30)] == ["late"]
    assert time.monotonic() - begin_s < 10


def test_a_newer_attempt_ends_the_older_one(transport: Transport) -> None:
    older = transport.stream("a", SETTINGS)
    older.offer(image("a", 0))
    (lease,) = transport.work().take(1, 1)
    newer = transport.stream("a", SETTINGS)
    with pytest.raises(Superseded):
        older.offer(image("a", 1))
    with pytest.raises(Superseded):
        older.read(0, 1)
    with pytest.raises(Superseded):
        older.confirm()
    older.close()
    newer.confirm()
    work = transport.work()
    work.publish(lease, record(0))  # of an image that the older one offered
    newer.offer(image("a", 5))
    (lease,) = work.take(9, 1)
    work.publish(lease, record(5))
    assert [r.index for r in newer.read(0, 1)] == [5]


def test_a_result_for_a_stream_that_has_ended_harms_nobody(transport: Transport) -> None:
    stream, work = transport.stream("a", SETTINGS), transport.work()
    stream.offer(image("a", 0))
    (lease,) = work.take(1, 1)
    stream.close()
    stream.close()
    work.publish(lease, record(0))
    work.give_back(lease)
    assert work.take(1, 0.01) == []
    with pytest.raises(Closed):
        stream.read(0, 1)


def test_why_an_analysis_was_given_up_is_told(transport: Transport) -> None:
    stream, work = transport.stream("a", SETTINGS), transport.work()
    stream.offer(image("a", 3))
    (lease,) = work.take(1, 1)
    work.publish(lease, AnalysisRecord(3, None, "it is poisonous"))
    assert stream.read(0, 1) == [AnalysisRecord(3, None, "it is poisonous")]


def test_many_analyzers_share_the_work_without_loss(transport: Transport) -> None:
    streams = [transport.stream(name, SETTINGS) for name in "abc"]
    count = 40
    shares: list[list[int]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=analyse, args=(transport, share)) for share in shares]
    for thread in threads:
        thread.start()
    for index in range(count):
        for name, stream in zip("abc", streams, strict=True):
            stream.offer(image(name, index))
    for stream in streams:
        found: list[int] = []
        while len(found) < count:
            found += [r.index for r in stream.read(len(found), 10)]
        assert sorted(found) == list(range(count))
    transport.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert min(map(len, shares)) >= sum(map(len, shares)) / 10, "one of them stood idle"


def test_a_stream_is_told_what_its_analyzers_ran_with(transport: Transport) -> None:
    stream = transport.stream("a", SETTINGS)
    assert stream.numerics() == {}
    for index in range(3):
        stream.offer(image("a", index))
    for device in ("cpu", "cuda"):
        work = transport.work()
        (lease,) = work.take(1, 1)
        work.publish(lease, record(lease.image.index), {"torch": "2.9", "device": device})
    mute = transport.work()
    (lease,) = mute.take(1, 1)
    mute.publish(lease, record(lease.image.index))
    assert stream.numerics() == {"device": "cpu | cuda", "torch": "2.9"}
    assert transport.stream("b", SETTINGS).numerics() == {}
