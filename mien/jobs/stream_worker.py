"""RQ workers that carry out stream jobs."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import redis
from redis.client import Pipeline
from rq import Queue, Worker
from rq.exceptions import AbandonedJobError, InvalidJobOperation
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import now

from mien.contract.errors import Interrupted, JobError, MienError, TransportError
from mien.interrupts import LEAVE
from mien.jobs.channel import Voice
from mien.jobs.queue import MOST_ATTEMPTS
from mien.jobs.rq_queue import StreamQueue
from mien.transport.ports import Superseded
from mien.transport.redis_server import Unreachable, is_passing, leave_replica

PULSE_S = 1
"""How often a worker says that it and its job are alive, and looks for jobs of dead ones."""
MISSED_S = 7
"""A worker silent for longer than a pulse and this is dead."""
WORKER_LIFE_S = 20
"""Of a worker's own entry; RQ waits 15 s less for a job before it says again that it is there."""
SETTLE_S = 12
"""So long after its start, or after it was late or refused, a server has not heard of all who live.
"""
LATE_S = 1.5
"""A server that is so much later than it was asked to be has heard of nobody meanwhile."""
RECONNECT_S = 2.0
"""Longest pause between two attempts to reach a server that is away; RQ's own is a minute."""
GOODBYE_S = 6.0
"""How long a job that is broken off has to remove what it has half written. Its worker says nothing
meanwhile: longer than `MISSED_S`, and another would begin the job beside it."""

