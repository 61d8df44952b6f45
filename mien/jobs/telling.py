"""How often a work horse tells its worker and the job's record how far it is."""

from __future__ import annotations

import time

TELL_EVERY_S = 1.0


class Telling:
    """Says once in so many seconds that it is time to tell."""

    def __init__(self, last_s: float = float("-inf")) -> None:
        """last_s: by `time.monotonic`, when it was told last; by default never."""
        self.last_s = last_s

    def is_due(self) -> bool:
        """Whether it is time; who hears it tells, and is asked for no more until the next time."""
        now_s = time.monotonic()
        if now_s - self.last_s < TELL_EVERY_S:
            return False
        self.last_s = now_s
        return True
