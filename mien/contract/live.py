"""What the stages of a live stream tell each other, and what is told of it while it runs."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from mien.contract.frames import SECOND_NS
from mien.contract.histogram import LATENCY_BOUNDS_S, Histogram

MINUTE_S = 60.0

MOST_CREDIT = 32
"""Upper limit of one stream's analyses in flight."""

FORGOTTEN_S = 10.0
"""After so long nobody expects an analysis any more, unless pictures wait longer."""

LONGEST_SILENCE_NS = 35 * SECOND_NS
"""A live source gives a picture or a gap more often than this, since a read takes thirty seconds
at most. After a longer silence the whole machine was suspended."""

LATE = "late"
"""The reason of an analysis that did not come in time."""
BUSY = "analyzers busy"
"""The reason of an analysis that was skipped because the analyzers are saturated."""
AWAY = "server away"
"""The reason of an analysis that was given up because the server did not answer."""
SLOW_ENCODER = "encoder behind"
"""The reason of a picture that was too old to be written."""
SLOW_DECODER = "decoder behind"
"""The reason of packets that were too old to be decoded."""


def forgotten_s(max_latency_s: float) -> float:
    """After how long nobody expects an analysis, where pictures wait `max_latency_s` at most."""
    return max(FORGOTTEN_S, 2 * max_latency_s)


class Credit:
    """How many analyses a live stream may have in flight: as many as come back in time.

    Additive increase, multiplicative decrease: the limit grows by .1 with every analysis that comes
    in time, and is halved when one is late or never comes. Without it work would pile up before
    analyzers that are too slow, and every analysis would be late. Safe from any number of threads.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, max_latency_s: float = 0.0
    ) -> None:
        """max_latency_s: how long a picture waits for its analysis."""
        self._clock = clock
        self._forgotten_s = forgotten_s(max_latency_s)
        self._lock = threading.Lock()
        self._in_flight: dict[int, float] = {}
        self._limit = 4.0
        self._halved_s = 0.0

    def take(self, index: int) -> bool:
        """Whether the frame may be sent; if so, it counts as in flight from then on."""
        now_s = self._clock()
        with self._lock:
            for old in [i for i, s in self._in_flight.items() if now_s - s > self._forgotten_s]:
                self._limit = max(1.0, self._limit / 2)  # it may never come: nobody analyses
                del self._in_flight[old]
            if len(self._in_flight) >= int(self._limit):
                return False
            self._in_flight[index] = now_s
            return True

    def back(self, index: int, *, late: bool) -> None:
        """The analysis has come, in time or not; one that comes twice counts once."""
        with self._lock:
            sent_s = self._in_flight.pop(index, None)
            if sent_s is None:
                return
            if not late:
                self._limit = min(MOST_CREDIT, self._limit + 0.1)
            elif sent_s >= self._halved_s:  # those sent before the last halving say nothing new
                self._limit = max(1.0, self._limit / 2)
                self._halved_s = self._clock()

    @property
    def waiting(self) -> bool:
        """Whether any analysis is in flight."""
        with self._lock:
            return bool(self._in_flight)


class LiveProgress:
    """Rates, latencies and losses of a live stream; written by its stages, read by anybody."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began_s = clock()
        self._written: deque[tuple[float, float]] = deque()
        self._drops: Counter[str] = Counter()
        self._outages = 0
        self.latency = Histogram(LATENCY_BOUNDS_S)
        """Of all pictures since the stream began."""

    def written(self, latency_s: float) -> None:
        """A picture was handed to the encoder this long after it had arrived.

        Without video: its results were written.
        """
        now_s = self._clock()
        self.latency.observe(latency_s)
        with self._lock:
            self._written.append((now_s, latency_s))
            self._trim(now_s)

    def lost(self, reason: str, frames: int = 1) -> None:
        """Analyses or pictures were given up."""
        with self._lock:
            self._drops[reason] += frames

    def outage(self) -> None:
        """An outage has ended."""
        with self._lock:
            self._outages += 1

    @property
    def fps(self) -> float:
        """Pictures written a second, over the last minute."""
        now_s = self._clock()
        with self._lock:
            self._trim(now_s)
            return round(len(self._written) / self._minute_s(now_s), 2)

    def as_dict(self) -> dict[str, object]:
        """Over the last minute: pictures a second and percentiles of latency; the rest in all."""
        now_s = self._clock()
        with self._lock:
            self._trim(now_s)
            latencies = sorted(latency for _, latency in self._written)
            uptime_s = now_s - self._began_s
            return {
                "fps": round(len(latencies) / self._minute_s(now_s), 2),
                "latency_p50_s": _share(latencies, 0.5),
                "latency_p95_s": _share(latencies, 0.95),
                "latency_p99_s": _share(latencies, 0.99),
                "drops": dict(self._drops),
                "outages": self._outages,
                "uptime_s": round(uptime_s, 1),
            }

    def _minute_s(self, now_s: float) -> float:
        return max(min(now_s - self._began_s, MINUTE_S), 1e-3)

    def _trim(self, now_s: float) -> None:
        while self._written and self._written[0][0] < now_s - MINUTE_S:
            self._written.popleft()


def _share(ordered: list[float], share: float) -> float | None:
    """The quantile of sorted values; None where there are none."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)
