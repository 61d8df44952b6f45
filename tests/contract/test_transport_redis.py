"""What the transport over a server promises beyond the ports: nothing is lost."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import redis

from mien.contract.analyses import AnalysisImage
from mien.contract.errors import Closed, JobError
from mien.transport.redis import RedisTransport
from mien.transport.redis_stream import RedisStream
from mien.transport.wire import WireError, encode_record
from tests.analyses import OTHERS, SETTINGS, image, record
from tests.servers import Server
from tests.streams import QUICK, analyse, keys_of, read_all

# Attempts


def test_the_next_attempt_uses_what_was_analysed(
    open_transport: Callable[..., RedisTransport],
) -> None:
    first = open_transport().stream("a", SETTINGS)
    for index in range(5):
        first.offer(image("a", index))
    work = open_transport().work()
    for lease in work.take(3, 1):
        work.publish(lease, record(lease.image.index))
    second = open_transport().stream("a", SETTINGS)  # the first one is never told
    for index in range(5):
        second.offer(image("a", index))
    assert analyse(work, 2) == [3, 4]
    assert work.take(9, 0.1) == []
    assert read_all(second, 5) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("change", ["settings", "live", "source"])
def test_analyses_that_another_attempt_cannot_use_are_not_reused(
    open_transport: Callable[..., RedisTransport], change: str
) -> None:
    transport = open_transport()
    work = transport.work()
    live = change == "live"
    first = transport.stream("a", SETTINGS, live=live, source_mark="one")
    first.offer(image("a", 0))
    analyse(work, 1)
    first.close()
    settings = OTHERS if change == "settings" else SETTINGS
    mark = "another" if change == "source" else "one"
    second = transport.stream("a", settings, live=live, source_mark=mark)
    second.offer(image("a", 0, settings))
    assert second.read(0, 0.1) == []
    assert analyse(work, 1) == [0]
    assert read_all(second, 1) == [0]


def test_a_stream_whose_process_died_gets_no_more_work_done_and_leaves_nothing(
    open_transport: Callable[..., RedisTransport],
    client: redis.Redis,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RedisStream, "_keep_lease", lambda self: None)  # as if it were killed
    open_transport().stream("a", SETTINGS).offer(image("a", 0))
    assert keys_of(client, prefix) != []
    time.sleep(QUICK.lease_s + 0.2)
    analyzers = open_transport()
    assert analyzers.work().take(1, 0.2) == []
    analyzers.close()
    time.sleep(QUICK.grace_s)
    assert keys_of(client, prefix) == []


def test_a_stream_that_was_paused_longer_than_its_work_lives_loses_nothing(
    open_transport: Callable[..., RedisTransport], client: redis.Redis, prefix: str
) -> None:
    transport = open_transport()
    stream, work = transport.stream("a", SETTINGS), transport.work()
    for index in range(3):
        stream.offer(image("a", index))
    doomed = [key for key in keys_of(client, prefix) if "work" in key or "images" in key]
    assert len(doomed) == 2
    client.delete(*doomed)
    assert sorted(analyse(work, 3)) == [0, 1, 2]
    assert read_all(stream, 3) == [0, 1, 2]


# Analyzers that die


KILLED = """
import os, signal, sys
from mien.transport.keys import Lifetimes
from mien.transport.redis import RedisTransport
transport = RedisTransport(sys.argv[1], prefix=sys.argv[2],
                           lifetimes=Lifetimes(heart_s=0.6, beat_s=0.1))
