"""What all work horses of a stream worker have done: those that run, and those that have ended."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mien.account import StreamAccount, account_from_json
from mien.contract.histogram import HistogramCounts
from mien.metrics import FILE, LIVE

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A work horse's last word."""

    job: str
    source: str
    kind: str
    worker: int
    """Process that forked the horse."""
    began_s: float
    """When the attempt began, by the monotonic clock that all processes of a machine share."""
    live: bool
    """Whether its frames are of a live stream, as far as is known; else they are a file's."""
    account: StreamAccount


class Books:
    """Sums that only grow, and the last account of everybody who runs; safe from any thread.

    An account tells all of an attempt, and what is added is its difference to the one before: so
    a horse that is killed keeps what it told last, and nothing counts twice. Where an attempt began
    before these books did, they begin with the first account that they hear of it: what lies before
    that stood in the books of another process.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since_s = clock()
        self._draining = False
        self._lock = threading.Lock()
        self._running: dict[int, RunningJob] = {}
        self._pulses: dict[int, float] = {}
        self._frames: Counter[tuple[str, str, str]] = Counter()
        self._faces: Counter[str] = Counter()
        self._reconnects: Counter[str] = Counter()
        self._stages: dict[str, HistogramCounts] = {}
        self._latency: HistogramCounts | None = None

    def read(self, message: bytes) -> None:
        """Take one message of the channel; what is none of ours is passed over."""
        try:
            plain = json.loads(message)
            what = plain.pop("what")
            with self._lock:
                if what == "account":
                    self._account(plain)
                elif what == "pulse":
                    self._pulses[plain["worker"]] = self._clock()
                elif what == "gone":
                    self._running.pop(plain["horse"], None)
                elif what == "died":
                    self._died(plain["worker"])
                elif what == "draining":
                    self._draining = True
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def running(self) -> list[RunningJob]:
        with self._lock:
            return list(self._running.values())

    @property
    def draining(self) -> bool:
        """Whether the workers were told to stop, and end one after the other."""
        return self._draining

    def silent_s(self) -> list[float]:
        """Of every worker that has been heard: for how long it has said nothing."""
        now_s = self._clock()
        with self._lock:
            return [now_s - heard_s for heard_s in self._pulses.values()]

    def frames(self) -> dict[tuple[str, str, str], int]:
        """The sums over all attempts, by state, reason, and `live` or `file`."""
        with self._lock:
            return dict(self._frames)

    def totals(self) -> StreamAccount:
        """The sums over all attempts."""
        with self._lock:
            frames: Counter[tuple[str, str]] = Counter()
            for (state, reason, _), count in self._frames.items():
                frames[state, reason] += count
            return StreamAccount(
                frames=dict(frames),
                faces=dict(self._faces),
                reconnects=dict(self._reconnects),
                stages=dict(self._stages),
                latency=self._latency,
            )

    def _died(self, worker: int) -> None:
        self._pulses.pop(worker, None)
        theirs = [horse for horse, job in self._running.items() if job.worker == worker]
        for horse in theirs:
            del self._running[horse]

    def _account(self, plain: dict[str, Any]) -> None:
        horse, account = plain.pop("horse"), account_from_json(plain.pop("account"))
        now = RunningJob(account=account, **plain)
        old = self._account_before(horse, now)
        self._running[horse] = now
        kind = LIVE if now.live else FILE
        for (state, reason), count in account.frames.items():
            self._frames[state, reason, kind] += count - old.frames.get((state, reason), 0)
        _add(self._faces, account.faces, old.faces)
        _add(self._reconnects, account.reconnects, old.reconnects)
        for step, histogram in account.stages.items():
            fresh = _since(histogram, old.stages.get(step))
            held = self._stages.get(step)
            self._stages[step] = fresh if held is None else held.plus(fresh)
        if account.latency is not None:
            fresh = _since(account.latency, old.latency)
            self._latency = fresh if self._latency is None else self._latency.plus(fresh)

    def _account_before(self, horse: int, now: RunningJob) -> StreamAccount:
        """What stands in the books already of this attempt."""
        before = self._running.get(horse)
        if before is not None and (before.job, before.began_s) == (now.job, now.began_s):
            return before.account  # else another process of the same number
        return now.account if now.began_s < self._since_s else StreamAccount()


def _add(sums: Counter[Key], now: Mapping[Key, int], before: Mapping[Key, int]) -> None:
    for key, count in now.items():
        sums[key] += count - before.get(key, 0)


def _since(now: HistogramCounts, before: HistogramCounts | None) -> HistogramCounts:
    return now if before is None else now.minus(before)
