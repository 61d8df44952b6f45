"""How fast a run learns at each of its steps."""

from __future__ import annotations

import math

from training.config import Recipe


def learning_rate(recipe: Recipe, step: int, total: int, steps_per_epoch: int) -> float:
    """Of one step, counted from 0: a linear rise, then the recipe's way down.

    Source of the cosine: Loshchilov and Hutter, arXiv:1608.03983, without restarts.
    """
    rise = round(recipe.warmup * total)
    if step < rise:
        return recipe.lr * (step + 1) / rise
    if recipe.schedule == "step":
        late = step // steps_per_epoch - recipe.decay_start
        decays = 0 if late < 0 else late // recipe.decay_every + 1
        return recipe.lr * recipe.decay_rate**decays
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - rise) / (total - rise)))


def averaging_start(ema_share: float, total: int) -> int:
    """The first step, counted from 0, whose weights are averaged."""
    return total - round(ema_share * total)
