"""When a run is saved, and that nothing useless takes the place of what was saved before."""

from __future__ import annotations

import time
from pathlib import Path

from mien.contract.errors import UsageError
from training.config import Recipe
from training.run_state import RUN_FILE, RunState, save_run

CHECKPOINT_EVERY_S = 300.0
"""Between two checkpoints within an epoch."""

EPOCH_CHECKPOINT_S = 20.0
"""An epoch ends with a checkpoint unless the last one is younger; the run ends with one."""


class DivergedError(UsageError):
    """A run that can only waste time."""

    what: str
    """The trouble without the way out."""

    def __init__(self, step: int, way_out: str) -> None:
        self.what = f"the run has diverged by step {step}: its loss is no number any more"
        super().__init__(f"{self.what}; {way_out}")


class Checkpoints:
    """The checkpoints of one run, each in the place of the one before."""

    def __init__(self, folder: Path, recipe: Recipe, every_s: float) -> None:
        """Counts the time from now on."""
        self._folder = folder
        self._recipe = recipe
        self._every_s = every_s
        self._saved_s = time.monotonic()

    def keep(self, state: RunState, *, epoch_ends: bool, last: bool) -> None:
        """Saves the state where it is time to.

        Raises:
            UsageError: the run has diverged.
            OutputError: the checkpoint cannot be written.
        """
        age_s = time.monotonic() - self._saved_s
        due_s = min(EPOCH_CHECKPOINT_S, self._every_s) if epoch_ends else self._every_s
        # a folder with a table of epochs can always be gone on with
        first = epoch_ends and not (self._folder / RUN_FILE).exists()
        if age_s > due_s or first or last:
            self.refuse_diverged(state)
            save_run(self._folder, self._recipe, state)
            self._saved_s = time.monotonic()

    def refuse_diverged(self, state: RunState) -> None:
        """Ends a run that can only waste time; its last checkpoint stays.

        Raises:
            DivergedError: the loss or the network is not finite any more.
        """
        if state.is_sound():
            return
        path = self._folder / RUN_FILE
        way = f"{path} is from before, so resume it" if path.exists() else "start it again"
        raise DivergedError(
            state.step, f"{way} with a lower rate, as in --set lr={self._recipe.lr / 2:g}"
        )
