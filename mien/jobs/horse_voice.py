"""What a work horse tells of its attempt, to be counted for its worker."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import replace

from mien.account import StreamAccount
from mien.jobs.channel import Voice
from mien.jobs.telling import Telling
from mien.stream import Stream
from producer.addresses import kind_of_name

RATE_S = 10.0
"""Over which the rate of a file is taken."""


class HorseVoice:
    """The voice of one attempt at a job; it never waits long, and raises nothing."""

    def __init__(self, job: str, source: str, voice: Voice | None = None) -> None:
        """source: as it may be shown. Says that the attempt has begun."""
        self._voice = voice or Voice()
        self._kind = kind_of_name(source)
        self._who = {
            "what": "account", "horse": os.getpid(), "worker": os.getppid(),
            "job": job, "source": source, "kind": self._kind, "began_s": time.monotonic(),
            "live": False,
        }  # fmt: skip
        self._telling = Telling()
        self._passed: deque[tuple[float, int]] = deque()
        self.wait()

    def wait(self) -> None:
        """To be called while the source gives no picture."""
        if self._telling.is_due():  # before its first picture only a file counts as there
            self._tell(StreamAccount(up=self._kind == "file"))

    def tick(self, stream: Stream) -> None:
        """To be called all the time."""
        if self._telling.is_due():
            self._who["live"] = stream.is_live
            self._tell(self._rated(stream, self._telling.last_s))

    def end(self, stream: Stream) -> None:
        """Tell all of an attempt whose stages have ended."""
        self._who["live"] = stream.is_live
        self._tell(self._rated(stream, time.monotonic()), last=True)

    def _rated(self, stream: Stream, now_s: float) -> StreamAccount:
        account = stream.account()
        if stream.is_live:
            return account
        self._passed.append((now_s, stream.progress.frames))
        while self._passed[0][0] < now_s - RATE_S and len(self._passed) > 1:
            self._passed.popleft()
        (first_s, first), (last_s, last) = self._passed[0], self._passed[-1]
        fps = (last - first) / (last_s - first_s) if last_s > first_s else 0.0
        return replace(account, fps=round(fps, 2))

    def _tell(self, account: StreamAccount, *, last: bool = False) -> None:
        self._voice.tell({**self._who, "account": account.to_json()}, last=last)