leases = transport.work().take(int(sys.argv[3]), 10)
print(len(leases), flush=True)
signal.pause()
"""


def killed_analyzer(server: Server, prefix: str, take: int) -> int:
    """A process that takes work and is killed; how many images it had."""
    command = [sys.executable, "-c", KILLED, server.url, prefix, str(take)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        had = int(process.stdout.readline())
        process.kill()
    return had


def test_the_work_of_a_killed_analyzer_is_taken_over_one_by_one_and_counted(
    open_transport: Callable[..., RedisTransport], server: Server, prefix: str
) -> None:
    transport = open_transport()
    stream = transport.stream("a", SETTINGS)
    for index in range(4):
        stream.offer(image("a", index))
    assert killed_analyzer(server, prefix, 3) == 3
    work = transport.work()
    taken: list[tuple[int, int]] = []
    begin = time.monotonic()
    while len(taken) < 4 and time.monotonic() - begin < 10:
        leases = work.take(9, 1)
        assert len(leases) <= 1  # alone: one of them may have been the killer
        for lease in leases:
            taken.append((lease.image.index, lease.deliveries))
            work.publish(lease, record(lease.image.index))
    again = [(index, deliveries) for index, deliveries in taken if index != 3]
    assert again == [(0, 2), (1, 2), (2, 2)]
    assert set(taken) - set(again) == {(3, 1)}
    assert read_all(stream, 4) == [0, 1, 2, 3]


def test_who_waits_beside_a_deadly_image_is_taken_before_it_is_tried_again(
    open_transport: Callable[..., RedisTransport], server: Server, prefix: str
) -> None:
    stream = open_transport().stream("a", SETTINGS)
    for index in range(3):
        stream.offer(image("a", index))
    assert killed_analyzer(server, prefix, 3) == 3
    for died in range(2, 6):  # image 0 kills everybody
        doomed = open_transport()
        work = doomed.work()
        found: list[int] = []
        while not found or found[-1] != 0:
            leases = work.take(9, 10)
            found += [lease.image.index for lease in leases]
            for lease in leases:
                assert lease.deliveries == (died if lease.image.index == 0 else 2)
                if lease.image.index:
                    work.publish(lease, record(lease.image.index))
        doomed.close()
    (last,) = open_transport().work().take(9, 10)
    assert (last.image.index, last.deliveries) == (0, 6)
    assert read_all(stream, 2) == [1, 2]


def test_a_long_batch_of_a_living_analyzer_is_not_stolen(
    open_transport: Callable[..., RedisTransport],
) -> None:
    transport = open_transport()
    stream = transport.stream("a", SETTINGS)
    stream.offer(image("a", 0))
    slow, idle = transport.work(), transport.work()
    (lease,) = slow.take(1, 1)
    assert idle.take(1, 2 * QUICK.heart_s) == []
    slow.publish(lease, record(0))
    assert read_all(stream, 1) == [0]


def test_what_a_living_analyzer_holds_for_too_long_is_taken(
    open_transport: Callable[..., RedisTransport],
) -> None:
    transport = open_transport(stuck_s=0.5)
    stream = transport.stream("a", SETTINGS)
    stream.offer(image("a", 0))
    stuck, idle = transport.work(), transport.work()
    (first,) = stuck.take(1, 1)
    (second,) = idle.take(1, 10)
    assert second.deliveries == 2
    idle.publish(second, record(0))
    stuck.publish(first, record(0))  # it was not dead after all: its result is one too many
    assert [r.index for r in stream.read(0, 1)] == [0]
    assert stream.read(1, 0.2) == []


def test_what_an_analyzer_took_in_advance_is_given_back_when_it_leaves(
    open_transport: Callable[..., RedisTransport],
) -> None:
    stream = open_transport().stream("a", SETTINGS)
    work = open_transport().work()
    stream.offer(image("a", 0))
    work._wait(1)  # and between this and the next look it is told to stop
    work.close()
    (lease,) = open_transport().work().take(1, 10)
    assert lease.deliveries == 1, "nobody has died of it"


def test_a_dead_consumer_without_work_is_forgotten(
    open_transport: Callable[..., RedisTransport], client: redis.Redis, prefix: str
) -> None:
    first, second = open_transport(), open_transport()
    stream = second.stream("a", SETTINGS)
    stream.offer(image("a", 0))
    analyse(first.work(), 1)
    (work_key,) = [key for key in keys_of(client, prefix) if "work" in key]

    def consumers() -> set[bytes]:
        return {one["name"] for one in client.xinfo_consumers(work_key, "analyzers")}

    (dead,) = consumers()
    first.close()
    work = second.work()
    begin = time.monotonic()
    while dead in consumers() and time.monotonic() - begin < 10:
        work.take(1, 0.5)
    assert dead not in consumers()


# Messages


def test_a_damaged_image_is_reported_and_no_other_is_harmed(
    open_transport: Callable[..., RedisTransport], client: redis.Redis, prefix: str
) -> None:
    transport = open_transport()
    stream, work = transport.stream("a", SETTINGS), transport.work()
    for index in range(3):
        stream.offer(image("a", index))
    (images,) = [key for key in keys_of(client, prefix) if "images" in key]
    client.hset(images, "1", b"nonsense")
    assert sorted(analyse(work, 2)) == [0, 2]
    records = {r.index: r for r in stream.read(0, 1)}
    assert records[1].analysis is None
    assert records[1].reason == "an analysis image arrived damaged: it does not begin as one"


def test_an_analysis_that_cannot_be_read_ends_the_attempt_and_does_not_trouble_the_next(
    open_transport: Callable[..., RedisTransport], client: redis.Redis, prefix: str
) -> None:
    transport = open_transport()
    stream, work = transport.stream("a", SETTINGS), transport.work()
    for index in range(3):
        stream.offer(image("a", index))
    (lease,) = work.take(1, 1)
    work.publish(lease, record(0))
    (log,) = [key for key in keys_of(client, prefix) if "log" in key]
    client.xtrim(log, maxlen=0, approximate=False)
    ours = encode_record(record(0))
    client.xadd(log, {"r": ours[:2] + bytes([9]) + ours[3:]})  # the same, of version 9
    with pytest.raises(WireError, match="an analysis is of version 9, and this mien knows 1") as e:
        stream.read(0, 1)
    assert e.value.exit_code == JobError.exit_code
    stream.close()
    again = transport.stream("a", SETTINGS)
    for index in range(3):
        again.offer(image("a", index))
    assert sorted(analyse(work, 3)) == [0, 1, 2]
    assert read_all(again, 3) == [0, 1, 2]


def test_images_may_travel_as_jpeg(open_transport: Callable[..., RedisTransport]) -> None:
    transport = open_transport(wire="jpeg")
    sent = textured()
    transport.stream("a", SETTINGS).offer(sent)
    (lease,) = transport.work().take(1, 1)
    got = lease.image.picture
    assert (got.width, got.height, got.layout) == (64, 48, "i420")
    off = got.data.astype(int) - sent.picture.data
    assert 0 < np.abs(off).max() < 12


def textured() -> AnalysisImage:
    plain = image("a", 0, size=(64, 48))
    ramp = (np.arange(plain.picture.data.size) * 3 % 200).astype(np.uint8)
    return replace(plain, picture=replace(plain.picture, data=ramp.reshape(72, 64)))


def test_closing_the_transport_wakes_who_waits_for_a_server_that_is_away(
    server_of: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = Server("valkey", tmp_path_factory.mktemp("own")).start()
    transport = RedisTransport(own.url)
    stream, work = transport.stream("a", SETTINGS), transport.work()
    stream.offer(image("a", 0))
    (lease,) = work.take(1, 1)
    own.remove()
    threading.Timer(0.3, transport.close).start()
    with pytest.raises(Closed):
        work.publish(lease, record(0))
    with pytest.raises(Closed):
        stream.read(0, 30)
