"""What tests do with the ports of a transport over a server."""

import redis

from mien.transport.keys import Lifetimes
from mien.transport.ports import StreamPort, WorkPort
from tests.analyses import record

QUICK = Lifetimes(lease_s=1.0, renew_s=0.2, work_s=2.0, grace_s=2.0, heart_s=1.5, beat_s=0.1)
"""So that tests need not wait long for what dies."""


def keys_of(client: redis.Redis, prefix: str) -> list[str]:
    return sorted(key.decode() for key in client.scan_iter(f"{prefix}*", count=10_000))


def analyse(work: WorkPort, count: int, wait_s: float = 5) -> list[int]:
    """Take and publish so many images; their indexes."""
    done: list[int] = []
    while len(done) < count:
        leases = work.take(4, wait_s)
        assert leases, f"only {len(done)} of {count} images came"
        for lease in leases:
            work.publish(lease, record(lease.image.index))
            done.append(lease.image.index)
    return done


def read_all(stream: StreamPort, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        records = stream.read(len(found), 10)
        assert records, f"only {found} of {count} analyses came"
        found += [r.index for r in records]
    return sorted(found)
