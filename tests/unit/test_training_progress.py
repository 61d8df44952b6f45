"""How long a run will take, told by the speed since the last line."""

import torch

from model.vgg import VGG
from training.config import Recipe, Stage
from training.learning import make_optimizer
from training.progress import LOG_EVERY_S, Progress
from training.run_state import RunState

RECIPE = Recipe("r", (Stage(32, 2), Stage(64, 1)))
STEPS = 10
"""An epoch. A step at 64 px is four times the work of one at 32, so in all there is 60 times that.
"""


def told(first_step: int, steps: int, step_s: float) -> list[str]:
    """The lines of so many steps at 32 px that take so long each."""
    model = VGG("small")
    zero = torch.zeros(())
    state = RunState(model, model, make_optimizer(RECIPE, model), zero, zero.clone())
    lines: list[str] = []
    now_s = 0.0
    progress = Progress(RECIPE, STEPS, lines.append, lambda: now_s)
    for step in range(first_step, first_step + steps):
        now_s += step_s
        state.step = step + 1
        progress.tick(state, 32, 0.01)
    return lines


def test_the_rest_is_told_in_the_work_that_larger_pictures_make() -> None:
    (line,) = told(0, 6, 60.0)[:1]
    # two steps of a minute are done; 18 of these are left, and 10 of four minutes
    assert line.startswith("epoch 1 step 2/30 at 32 px")
    assert line.endswith("58 min left at this speed")


def test_a_run_that_goes_on_counts_its_own_steps_alone() -> None:
    line = told(12, 3, 60.0)[0]
    # the first step of a process is slow and not counted
    assert line.startswith("epoch 2 step 14/30")
    assert line.endswith("46 min left at this speed")


def test_nothing_is_said_more_often_than_is_of_use() -> None:
    assert told(0, 18, LOG_EVERY_S / 40) == []
    assert len(told(0, 18, LOG_EVERY_S / 4)) == 4
