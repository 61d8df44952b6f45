"""RQ's queue, with seconds instead of minutes in its housekeeping."""

from __future__ import annotations

from datetime import timedelta

import redis
from rq import Queue
from rq.intermediate_queue import IntermediateQueue
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import BaseWorker

from mien.transport.redis_server import RedisServer

QUEUE = "mien-streams"

LOCK_S = 8
"""Life of the lock of a housekeeping whose worker died in it; RQ's own is 15 minutes."""
STUCK_S = 5
"""How long a job may be neither in the queue nor started; RQ's own is a minute."""

SEEN_S = 60
"""How long it is kept when a job was first seen there; RQ's own is a day, which would count for
another attempt, too."""


class _StreamIntermediateQueue(IntermediateQueue):
    """Jobs that a worker has taken and not started; it may have died in between.

    Where it died right after the start, its job is still here when it is put back into the queue as
    that of a dead worker: it must not be put there a second time.
    """

    def cleanup(self, worker: BaseWorker, queue: Queue) -> None:
        for job in self.get_job_ids():
            if self.connection.lpos(queue.key, job) is not None:
                self.remove(job)
                self.connection.delete(self.get_first_seen_key(job))
        super().cleanup(worker, queue)

    def set_first_seen(self, job_id: str) -> bool:
        key = self.get_first_seen_key(job_id)
        return bool(self.connection.set(key, now().timestamp(), nx=True, ex=SEEN_S))

    def should_be_cleaned_up(self, job_id: str) -> bool:
        seen = self.get_first_seen(job_id)
        return seen is not None and now() - seen > timedelta(seconds=STUCK_S)


class StreamQueue(Queue):
    """The queue that submitters and stream workers share."""

    def __init__(self, name: str = QUEUE, **settings: object) -> None:
        super().__init__(name, **settings)  # type: ignore[arg-type]

    def acquire_maintenance_lock(self) -> bool:
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=LOCK_S))

    @property
    def intermediate_queue(self) -> IntermediateQueue:
        return _StreamIntermediateQueue(self.key, connection=self.connection)


def waiting(server: RedisServer) -> set[str]:
    """Ids of the jobs that no worker has taken yet, or has given back.

    Raises:
        TransportError: the server does not answer.
    """
    key = Queue.redis_queue_namespace_prefix + QUEUE
    ids: list[bytes] = server.call(
        lambda client: client.lrange(key, 0, -1),  # type: ignore[arg-type, return-value]
        patience_s=0,
    )
    return {job.decode() for job in ids}


def stream_queue(connection: redis.Redis) -> StreamQueue:
    """The queue on one server; what lies in it is JSON."""
    return StreamQueue(connection=connection, serializer=JSONSerializer, default_timeout=-1)
