"""How often a work horse sends its stats and updates its job's record."""

from __future__ import annotations

import time

INTERVAL_S = 1.0


class Throttle:
    """Lets something happen at most once per `INTERVAL_S`."""

    def __init__(self, last_s: float = float("-inf")) -> None:
        """last_s: when it happened last, by `time.monotonic`; by default never."""
        self.last_s = last_s

    def is_due(self) -> bool:
        """True at most once per `INTERVAL_S`: whoever gets it has to act on it."""
        now_s = time.monotonic()
        if now_s - self.last_s < INTERVAL_S:
            return False
        self.last_s = now_s
        return True