_PR_SET_PDEATHSIG = 1

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class StreamWorker(Worker):
    """Notices within seconds that another worker has died, and takes over its job.

    RQ's own intervals are minutes. The work horse dies with its worker: two attempts at one job
    must not outlive each other for longer than it takes to be noticed.
    """

    max_connection_wait_time = RECONNECT_S

    def __init__(
        self,
        queue: StreamQueue,
        connection: redis.Redis,
        give_up: Callable[[str], None],
        is_endless: Callable[[str], bool] = lambda job: False,
    ) -> None:
        """`give_up` is told the id of a job that gets no further attempt; `is_endless` says of one
        whether it is tried for ever, which may be seen only when its source is open.
        """
        super().__init__(
            [queue],
            connection=connection,
            serializer=JSONSerializer,
            queue_class=StreamQueue,
            exception_handlers=[self._on_abandoned],
            job_monitoring_interval=PULSE_S,
            maintenance_interval=PULSE_S,
            worker_ttl=WORKER_LIFE_S,
            log_job_description=False,
        )
        self._give_up = give_up
        self._is_endless = is_endless
        self._voice = Voice()
        self._cause: BaseException | None = None
        self._lost: list[str] = []
        self._reaped: tuple[int, int, Any] | None = None
        self._troubled_s = float("-inf")
        self._heard_s = time.monotonic()

    # That it lives

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Tells the one who is scraped first: that the server is away is not this worker's end."""
        self._voice.pulse(self.pid or 0)
        with self._through_trouble():
            super().heartbeat(timeout, pipeline)
            self._note_answer()

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        with self._through_trouble():
            super().set_state(state, pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return PULSE_S + MISSED_S

    def maintain_heartbeats(self, job: Job, execution: Any) -> None:
        """A server that is away, or refuses, is no reason to give up the job: its process waits for
        it too.
        """
        try:
            super().maintain_heartbeats(job, execution)
        except redis.RedisError as error:
            self._note_trouble(error)

    def register_birth(self) -> None:
        """Waits for a server that refuses or is away.

        Who is there already under this worker's name is itself, from a try whose answer got lost.
        """
        register: Callable[[], object] = super().register_birth

        def anew() -> None:
            self.connection.delete(self.key)
            register()

        self._until_taken(anew)

    def check_for_suspension(self, burst: bool) -> None:
        """Says that this worker lives in passing, which `heartbeat` cannot guard there."""
        with self._through_trouble():
            super().check_for_suspension(burst)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Waits for a server that refuses, as RQ does for one that is away."""
        dequeue = super().dequeue_job_and_maintain_ttl
        return self._until_taken(partial(dequeue, timeout, max_idle_time))

    def run_maintenance_tasks(self) -> None:
        with self._through_trouble():
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def _until_taken(self, action: Callable[[], Answer]) -> Answer:
        """Do it again and again while the server refuses or is away."""
        while True:
            self._voice.pulse(self.pid or 0)
            try:
                return action()
            except redis.RedisError as error:
                self._bear(error)
            time.sleep(PULSE_S)

    @contextmanager
    def _through_trouble(self) -> Iterator[None]:
        """That a server is away, or has no memory or disk, is not this worker's end: it goes on
        without.
        """
        try:
            yield
        except redis.RedisError as error:
            self._bear(error)

    def _bear(self, error: redis.RedisError) -> None:
        if not is_passing(error):
            raise error
        self._note_trouble(error)

    def _note_trouble(self, error: redis.RedisError) -> None:
        self._voice.pulse(self.pid or 0)  # a server that hangs may have taken a minute for this
        leave_replica(error, self.connection)
        before_s, self._troubled_s = self._troubled_s, time.monotonic()
        if self._troubled_s - before_s >= SETTLE_S:
            _log.warning("the server does not answer, or refuses (%s)", type(error).__name__)

    def _note_answer(self) -> None:
        """RQ bears by itself that the server is away while it waits for a job, and tells nobody."""
        before_s, self._heard_s = self._heard_s, time.monotonic()
        if self._heard_s - before_s > self.dequeue_timeout + LATE_S:
            self._note_trouble(redis.TimeoutError())

    def clean_registries(self) -> None:
        """Not where the server has just come back, or was late or has refused just now: the living
        could not say yet that they are.
        """
        server: dict[str, Any] = self.connection.info("server")
        self._note_answer()
        calm_s = min(server["uptime_in_seconds"], time.monotonic() - self._troubled_s)
        if calm_s >= SETTLE_S:
            super().clean_registries()  # type: ignore[no-untyped-call]
            self._give_up_lost()  # not before: it may take longer than the housekeeping may
        else:
            self.last_cleaned_at = now()  # type: ignore[assignment]  # untyped in RQ

    def _give_up_lost(self) -> None:
        while self._lost:
            self._voice.pulse(self.pid or 0)
            try:
                self._give_up(self._lost[0])
            except TransportError as error:
                _log.warning("a lost job is told later: %s", error, extra={"job": self._lost[0]})
                return
            except JobError as error:
                _log.warning("%s", error)
            del self._lost[0]
            self._heard_s = time.monotonic()  # it may have been a webhook that took long

    # The end of an attempt

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """In the work horse: one line, where RQ would write everything that it knows."""
        self._cause = exc_info[1]
        text = str(self._cause) if isinstance(self._cause, MienError) else ""
        name = type(self._cause).__name__
        _log.warning("this attempt has ended (%s)", text or name, extra={"job": job.id})

    def handle_job_failure(
        self, job: Job, queue: Queue, started_job_registry: Any = None, exc_string: str = "",
        execution: Any = None,
    ) -> None:  # fmt: skip
        """Another attempt, if there may be one. What RQ stores of it says nothing: the record does.

        An attempt that was overtaken must not ask for another, which would overtake in turn.
        """
        if isinstance(self._cause, Superseded):
            with self.connection.pipeline() as pipeline:
                self.cleanup_execution(job, pipeline=pipeline, execution=execution)
                pipeline.execute()
            return
        if job.retries_left is not None and isinstance(self._cause, (Interrupted, Unreachable)):
            job.retries_left += 1  # neither its worker's end nor the server's is the job's fault
        self._spare_endless(job)
        super().handle_job_failure(job, queue, started_job_registry, "it ended early", execution)

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        """Gives the job up where that was its last attempt: a work horse could not do so later."""
        super().monitor_work_horse(job, queue, execution)
        with self._through_trouble(), suppress(InvalidJobOperation):  # the latter: it is gone
            if job.get_status() == JobStatus.FAILED:
                self._lost.append(job.id)
        self._give_up_lost()

    def _on_abandoned(self, job: Job, kind: type[BaseException], *_: object) -> bool:
        """RQ found a job whose worker is dead, and is about to try again or to give it up."""
        if issubclass(kind, AbandonedJobError):
            _log.warning("its worker is dead", extra={"job": job.id})
            self._spare_endless(job)
            if not job.should_retry:
                self._lost.append(job.id)
        return True

    def _spare_endless(self, job: Job) -> None:
        """Make good also the attempts at which nobody could find out that it has no end."""
        if self._is_endless(job.id):
            job.retries_left = MOST_ATTEMPTS

    # Signals

    def set_shutdown_requested_date(self) -> None:
        try:
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]
        except redis.RedisError:
            return  # it is for people to read; in a signal handler nothing must come of it

    def handle_warm_shutdown_request(self) -> None:
        """A file's job is waited for; a camera's has no end, and is asked to leave."""
        with suppress(ProcessLookupError):
            if self.horse_pid:
                os.kill(self.horse_pid, LEAVE)

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Ask it first, so that it removes what it has half written and goes back to the queue."""
        signal.alarm(0)  # RQ's pulse, which is going when a signal comes, would end this wait
        if not self._ended_when_asked():
            super().kill_horse(sig)

    def _ended_when_asked(self) -> bool:
        deadline = time.monotonic() + GOODBYE_S
        try:
            os.kill(self.horse_pid, signal.SIGTERM)
            while time.monotonic() < deadline:
                if os.waitid(os.P_PID, self.horse_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    return True
                time.sleep(0.05)
        except (ProcessLookupError, ChildProcessError):
            return True
        return False

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        self._reaped = None
        super().fork_work_horse(job, queue)
        if self._stop_requested:  # while there was no horse yet to be told
            self.handle_warm_shutdown_request()

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        """RQ interrupts this every pulse by an alarm, and loses how the horse has ended where the
        alarm rings just as it is told; it would then ask for another attempt.
        """
        if self._reaped is None:
            os.waitid(os.P_PID, self.horse_pid, os.WEXITED | os.WNOWAIT)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            try:
                self._reaped = os.wait4(self.horse_pid, 0)
                self._voice.gone(self.horse_pid)
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        return self._reaped

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        die_with(self.pid)
        super().main_work_horse(job, queue)


def die_with(parent: int | None) -> None:
    """Be killed when the parent process dies, however it dies; on Linux only."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
