"""The precision that a run computes in: its recipe's, where the hardware is made for it."""

from __future__ import annotations

import contextlib

import torch

from model.classifier import fastest_dtype
from training.config import Recipe


def precision_on(recipe: Recipe, device: torch.device | str) -> str:
    """The recipe's, or `fp32` where it says `bf16` and the processor has no instructions for it.

    Without them bf16 is emulated, which was seen to take 14 times as long as float32.
    """
    if recipe.precision == "bf16" and fastest_dtype(torch.device(device)) is not torch.bfloat16:
        return "fp32"
    return recipe.precision


def missing_precision(recipe: Recipe, device: torch.device | str) -> list[str]:
    """A line that says that the run's precision is not its recipe's; no line where it is."""
    used = precision_on(recipe, device)
    if used == recipe.precision:
        return []
    return [
        f"this processor has no {recipe.precision} instructions: the run is in {used}, which "
        f"changes last digits (--set precision={used} makes it the recipe's own)"
    ]


def autocast(recipe: Recipe, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bf16 where the recipe says so and the hardware has it."""
    enabled = precision_on(recipe, device) == "bf16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
