"""Job records in Redis: one key each, and indexes by state, so that counting reads no record."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Sequence
from typing import get_args

from mien.contract.errors import JobError
from mien.jobs.record import OVER, JobRecord, State, record_from_json
from mien.transport.keys import PREFIX
from mien.transport.lua import Argument, Script
from mien.transport.redis_server import RedisServer

PENDING_S = 90 * 24 * 3600
"""Least life of the record of a job that is not over: what is kept for a day may wait for weeks."""
CANCEL_S = PENDING_S
"""Life of the request to cancel a job, which may wait for as long as the job."""
ENDED_S = 90 * 24 * 3600
"""Life of the count of ended jobs after the last one; then it begins anew."""

_STATES: tuple[State, ...] = get_args(State)

_INDEX = """
local function index(id, life_s)
  -- KEYS[3] is the index of the job's state, and the other indexes follow it; a job is in one of
  -- them until its record expires
  local now = now_ms()
  for at = 3, #KEYS do
    redis.call('ZREMRANGEBYSCORE', KEYS[at], '-inf', now)
    redis.call('ZREM', KEYS[at], id)
  end
  redis.call('ZADD', KEYS[3], now + life_s * 1000, id)
  if redis.call('TTL', KEYS[3]) < tonumber(life_s) then redis.call('EXPIRE', KEYS[3], life_s) end
end
"""
CREATE = Script(
    _INDEX
    + """
-- KEYS record cancel indexes; ARGV id text life (s). An old job of the same id is forgotten: so
-- is the request to cancel it
if not redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3], 'NX') then return 0 end
redis.call('DEL', KEYS[2])
index(ARGV[1], ARGV[3])
return 1
"""
)
PUT = Script(
    _INDEX
    + """
-- KEYS record ended indexes; ARGV id text life (s) state attempts life of the count (s) again,
-- states that are over. again '0': a record that is over already is left as it is
local held = redis.call('GET', KEYS[1])
local known, plain = pcall(cjson.decode, held or '')
if not known or type(plain) ~= 'table' then plain = {} end
local over = {}
for at = 8, #ARGV do over[ARGV[at]] = true end
local was_over = over[plain.state or '']
if (plain.attempts or 0) > tonumber(ARGV[5]) or (was_over and ARGV[7] == '0') then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
index(ARGV[1], ARGV[3])
if over[ARGV[4]] and not was_over then
  redis.call('HINCRBY', KEYS[2], ARGV[4], 1)
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
return 1
"""
)
COUNT = Script("""
-- KEYS indexes; ARGV how many of them, from the first on, are listed. Ids of the jobs in those, and
-- how many there are in the others
local found = {}
for at, index in ipairs(KEYS) do
  local command = at <= tonumber(ARGV[1]) and 'ZRANGEBYSCORE' or 'ZCOUNT'
  found[at] = redis.call(command, index, now_ms(), '+inf')
