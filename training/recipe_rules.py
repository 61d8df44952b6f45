"""The range of every key of a recipe."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from mien.contract.errors import UsageError
from model.preprocessing import CROP_PX, VIEWS
from model.vgg import ARCHITECTURES, INITIALISATIONS, INPUT_SIZES_PX
from training.config import Recipe, SoftLabels

PRECISIONS = ("fp32", "bf16")
SCHEDULES = ("cosine", "step")


def check_recipe(recipe: Recipe) -> None:
    """Checks every value's range; for recipes that were changed by options, too.

    Raises:
        UsageError: names the first value out of its range.
    """
    for holds, key, range_ in [
        *_finite_rules(recipe),
        *_rules(recipe),
        *_augmentation_rules(recipe),
        *_soft_label_rules(recipe.soft_labels),
    ]:
        if not holds:
            raise UsageError(f"the recipe's {key} must be {range_}")
    recipe.parts()


def _finite_rules(part: Any) -> list[tuple[bool, str, str]]:
    """For every fraction of the recipe and its tables: most ranges have no upper end."""
    rules = []
    for item in dataclasses.fields(part):
        value = getattr(part, item.name)
        if dataclasses.is_dataclass(value):
            rules += _finite_rules(value)
        elif isinstance(value, float):
            rules.append((math.isfinite(value), item.name, "a finite number"))
    return rules


def _rules(recipe: Recipe) -> list[tuple[bool, str, str]]:
    """Whether a rule holds, of which key, and the range to tell."""
    sizes = [stage.size_px for stage in recipe.stages]
    names, starts = ", ".join(ARCHITECTURES), f"one of {', '.join(INITIALISATIONS)}"
    return [
        (recipe.architecture in ARCHITECTURES, "architecture", f"one of {names}"),
        (recipe.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}"),
        (recipe.initialisation in INITIALISATIONS, "initialisation", starts),
        (recipe.selection_views in VIEWS, "selection_views", f"one of {', '.join(VIEWS)}"),
        (recipe.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}"),
        (all(size in INPUT_SIZES_PX for size in sizes), "size_px", "32 to 64"),
        (all(stage.epochs >= 1 for stage in recipe.stages), "epochs", "at least 1"),
        (recipe.batch >= 2, "batch", "at least 2"),
        (recipe.lr > 0, "lr", "above 0"),
        (0 <= recipe.warmup < 1, "warmup", "from 0 to below 1"),
        (recipe.decay_start >= 0, "decay_start", "at least 0"),
        (recipe.decay_every >= 1, "decay_every", "at least 1"),
        (0 < recipe.decay_rate <= 1, "decay_rate", "above 0, at most 1"),
        (0 < recipe.momentum < 1, "momentum", "between 0 and 1"),
        (recipe.std > 0, "std", "above 0"),
        (recipe.weight_decay >= 0, "weight_decay", "at least 0"),
        (0 <= recipe.label_smoothing < 1, "label_smoothing", "from 0 to below 1"),
        (recipe.gradient_clip >= 0, "gradient_clip", "at least 0"),
        (0 <= recipe.ema_share <= 1, "ema_share", "from 0 to 1"),
        (0 <= recipe.ema_decay < 1, "ema_decay", "from 0 to below 1"),
        (recipe.ema_norms >= 0, "ema_norms", "at least 0"),
    ]


def _augmentation_rules(recipe: Recipe) -> list[tuple[bool, str, str]]:
    settings = recipe.augmentation
    return [
        (_windows_fit(recipe), "window_px", "0, or every stage's size_px, with nothing else moved"),
        (0 <= settings.shift < 1, "shift", "from 0 to below 1"),
        (settings.scale_min > 0, "scale_min", "above 0"),
        (settings.scale_min <= settings.scale_max, "scale_min", "at most scale_max"),
        (0 <= settings.brightness < 1, "brightness", "from 0 to below 1"),
        (0 <= settings.contrast < 1, "contrast", "from 0 to below 1"),
        (0 <= settings.erasing <= 1, "erasing", "from 0 to 1"),
        (0 <= settings.mixup_share <= 1, "mixup_share", "from 0 to 1"),
        (settings.mixup_alpha > 0, "mixup_alpha", "above 0"),
        (settings.calm_epochs >= 0, "calm_epochs", "at least 0"),
    ]


def _windows_fit(recipe: Recipe) -> bool:
    settings = recipe.augmentation
    moved = settings.rotation_deg, settings.shift, settings.scale_min - 1, settings.scale_max - 1
    sizes = {stage.size_px for stage in recipe.stages}
    fits = sizes == {settings.window_px} and settings.window_px <= CROP_PX
    return settings.window_px == 0 or (fits and not any(moved))


def _soft_label_rules(soft: SoftLabels) -> list[tuple[bool, str, str]]:
    return [
        (0 <= soft.share <= 1, "share", "from 0 to 1"),
        (2 <= soft.folds <= 20, "folds", "2 to 20"),
        (len({*soft.teachers}) == len(soft.teachers), "teachers", "different recipes"),
        (re.fullmatch("|[0-9a-f]{64}", soft.sha256) is not None, "sha256", "64 hex digits"),
    ]
