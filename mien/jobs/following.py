"""Waits for a job's end, through whatever happens to the server meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from mien.contract.errors import JobError, UsageError
from mien.jobs.queue import Jobs
from mien.jobs.record import JobRecord
from mien.transport.redis_server import Unreachable

POLL_S = 0.5
FORGOTTEN_S = 20.0
"""Where a server has lost a record, a running attempt writes it again within this."""


def follow(jobs: Jobs, job: str, on_change: Callable[[JobRecord], None]) -> JobRecord:
    """The job's last record; a server that is away is waited for.

    Raises:
        JobError: the server has lost the job.
        TransportError: the server lets us in no more.
    """
    seen_s = time.monotonic()
    while True:
        try:
            record = jobs.find(job)
        except Unreachable:
            seen_s = time.monotonic()
        except UsageError:
            if time.monotonic() - seen_s > FORGOTTEN_S:
                raise JobError(f"the server has forgotten the job {job}") from None
        else:
            seen_s = time.monotonic()
            on_change(record)
            if record.over:
                return record
        time.sleep(POLL_S)
