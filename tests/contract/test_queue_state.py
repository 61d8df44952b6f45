"""What the server says of the work that lies there."""

import time
from collections.abc import Callable

from mien.transport.keys import Keys
from mien.transport.redis import RedisTransport
from mien.transport.redis_queue_state import QueueState, queue_state
from mien.transport.redis_server import RedisServer
from tests.analyses import SETTINGS, image, record
from tests.servers import Server
from tests.streams import analyse
from tests.waiting import wait_for


def test_work_is_counted_from_its_offer_to_its_publication(
    open_transport: Callable[..., RedisTransport], server: Server, prefix: str
) -> None:
    asked = RedisServer(server.url)

    def state() -> QueueState:
        return queue_state(asked, Keys(prefix))

    assert state() == QueueState(0, 0, 0.0, 0.0, 0, 0)
    transport = open_transport()
    file, live = transport.stream("a", SETTINGS), transport.stream("b", SETTINGS, live=True)
    idle = state()
    assert idle == QueueState(0, 0, 0.0, 0.0, 2, 0)
    for index in range(3):
        file.offer(image("a", index))
    time.sleep(0.2)
    assert state().oldest_live_s == 0  # a file may wait, and says nothing of cameras
    live.offer(image("b", 0))
    wait_for(lambda: state().frames == 4)  # it leaves in a thread of its own
    time.sleep(0.1)
    full = state()
    assert (full.frames, full.streams) == (4, 2)
    assert 0.1 <= full.oldest_live_s < full.oldest_file_s < 60
    assert full.oldest_file_s - full.oldest_live_s >= 0.2
    pixels = image("a", 0).picture.nbytes
    assert 4 * pixels <= full.nbytes <= 4 * (pixels + 500)
    work, other = open_transport().work(), open_transport().work()
    (lease,) = work.take(1, 1)
    assert state().frames == 4  # it is in somebody's hands
    assert state().analyzers == 1  # both are of this process
    work.publish(lease, record(lease.image.index))
    assert state().frames == 3
    analyse(work, 3)
    assert state() == QueueState(0, 0, 0.0, 0.0, 2, 1)
    work.close()
    other.close()
    file.close()
    live.close()
    assert state() == QueueState(0, 0, 0.0, 0.0, 0, 0)
    asked.close()
