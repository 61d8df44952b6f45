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
from mien.interrupts import HAND_OVER
from mien.jobs.channel import ChannelWriter
from mien.jobs.queue import MOST_ATTEMPTS
from mien.jobs.rq_queue import StreamQueue
from mien.transport.ports import Superseded
from mien.transport.redis_server import Unreachable, is_passing, leave_replica

HEARTBEAT_S = 1
"""Interval of a worker's and its job's heartbeats, and of its search for jobs of dead workers."""
MISSED_S = 7
"""A worker without a heartbeat for longer than the interval and this is dead."""
WORKER_LIFE_S = 20
"""Of a worker's own entry; RQ waits 15 s less for a job before it renews the entry."""
SETTLE_S = 12
"""For so long after its start, or after it was late or refused, a server may lack heartbeats of
live workers."""
LATE_S = 1.5
"""A server that answers so much later than it should has received no heartbeats meanwhile."""
RECONNECT_S = 2.0
"""Longest pause between two attempts to reach a server that is away; RQ's own is a minute."""
TERMINATION_S = 6.0
"""How long an aborted job has to remove its half-written files. Its worker sends no heartbeat
meanwhile: were this longer than `MISSED_S`, another worker would start the same job."""

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
        is_open: Callable[[str], bool] = lambda job: False,
    ) -> None:
        """`give_up` is told the id of a job that gets no further attempt; `is_endless` says of one
        whether it is tried for ever, which may be seen only when its source is open, and `is_open`
        whether it is known not to be over.
        """
        super().__init__(
            [queue],
            connection=connection,
            serializer=JSONSerializer,
            queue_class=StreamQueue,
            exception_handlers=[self._on_abandoned],
            job_monitoring_interval=HEARTBEAT_S,
            maintenance_interval=HEARTBEAT_S,
            worker_ttl=WORKER_LIFE_S,
            log_job_description=False,
        )
        self._give_up = give_up
        self._is_endless = is_endless
        self._is_open = is_open
        self._channel = ChannelWriter()
        self._cause: BaseException | None = None
        self._lost: list[str] = []
        self._reaped: tuple[int, int, Any] | None = None
        self._troubled_s = float("-inf")
        self._heard_s = time.monotonic()

    # Heartbeats

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """First to the exporter: a worker is alive also while the server is away."""
        self._channel.heartbeat(self.pid or 0)
        with self._tolerating_outage():
            super().heartbeat(timeout, pipeline)
            self._note_answer()

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        with self._tolerating_outage():
            super().set_state(state, pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return HEARTBEAT_S + MISSED_S

    def maintain_heartbeats(self, job: Job, execution: Any) -> None:
        """While the server is away, or refuses, the job goes on: its process waits for the server,
        too. One that has forgotten the job is told of it again.
        """
        try:
            super().maintain_heartbeats(job, execution)
            known = self.connection.hexists(job.key, "data")  # RQ may write the rest anew
            if not known and self._is_open(job.id):
                self._register_again(job, execution)
        except redis.RedisError as error:
            self._note_outage(error)

    def _register_again(self, job: Job, execution: Execution) -> None:
        """So that others find the job should this worker die."""
        ttl_s = int(self.get_heartbeat_ttl(job))
        with self.connection.pipeline() as pipeline:
            job.save(pipeline)
            job.prepare_for_execution(self.name, pipeline)
            execution.save(ttl_s, pipeline)
            job.started_job_registry.add_execution(execution, pipeline, ttl_s)
            pipeline.execute()

    def register_birth(self) -> None:
        """Waits for a server that refuses or is away.

        An entry of this worker's name is its own, from a try whose answer got lost.
        """
        register: Callable[[], object] = super().register_birth

        def anew() -> None:
            self.connection.delete(self.key)
            register()

        self._retry_while_away(anew)

    def check_for_suspension(self, burst: bool) -> None:
        """RQ sends a heartbeat here through a pipeline, whose errors `heartbeat` does not see."""
        with self._tolerating_outage():
            super().check_for_suspension(burst)

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Waits for a server that refuses, as RQ does for one that is away."""
        dequeue = super().dequeue_job_and_maintain_ttl
        return self._retry_while_away(partial(dequeue, timeout, max_idle_time))

    def run_maintenance_tasks(self) -> None:
        with self._tolerating_outage():
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def _retry_while_away(self, action: Callable[[], Answer]) -> Answer:
        """Repeat the action while the server refuses or is away."""
        while True:
            self._channel.heartbeat(self.pid or 0)
            try:
                return action()
            except redis.RedisError as error:
                self._tolerate(error)
            time.sleep(HEARTBEAT_S)

    @contextmanager
    def _tolerating_outage(self) -> Iterator[None]:
        """Go on without the server where it is away, or has no memory or disk left."""
        try:
            yield
        except redis.RedisError as error:
            self._tolerate(error)

    def _tolerate(self, error: redis.RedisError) -> None:
        if not is_passing(error):
            raise error
        self._note_outage(error)

    def _note_outage(self, error: redis.RedisError) -> None:
        self._channel.heartbeat(self.pid or 0)  # a server that hangs may have cost a minute
        leave_replica(error, self.connection)
        before_s, self._troubled_s = self._troubled_s, time.monotonic()
        if self._troubled_s - before_s >= SETTLE_S:
            _log.warning("the server does not answer, or refuses (%s)", type(error).__name__)

    def _note_answer(self) -> None:
        """RQ itself tolerates an outage while it waits for a job, and reports it nowhere."""
        before_s, self._heard_s = self._heard_s, time.monotonic()
        if self._heard_s - before_s > self.dequeue_timeout + LATE_S:
            self._note_outage(redis.TimeoutError())

    def clean_registries(self) -> None:
        """Not within `SETTLE_S` of an outage: live workers could not send their heartbeats yet."""
        server: dict[str, Any] = self.connection.info("server")
        self._note_answer()
        calm_s = min(server["uptime_in_seconds"], time.monotonic() - self._troubled_s)
        if calm_s >= SETTLE_S:
            super().clean_registries()  # type: ignore[no-untyped-call]
            self._give_up_lost()  # last, since it may take longer than the lock of the maintenance
        else:
            self.last_cleaned_at = now()  # type: ignore[assignment]  # untyped in RQ

    def _give_up_lost(self) -> None:
        while self._lost:
            self._channel.heartbeat(self.pid or 0)
            try:
                self._give_up(self._lost[0])
            except TransportError as error:
                _log.warning("a lost job is told later: %s", error, extra={"job": self._lost[0]})
                return
            except JobError as error:
                _log.warning("%s", error)
            del self._lost[0]
            self._heard_s = time.monotonic()  # a webhook may have taken long

    # The end of an attempt

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """In the work horse: log one line, where RQ would log the whole job."""
        self._cause = exc_info[1]
        text = str(self._cause) if isinstance(self._cause, MienError) else ""
        name = type(self._cause).__name__
        _log.warning("this attempt has ended (%s)", text or name, extra={"job": job.id})

    def handle_job_failure(
        self, job: Job, queue: Queue, started_job_registry: Any = None, exc_string: str = "",
        execution: Any = None,
    ) -> None:  # fmt: skip
        """Queue another attempt, if there may be one; the reason is in the record, not in RQ.

        An attempt that was superseded asks for no other: that would supersede its successor.
        """
        if isinstance(self._cause, Superseded):
            with self.connection.pipeline() as pipeline:
                self.cleanup_execution(job, pipeline=pipeline, execution=execution)
                pipeline.execute()
            return
        if job.retries_left is not None and isinstance(self._cause, (Interrupted, Unreachable)):
            job.retries_left += 1  # a stopped worker and an outage do not count as attempts
        self._renew_retries(job)
        super().handle_job_failure(job, queue, started_job_registry, "it ended early", execution)

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        """Gives the job up if that was its last attempt: the work horse may have been killed."""
        super().monitor_work_horse(job, queue, execution)
        with self._tolerating_outage(), suppress(InvalidJobOperation):  # the latter: it is gone
            if job.get_status() == JobStatus.FAILED:
                self._lost.append(job.id)
        self._give_up_lost()

    def _on_abandoned(self, job: Job, kind: type[BaseException], *_: object) -> bool:
        """RQ found a job whose worker is dead, and is about to try again or to give it up."""
        if issubclass(kind, AbandonedJobError):
            _log.warning("its worker is dead", extra={"job": job.id})
            self._renew_retries(job)
            if not job.should_retry:
                self._lost.append(job.id)
        return True

    def _renew_retries(self, job: Job) -> None:
        """Give an endless job all attempts back, also those made before it was known as such."""
        if self._is_endless(job.id):
            job.retries_left = MOST_ATTEMPTS

    # Signals

    def set_shutdown_requested_date(self) -> None:
        try:
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]
        except redis.RedisError:
            return  # it is only shown to people, and a signal handler must not raise

    def handle_warm_shutdown_request(self) -> None:
        """Wait for a file's job; ask a camera's, which has no end, to stop for another worker."""
        with suppress(ProcessLookupError):
            if self.horse_pid:
                os.kill(self.horse_pid, HAND_OVER)

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """SIGTERM first, so that the job removes half-written files and goes back to the queue."""
        signal.alarm(0)  # of RQ's heartbeats: it would interrupt this wait
        if not self._terminated():
            super().kill_horse(sig)

    def _terminated(self) -> bool:
        deadline = time.monotonic() + TERMINATION_S
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
        if self._stop_requested:  # before there was a horse to signal
            self.handle_warm_shutdown_request()

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        """RQ interrupts this by an alarm every `HEARTBEAT_S`, and loses the exit status of a horse
        that ends at that moment; it would then make another attempt.
        """
        if self._reaped is None:
            os.waitid(os.P_PID, self.horse_pid, os.WEXITED | os.WNOWAIT)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            try:
                self._reaped = os.wait4(self.horse_pid, 0)
                self._channel.horse_gone(self.horse_pid)
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        return self._reaped

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        die_with_parent(self.pid)
        super().main_work_horse(job, queue)


def die_with_parent(parent: int | None) -> None:
    """Have the kernel kill this process when its parent dies; on Linux only."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