end
return found
""")


class JobStore:
    """Reads and writes records; safe from any thread.

    ==================  ======  ====================================  ===========================
    key (after prefix)  type    what                                  life span
    ==================  ======  ====================================  ===========================
    state:STATE         zset    ids by when their record expires, ms  that of the longest record
    job:ID              string  the record, JSON                      `keep_s` from the job's end;
                                                                      until then `PENDING_S` or more
    ended               hash    jobs that have ended, by state        `ENDED_S` from the last one
    cancel:ID           string  a request to cancel the job           `CANCEL_S`, an attempt's end,
                                                                      or until the id begins anew
    ==================  ======  ====================================  ===========================

    Every method raises `TransportError`; those with `patience_s` wait so long for the server.
    """

    def __init__(self, server: RedisServer, prefix: str = PREFIX) -> None:
        self.server = server
        self._prefix = prefix
        self._indexes = {state: f"{prefix}state:{state}" for state in _STATES}
        self._ended = f"{prefix}ended"

    def create(self, record: JobRecord) -> bool:
        """Write the first record of a job; False where the id is taken."""
        keys = (self._job(record.id), self._cancel(record.id), *self._index_keys(record))
        done = self.server.call(
            lambda client: CREATE.run(client, keys, _record_arguments(record)), patience_s=0
        )
        return bool(done)

    def put(
        self, record: JobRecord, patience_s: float = math.inf, *, unless_over: bool = False
    ) -> bool:
        """Write the whole record, also where the server has lost it.

        False where a later attempt has written it: that one counts.

        unless_over: False also where the job has ended already, which is left as it is.
        """
        keys = (self._job(record.id), self._ended, *self._index_keys(record))
        arguments = (
            *_record_arguments(record), record.state, record.attempts, ENDED_S,
            int(not unless_over), *sorted(OVER),
        )  # fmt: skip
        done = self.server.call(
            lambda client: PUT.run(client, keys, arguments), patience_s=patience_s
        )
        return bool(done)

    def get(self, job: str, patience_s: float = 0) -> JobRecord | None:
        """The record, if there is one.

        Raises:
            JobError: it cannot be read.
        """
        text = self.server.call(lambda client: client.get(self._job(job)), patience_s=patience_s)
        if text is None:
            return None
        record = _read(bytes(text))  # type: ignore[arg-type]  # the client decodes nothing
        if record is None:
            raise JobError(f"the record of job {job} is damaged, or of another version of mien")
        return record

    def silent_s(self, record: JobRecord) -> float:
        """Seconds since the record was written the last time, by the server's clock."""
        left_ms = self.server.call(lambda client: client.pttl(self._job(record.id)), patience_s=0)
        return max(_life_s(record) - int(left_ms) / 1000, 0.0)

    def all(self) -> list[JobRecord]:
        """Those that can be read, oldest first."""
        ids = sorted(self._ids(*_STATES))
        if not ids:
            return []
        texts: Sequence[bytes | None] = self.server.call(
            lambda client: client.mget([self._job(job) for job in ids]),  # type: ignore[arg-type, return-value]
            patience_s=0,
        )
        records = [record for text in texts if text and (record := _read(text))]
        return sorted(records, key=lambda record: record.created_s)

    def states(self, waiting: Container[str] = ()) -> Counter[State]:
        """How many jobs there are, by state as their records say it.

        waiting: ids of those in the queue. The record of one that waits for another attempt still
        says what the last one was doing.
        """
        begun: list[State] = [state for state in _STATES if state not in {"queued", *OVER}]
        states: list[State] = [*begun, "queued", *OVER]
        found = self.server.call(
            lambda client: COUNT.run(
                client, [self._indexes[state] for state in states], [len(begun)]
            ),
            patience_s=0,
        )
        counts = Counter(dict(zip(states[len(begun) :], found[len(begun) :], strict=True)))
        for state, ids in zip(begun, found[: len(begun)], strict=True):
            again = sum(job.decode() in waiting for job in ids)
            counts[state] = len(ids) - again
            counts["queued"] += again
        return counts

    def _ids(self, *states: State) -> set[str]:
        indexes = [self._indexes[state] for state in states]
        ids: list[bytes] = self.server.call(
            lambda client: client.zunion(indexes),  # type: ignore[arg-type, return-value]
            patience_s=0,
        )
        return {job.decode() for job in ids}

    def ended(self) -> dict[State, int]:
        """How many jobs have ended, by how they did; grows, whatever becomes of their records."""
        found: dict[bytes, bytes] = self.server.call(
            lambda client: client.hgetall(self._ended),  # type: ignore[arg-type, return-value]
            patience_s=0,
        )
        return {state: int(found.get(state.encode(), 0)) for state in sorted(OVER)}

    def request_cancel(self, job: str) -> None:
        """Ask the running attempt, if there is one, or the next to end the job."""
        self.server.call(
            lambda client: client.set(self._cancel(job), b"1", ex=CANCEL_S), patience_s=0
        )

    def cancel_is_requested(self, job: str, patience_s: float = 0) -> bool:
        key = self._cancel(job)
        return bool(self.server.call(lambda client: client.exists(key), patience_s=patience_s))

    def forget_cancel(self, job: str, patience_s: float = 0) -> None:
        key = self._cancel(job)
        self.server.call(lambda client: client.delete(key), patience_s=patience_s)

    def _index_keys(self, record: JobRecord) -> list[str]:
        """The index of its state, and the others."""
        own = self._indexes[record.state]
        return [own, *(index for index in self._indexes.values() if index != own)]

    def _job(self, job: str) -> str:
        return f"{self._prefix}job:{job}"

    def _cancel(self, job: str) -> str:
        return f"{self._prefix}cancel:{job}"


def _record_arguments(record: JobRecord) -> tuple[Argument, ...]:
    """First arguments of the scripts that write a record."""
    return (record.id, record.to_json(), _life_s(record))


def _life_s(record: JobRecord) -> int:
    """Life of a record after it was written."""
    return record.keep_s if record.over else max(record.keep_s, PENDING_S)


def _read(text: bytes) -> JobRecord | None:
    try:
        return record_from_json(text)
    except ValueError:
        return None
