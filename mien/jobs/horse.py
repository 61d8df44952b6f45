"""What an RQ work horse runs: one attempt at one job, told by its id alone."""

from __future__ import annotations

import logging
import math
import os
import time
from pathlib import Path

from mien.contract.errors import JobError, MienError, UsageError
from mien.contract.live import forgotten_s
from mien.contract.request_json import request_from_json
from mien.contract.requests import RunRequest
from mien.jobs.attempt import carry_out
from mien.jobs.environment import DEFAULT_URL, INPUT_ROOT, OUTPUT_ROOT, REDIS_URL, SECRET, WIRE
from mien.jobs.leftovers import clean_up
from mien.jobs.record import JobRecord, cancelled, failed, given_up
from mien.jobs.roots import Roots
from mien.jobs.secrets import reveal
from mien.jobs.store import JobStore
from mien.jobs.webhook import call_webhook
from mien.logs import about
from mien.transport.keys import Lifetimes
from mien.transport.redis import RedisTransport
from mien.transport.redis_server import RedisServer
from mien.transport.wire import Encoding

_log = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""How long the beginning of an attempt waits for the server."""


def run(job: str) -> None:
    """Carry the job out, unless it is over already.

    It returns where the job has ended, well or not: the record says how. It raises where another
    attempt should be made.
    """
    about(job)
    url = os.environ.get(REDIS_URL, DEFAULT_URL)
    store = JobStore(RedisServer(url, wait_s=PATIENCE_S))
    record = store.get(job, PATIENCE_S)
    if record is None:
        _log.error("there is nothing to do: the server has forgotten the job's record")
        return
    roots = _roots()
    if not record.over and store.cancel_is_requested(job, PATIENCE_S):
        record = cancelled(record, time.time())
        if not end(store, record):
            return
    if record.over:
        if record.state == "cancelled":
            clean_up(record, roots)
        return
    try:
        request = _request(record)
    except MienError as error:
        if end(store, failed(record, str(error), error.exit_code, time.time())):
            clean_up(record, roots)
        return
    lives = Lifetimes(stale_s=forgotten_s(request.max_latency_s))
    wire: Encoding = "jpeg" if os.environ.get(WIRE) == "jpeg" else "raw"
    record = carry_out(
        record,
        request,
        store=store,
        open_transport=lambda: RedisTransport(url, wire=wire, lifetimes=lives, wait_s=math.inf),
        roots=roots,
    )
    call_webhook(record)


def give_up(store: JobStore, job: str) -> None:
    """Record that no further attempt will be made, unless the job is over already.

    Raises:
        TransportError: the server does not answer.
        JobError: the record cannot be read.
    """
    record = store.get(job)
    if record is None:
        return
    is_over = record.over or end(
        store, failed(record, given_up(record), JobError.exit_code, time.time())
    )
    if is_over:
        clean_up(record, _roots())


def is_endless(store: JobStore, job: str) -> bool:
    """Whether the job's source is known to have no end; False while the server does not answer."""
    try:
        record = store.get(job)
    except MienError:
        return False
    return record is not None and record.is_camera


def is_open(store: JobStore, job: str) -> bool:
    """Whether the job is known not to be over; False while the server does not answer."""
    try:
        record = store.get(job)
    except MienError:
        return False
    return record is not None and not record.over


def end(store: JobStore, record: JobRecord) -> bool:
    """Write the last record of a job that is not running, and call its webhook.

    False, and nothing is done, where others have ended it, or have begun a later attempt.
    """
    done = store.put(record, PATIENCE_S, unless_over=True)
    if not done and store.get(record.id, PATIENCE_S) != record:  # an answer may have got lost
        return False
    _log.warning("the job is %s", record.state, extra={"job": record.id, "error": record.error})
    store.forget_cancel(record.id, PATIENCE_S)
    call_webhook(record)
    return True


def _request(record: JobRecord) -> RunRequest:
    try:
        request = request_from_json(record.request)
    except ValueError:
        raise UsageError("its request is of another version of mien than this worker") from None
    if record.sealed is None:
        return request
    return reveal(request, record.sealed, os.environ.get(SECRET))


def _roots() -> Roots:
    return Roots(_folder(INPUT_ROOT), _folder(OUTPUT_ROOT))


def _folder(variable: str) -> Path | None:
    text = os.environ.get(variable)
    return Path(text) if text else None
