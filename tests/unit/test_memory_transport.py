"""What the transport of one process does besides what all transports promise."""

from mien.transport.memory import MemoryTransport
from mien.transport.ports import WorkPort
from tests.analyses import SETTINGS, image


def counts(works: list[WorkPort], limit: int) -> list[int]:
    """How many images each takes, in turn, until there are none."""
    taken = [1]
    while taken[-1]:
        taken += [len(work.take(limit, 0)) for work in works]
    return [count for count in taken[1:] if count]


def test_the_last_images_are_shared_among_the_analyzers() -> None:
    transport = MemoryTransport()
    stream = transport.stream("a", SETTINGS)
    works: list[WorkPort] = [transport.work(), transport.work()]
    for index in range(29):
        stream.offer(image("a", index))
    assert counts(works, 8) == [8, 8, 7, 3, 2, 1]


def test_a_single_analyzer_takes_all_that_it_can() -> None:
    transport = MemoryTransport()
    stream = transport.stream("a", SETTINGS)
    for index in range(11):
        stream.offer(image("a", index))
    assert counts([transport.work()], 8) == [8, 3]
