"""Reports the stats of an attempt from its work horse to the exporter of its worker."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import replace

from mien.jobs.channel import ChannelWriter
from mien.jobs.throttle import Throttle
from mien.stream import Stream
from mien.stream_stats import StreamStats
from producer.addresses import kind_of_name

RATE_WINDOW_S = 10.0
"""Over which the frame rate of a file is measured."""


class StatsReporter:
    """Sends one attempt's stats about once a second; never waits long, and raises nothing."""

    def __init__(self, job: str, source: str) -> None:
        """source: as it may be shown. The first report says that the attempt has begun."""
        self._channel = ChannelWriter()
        self._kind = kind_of_name(source)
        self._attempt = {
            "what": "account", "horse": os.getpid(), "worker": os.getppid(),
            "job": job, "source": source, "kind": self._kind, "began_s": time.monotonic(),
            "live": False,
        }  # fmt: skip
        self._throttle = Throttle()
        self._samples: deque[tuple[float, int]] = deque()
        self.wait()

    def wait(self) -> None:
        """Report, if it is time; to be called again and again while the source gives no picture."""
        if self._throttle.is_due():  # before its first picture only a file counts as there
            self._report(StreamStats(up=self._kind == "file"))

    def tick(self, stream: Stream) -> None:
        """Report, if it is time; to be called again and again while the stream runs."""
        if self._throttle.is_due():
            self._attempt["live"] = stream.is_live
            self._report(self._stats(stream, self._throttle.last_s))

    def end(self, stream: Stream) -> None:
        """Report all of an attempt whose stages have ended."""
        self._attempt["live"] = stream.is_live
        self._report(self._stats(stream, time.monotonic()), final=True)

    def _stats(self, stream: Stream, now_s: float) -> StreamStats:
        stats = stream.stats()
        if stream.is_live:
            return stats
        self._samples.append((now_s, stream.progress.frames))
        while self._samples[0][0] < now_s - RATE_WINDOW_S and len(self._samples) > 1:
            self._samples.popleft()
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        fps = (last - first) / (last_s - first_s) if last_s > first_s else 0.0
        return replace(stats, fps=round(fps, 2))

    def _report(self, stats: StreamStats, *, final: bool = False) -> None:
        self._channel.send({**self._attempt, "account": stats.to_json()}, final=final)
