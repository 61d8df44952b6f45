"""Says now and then how far a run is; has no part in what comes out of it."""

import time
from collections.abc import Callable

from training.run_state import RunState

LOG_EVERY_S = 30.0
"""Between two lines."""


class Progress:
    """Counts the steps since it was made and tells the rest by the speed of the last lines."""

    def __init__(self, total: int, report: Callable[[str], None]) -> None:
        self._total = total
        self._report = report
        self._spoke_s = time.monotonic()
        self._spoke_step: int | None = None

    def tick(self, state: RunState, epoch: int, within: int, size_px: int, rate: float) -> None:
        """Is called after each step; `within` counts the epoch's steps from 1."""
        now_s = time.monotonic()
        if self._spoke_step is None:
            self._spoke_s, self._spoke_step = now_s, state.step
        if now_s - self._spoke_s < LOG_EVERY_S:
            return
        done = state.step - self._spoke_step
        left_s = (now_s - self._spoke_s) / max(done, 1) * (self._total - state.step)
        self._spoke_s, self._spoke_step = now_s, state.step
        self._report(
            f"epoch {epoch + 1} step {state.step}/{self._total} at {size_px} px: "
            f"loss {state.loss_sum / within:.4f}, accuracy {100 * state.hits / within:.1f} %, "
            f"lr {rate:.4f}, {left_s / 60:.0f} min left at this speed"
        )
