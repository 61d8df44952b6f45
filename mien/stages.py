"""Runs the stages of one process side by side; one that fails ends them all."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mien.contract.errors import Closed

POLL_S = 0.1


class StageGroup:
    """Threads of which the first failure counts.

    `stop` is called when a stage fails or somebody asks for the end: it must wake every stage,
    which then raises `Closed`.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []

    def start(self, name: str, stage: Callable[[], object]) -> threading.Thread:
        """Run a stage in a thread of its own."""
        thread = threading.Thread(target=self._run, args=(stage,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def fail(self, error: BaseException) -> None:
        """End all stages for this reason, unless there already was one."""
        with self._lock:
            if self._failure is None:
                self._failure = error
        self._stop()

    def join(self, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait for all stages; raises what the first failing one raised.

        False where `give_up` said, while one was left alone, not to wait for it any longer: a read
        from the net cannot be broken off. The others always end, and are always waited for.
        """
        while running := [thread for thread in self._threads if thread.is_alive()]:
            running[0].join(POLL_S)
            if len(running) == 1 and give_up():
                return False
        if self._failure is not None:
            raise self._failure
        return True

    def _run(self, stage: Callable[[], object]) -> None:
        try:
            stage()
        except Closed:
            return  # somebody else's failure or wish, and told by him
        except BaseException as error:  # noqa: BLE001 - a stage's failure is the run's, told by join
            self.fail(error)
