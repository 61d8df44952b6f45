"""A server that becomes a replica, and another one that takes its place: nothing ends by it."""

import threading
import time
from collections.abc import Callable

import pytest

from mien.transport.keys import Lifetimes
from mien.transport.redis import RedisTransport
from tests.analyses import SETTINGS, image, record
from tests.cameras import Proxy
from tests.servers import KINDS, Server
from tests.waiting import wait_for

QUICK = Lifetimes(renew_s=0.2, heart_s=1.0, beat_s=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_becomes_a_replica_for_a_while_ends_no_stream(
    make_server: Callable[..., Server], kind: str
) -> None:
    """Whoever waits in it is sent away."""
    server, other = make_server(kind), make_server(kind)
    transport = RedisTransport(server.url, lifetimes=QUICK)
    stream = transport.stream("a", SETTINGS)
    found: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not found:
                found.extend(r.index for r in stream.read(0, 5))
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    with server.client() as client:
        wait_for(lambda: client.info("clients")["blocked_clients"])
        with server.demoted(other):
            time.sleep(1)
    stream.offer(image("a", 0))
    work = transport.work()
    (lease,) = work.take(1, 10)
    work.publish(lease, record(0))
    reader.join(20)
    assert (failures, found) == ([], [0])
    transport.close()


@pytest.mark.parametrize("kind", KINDS)
def test_another_primary_at_the_same_address_is_found(
    make_server: Callable[..., Server], kind: str
) -> None:
    """Though the former one, a replica now, leaves its connections open."""
    former, primary = make_server(kind), make_server(kind)
    with Proxy(former.port) as address:
        url = f"redis://127.0.0.1:{address.port}/0"
        transport = RedisTransport(url, lifetimes=QUICK, patience_s=10)
        stream = transport.stream("a", SETTINGS)
        with former.demoted(primary):
            address.target = primary.port
            stream.offer(image("a", 0))
            assert len(transport.work().take(1, 10)) == 1
        transport.close()
