"""Says now and then how far a run is; has no part in what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from training.config import Recipe
from training.run_state import RunState

LOG_EVERY_S = 30.0
"""Between two lines."""


class Progress:
    """Reports how far the run is, and the time left at the speed since the last report."""

    def __init__(
        self,
        recipe: Recipe,
        steps_per_epoch: int,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """clock: seconds, only their differences matter."""
        self._recipe = recipe
        self._steps_per_epoch = steps_per_epoch
        self._total = recipe.epochs * steps_per_epoch
        self._report = report
        self._clock = clock
        self._spoke_s = clock()
        self._spoke_step: int | None = None

    def tick(self, state: RunState, size_px: int, rate: float) -> None:
        """Is called after each step; asks the device for figures only when it speaks."""
        now_s = self._clock()
        if self._spoke_step is None:
            # the first step is slow everywhere
            self._spoke_s, self._spoke_step = now_s, state.step
        if now_s - self._spoke_s < LOG_EVERY_S:
            return
        work, left = self._work(state.step), self._work(self._total)
        done = max(work - self._work(self._spoke_step), 1)
        left_s = (now_s - self._spoke_s) / done * (left - work)
        self._spoke_s, self._spoke_step = now_s, state.step
        epoch, within = divmod(state.step - 1, self._steps_per_epoch)
        steps = within + 1
        self._report(
            f"epoch {epoch + 1} step {state.step}/{self._total} at {size_px} px: "
            f"loss {float(state.loss_sum) / steps:.4f}, "
            f"accuracy {100 * float(state.hits) / steps:.1f} %, "
            f"lr {rate:.4f}, {left_s / 60:.0f} min left at this speed"
        )

    def _work(self, steps: int) -> int:
        """Of so many first steps, in pixels; the network's work is in proportion."""
        epochs, within = divmod(steps, self._steps_per_epoch)
        whole = sum(self._recipe.size_at(epoch) ** 2 for epoch in range(epochs))
        return whole * self._steps_per_epoch + self._recipe.size_at(epochs) ** 2 * within
