"""What a user does with jobs: submit, watch, cancel, try again."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import NamedTuple, Self

import redis
from rq import Retry
from rq.exceptions import DuplicateJobError, InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from mien.contract.errors import JobError, UsageError
from mien.contract.request_json import request_to_json
from mien.contract.requests import RunRequest
from mien.jobs.idempotency import is_same_request
from mien.jobs.record import (
    KEEP_S,
    MOST_BYTES,
    JobRecord,
    cancelled,
    failed,
    given_up,
    largest_bytes,
)
from mien.jobs.rq_queue import stream_queue
from mien.jobs.secrets import hide
from mien.jobs.store import JobStore
from mien.jobs.webhook import call_webhook, check_webhook
from mien.transport.keys import GRACE_S
from mien.transport.redis_server import RedisServer

JOB_FUNCTION = "mien.jobs.horse.run"
MOST_ATTEMPTS = 4
"""A job is given up after so many attempts whose worker died; one without an end never is."""
RESULT_S = 60
"""Life of RQ's own entry after the job has ended; deleting it at once fails in RQ where an earlier
attempt's worker was killed."""
SUBMITTING_S = 10
"""How long a submission may take from the record to the entry in the queue."""
SILENT_S = 600
"""A job that RQ does not know, and whose record was not written for so long, is lost."""
REMOVE_S = 5.0
"""How long RQ may take to finish with a job that is over."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Submitted(NamedTuple):
    """Result of a submission."""

    record: JobRecord
    is_new: bool
    """False where there was a job of this id, which is left as it is."""


class Jobs:
    """The queue of stream jobs on one server."""

    def __init__(self, url: str) -> None:
        """Connects.

        Raises:
            UsageError: the URL is not a valid Redis URL.
            TransportError: there is no server, or it does not let us in.
        """
        server = RedisServer(url)
        self.store = JobStore(server)
        self._name = server.name
        self._client = redis.Redis.from_url(url, protocol=2)
        self._queue = stream_queue(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.server.close()
        self._client.close()

    def submit(
        self,
        request: RunRequest,
        *,
        job: str | None = None,
        webhook: str | None = None,
        keep_s: int = KEEP_S,
        secret: str | None = None,
    ) -> Submitted:
        """Put a job into the queue; where there is one of the same id already, that stays as it is.

        Raises:
            UsageError: the id or the webhook is not valid, or the id is that of another request or
                webhook; a password cannot be sealed, or names and addresses are too long.
            TransportError: the server does not answer.
        """
        job = job or uuid.uuid4().hex[:12]
        _check_id(job)
        if webhook is not None:
            check_webhook(webhook)
        shown, sealed = hide(request, secret)
        record = JobRecord(
            id=job,
            request=request_to_json(shown),
            sealed=sealed,
            created_s=time.time(),
            keep_s=keep_s,
            webhook=webhook,
        )
        if (size := largest_bytes(record)) > MOST_BYTES:
            raise UsageError(
                f"the job's names and addresses are together {size - MOST_BYTES} bytes too long"
            )
        if self.store.create(record):
            self._enqueue(record)
            return Submitted(record, is_new=True)
        self._check_same(record, request, secret)
        self._resume(job)
        return Submitted(self.find(job), is_new=False)

    def has(self, job: str) -> bool:
        """Whether there is a job of this id; raises `UsageError` where the id is not valid."""
        _check_id(job)
        return self.store.get(job) is not None

    def find(self, job: str) -> JobRecord:
        """The record, reconciled with RQ, which alone knows that a job has lost all its attempts.

        Raises:
            UsageError: there is no such job.
        """
        _check_id(job)
        record = self.store.get(job)
        if record is None:
            raise UsageError(f"there is no job {job} (any more) on the server at {self._name}")
        return self._reconciled(record)

    def all(self) -> list[JobRecord]:
        """Every job that has a record, oldest first."""
        return [self._reconciled(record) for record in self.store.all()]

    def cancel(self, job: str) -> JobRecord:
        """A job in the queue ends at once, a running one within seconds; one that is over stays."""
        record = self.find(job)
        if record.over:
            return record
        self.store.request_cancel(job)  # first: a worker may be about to begin
        if record.state == "queued" and self._withdraw(job):
            record = cancelled(record, time.time())
            if not self.store.put(record, patience_s=0, unless_over=True):
                return self.find(job)  # a worker was faster
            if record.owns_outputs:  # a worker has to clean up: only workers reach the files
                self._enqueue(record)
            call_webhook(record)
        return record

    def retry(self, job: str) -> JobRecord:
        """Put a job that failed or was cancelled into the queue again.

        A camera's job continues what it has recorded.

        Raises:
            UsageError: there is no such job, or it is not over, or it is finished.
        """
        record = self.find(job)
        if not record.over:
            raise UsageError(f"job {job} is not over: it is {record.state}")
        if record.state == "finished":
            raise UsageError(f"job {job} is finished: submit it again under another id")
        if not self._remove_from_rq(job):
            raise UsageError(f"job {job} is still shutting down: try again in a moment")
        self.store.forget_cancel(job)
        record = replace(
            record, state="queued", error=None, exit_code=None, ended_s=None, eta_s=None,
            done=0, written=record.left_behind, owns_outputs=bool(record.left_behind),
        )  # fmt: skip
        if not self.store.put(record, patience_s=0):
            return self.find(job)  # another client was faster, and it has begun
        self._enqueue(record)
        return record

    def _check_same(self, record: JobRecord, request: RunRequest, secret: str | None) -> None:
        """Raises `UsageError` where the job of this id was asked for something else."""
        known = self.store.get(record.id) or record
        if not is_same_request(known, record, request, secret):
            raise UsageError(
                f"job {record.id} is another one, of {known.source}: its input, outputs or options "
                "differ from these"
            )
        if known.webhook != record.webhook:
            raise UsageError(f"job {record.id} already exists with a different webhook (or none)")

    def _resume(self, job: str) -> None:
        """Enqueue a job whose submitter was cut off before it could do so."""
        record = self.store.get(job)
        if record is None or record.attempts or self._entry(job) is not None:
            return
        if record.state == "queued":
            self._enqueue(record)
        elif record.state == "failed" and record.exit_code == JobError.exit_code:
            with suppress(UsageError):  # another client was faster
                self.retry(job)  # somebody asked for it, and it was declared lost

    def _enqueue(self, record: JobRecord) -> None:
        """Put it into the queue, unless it is there: two clients may submit the same id at once.

        A camera goes to the front, since what it shows meanwhile is lost; so does what is to be
        tried again, which has waited for its turn once. Of several the last is the next: RQ takes a
        job safely, by moving it, from a queue that is its only one.
        """
        with self._translated_errors(), suppress(DuplicateJobError):
            self._queue.enqueue_call(
                JOB_FUNCTION,
                args=(record.id,),
                job_id=record.id,
                unique=True,
                timeout=-1,
                result_ttl=RESULT_S,
                failure_ttl=round(GRACE_S),
                at_front=record.is_camera,
                retry=Retry(max=MOST_ATTEMPTS - 1, enqueue_at_front=True),
            )

    def _remove_from_rq(self, job: str) -> bool:
        """Delete RQ's entry of a job that is over; False if RQ did not finish with it in time."""
        deadline = time.monotonic() + REMOVE_S
        while not self._withdraw(job):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def _withdraw(self, job: str) -> bool:
        """Delete RQ's entry; False where a worker has it."""
        with self._translated_errors():
            entry = self._entry(job)
            if entry is None:
                return True
            if entry.get_status() == JobStatus.STARTED:
                return False
            # it lists a dead worker's attempt for longer than that is remembered, and RQ stumbles
            self._client.delete(entry.execution_registry.key)
            try:
                entry.delete()
            except (InvalidJobOperation, NoSuchJobError):
                return False
            return True

    def _reconciled(self, record: JobRecord) -> JobRecord:
        if record.over:
            return record
        entry = self._entry(record.id)
        if entry is None:
            return self._without_rq_entry(record)
        status = entry.get_status(refresh=False)
        if status == JobStatus.FAILED:
            return self._lost(record, given_up(record))
        if status == JobStatus.QUEUED and record.attempts:
            return replace(record, state="queued", fps=None, eta_s=None)  # for another attempt
        return record

    def _without_rq_entry(self, record: JobRecord) -> JobRecord:
        """The record of a job that RQ does not know; lost, unless it was written not long ago."""
        patience_s = SUBMITTING_S if record.state == "queued" else SILENT_S
        if self.store.silent_s(record) <= patience_s:
            return record
        return self._lost(record, "the server has forgotten its place in the queue: try it again")

    def _lost(self, record: JobRecord, reason: str) -> JobRecord:
        now = self.store.get(record.id) or record  # it may have ended between the two queries
        if now.over:
            return now
        record = failed(now, reason, JobError.exit_code, time.time())
        if not self.store.put(record, patience_s=0, unless_over=True):
            return self.store.get(record.id) or record
        call_webhook(record)
        return record

    def _entry(self, job: str) -> Job | None:
        with self._translated_errors():
            try:
                return Job.fetch(job, self._client, serializer=JSONSerializer)
            except NoSuchJobError:
                return None

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise self.store.server.failure(error) from error


def _check_id(job: str) -> None:
    """Raises `UsageError` for what is not valid as a job's id."""
    if not _ID.fullmatch(job):
        raise UsageError("an id has up to 64 letters, digits, dashes and underscores")
