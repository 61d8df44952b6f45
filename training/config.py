"""A recipe: everything that decides which weights come out of a training run, read from TOML."""

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.contract.errors import UsageError
from model.vgg import ARCHITECTURES, SMALLEST_INPUT_PX

PRECISIONS = ("fp32", "bf16")
SCHEDULES = ("cosine", "step")


@dataclass(frozen=True, slots=True)
class Stage:
    """So many epochs at one input size; small pictures first make a run cheap."""

    size_px: int
    """32-64."""
    epochs: int
    """At least 1."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a training picture may be moved away from its original."""

    rotation_deg: float = 12.0
    """Uniform in ± this."""
    shift: float = 0.10
    """Uniform in ± this share of the side, each axis."""
    scale_min: float = 0.85
    scale_max: float = 1.15
    """Size of the face against its original, log-uniform."""
    brightness: float = 0.3
    """Gain, uniform in 1 ± this."""
    contrast: float = 0.3
    """Gain about the picture's mean, uniform in 1 ± this."""
    erasing: float = 0.25
    """Probability that a rectangle of 2-25 % of the picture is blanked."""
    mixup_share: float = 0.0
    """Share of the batches that are mixed with themselves."""
    mixup_alpha: float = 0.2
    """Of the Beta distribution that draws the mixing weight."""
    calm_epochs: int = 0
    """So many last epochs go without erasing and mixup."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run, but for the data, the place and the device."""

    name: str
    stages: tuple[Stage, ...]
    """In their order; the last size is the one that inference uses."""
    architecture: str = "vgg19"
    batch: int = 128
    lr: float = 0.05
    """The highest learning rate."""
    schedule: str = "cosine"
    """`cosine`: down to 0 over the run. `step`: see decay_*."""
    warmup: float = 0.1
    """Share of the run's steps in which the learning rate rises from 0."""
    decay_start: int = 80
    """`step` alone: epochs at the full rate."""
    decay_every: int = 5
    """`step` alone: epochs between two decays after that."""
    decay_rate: float = 0.9
    """`step` alone: factor of each decay."""
    momentum: float = 0.9
    """Nesterov's."""
    weight_decay: float = 5e-4
    """On the weights of convolutions and linear layers, not on biases and batch norm."""
    label_smoothing: float = 0.05
    gradient_clip: float = 0.0
    """Each gradient element is held within ± this; 0 leaves them alone."""
    ema_share: float = 0.2
    """The average of the weights covers this last share of the run; 0 for none."""
    ema_decay: float = 0.995
    precision: str = "fp32"
    """`bf16` for autocast, where the hardware has it."""
    drop_black: bool = True
    """Leave out Training rows that are plain black."""
    merge_copies: bool = True
    """Make one row of exact copies, with the mean of their labels."""
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def epochs(self) -> int:
        """Of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def size_at(self, epoch: int) -> int:
        """Input side in pixels of an epoch, counted from 0."""
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage.size_px
            epoch -= stage.epochs
        return self.stages[-1].size_px

    def with_epochs(self, epochs: int) -> "Recipe":
        """The same recipe shortened or stretched to so many epochs, the stages in proportion.

        Raises:
            UsageError: `epochs` is below 1.
        """
        if epochs < 1:
            raise UsageError(f"a run needs at least 1 epoch, not {epochs}")
        ends, passed = [], 0
        for stage in self.stages:
            passed += stage.epochs
            ends.append(round(passed * epochs / self.epochs))
        starts = [0, *ends[:-1]]
        stages = tuple(
            Stage(stage.size_px, end - start)
            for stage, start, end in zip(self.stages, starts, ends, strict=True)
            if end > start
        )
        return dataclasses.replace(self, stages=stages)

    def canonical(self) -> str:
        """The whole recipe as JSON with sorted keys, the text that `sha256` is taken of."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))

    def sha256(self) -> str:
        """Hex digest; equal for equal recipes however their TOML is written."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Reads a recipe file, or one of `training/recipes` by its name.

    Raises:
        UsageError: no such recipe, no TOML, an unknown key or a value out of its range.
    """
    named = Path(__file__).parent / "recipes" / f"{name_or_path}.toml"
    path = named if named.is_file() else Path(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {name_or_path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the recipe {path} is not TOML: {error}") from error
    return parse_recipe({"name": path.stem, **table})


def parse_recipe(table: dict[str, Any]) -> Recipe:
    """Builds a checked recipe from TOML's tables.

    Raises:
        UsageError: an unknown key, a wrong type or a value out of its range.
    """
    values = dict(table)
    stages = values.pop("stages", None)
    if not isinstance(stages, list) or not stages:
        raise UsageError("a recipe needs at least one [[stages]] table")
    values["stages"] = tuple(_build(Stage, stage, "[[stages]]") for stage in stages)
    values["augmentation"] = _build(Augmentation, values.pop("augmentation", {}), "[augmentation]")
    recipe: Recipe = _build(Recipe, values, "the recipe")
    check_recipe(recipe)
    return recipe


def _build(kind: type[Any], table: Any, where: str) -> Any:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table")
    fields = {item.name: item.type for item in dataclasses.fields(kind)}
    for key, value in table.items():
        if key not in fields:
            raise UsageError(f"{where} has an unknown key '{key}'")
        wanted = fields[key]
        if wanted is float and type(value) is int:
            table = {**table, key: float(value)}
        elif wanted in (int, float, str, bool) and type(value) is not wanted:
            raise UsageError(f"'{key}' in {where} is not of type {wanted.__name__}")
    try:
        return kind(**table)
    except TypeError as error:
        raise UsageError(f"{where} lacks a key: {error}") from error


def check_recipe(recipe: Recipe) -> None:
    """Checks every value's range; for recipes that were changed by options, too.

    Raises:
        UsageError: names the first value out of its range.
    """
    for holds, key, range_ in [*_rules(recipe), *_augmentation_rules(recipe.augmentation)]:
        if not holds:
            raise UsageError(f"the recipe's {key} must be {range_}")


def _rules(recipe: Recipe) -> list[tuple[bool, str, str]]:
    """Whether a rule holds, of which key, and the range to tell."""
    sizes = [stage.size_px for stage in recipe.stages]
    names = ", ".join(ARCHITECTURES)
    return [
        (recipe.architecture in ARCHITECTURES, "architecture", f"one of {names}"),
        (recipe.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}"),
        (recipe.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}"),
        (all(SMALLEST_INPUT_PX <= size <= 64 for size in sizes), "size_px", "32 to 64"),
        (all(stage.epochs >= 1 for stage in recipe.stages), "epochs", "at least 1"),
        (recipe.batch >= 2, "batch", "at least 2"),
        (recipe.lr > 0, "lr", "above 0"),
        (0 <= recipe.warmup < 1, "warmup", "from 0 to below 1"),
        (recipe.decay_start >= 0, "decay_start", "at least 0"),
        (recipe.decay_every >= 1, "decay_every", "at least 1"),
        (0 < recipe.decay_rate <= 1, "decay_rate", "above 0, at most 1"),
        (0 < recipe.momentum < 1, "momentum", "between 0 and 1"),
        (recipe.weight_decay >= 0, "weight_decay", "at least 0"),
        (0 <= recipe.label_smoothing < 1, "label_smoothing", "from 0 to below 1"),
        (recipe.gradient_clip >= 0, "gradient_clip", "at least 0"),
        (0 <= recipe.ema_share <= 1, "ema_share", "from 0 to 1"),
        (0 <= recipe.ema_decay < 1, "ema_decay", "from 0 to below 1"),
    ]


def _augmentation_rules(settings: Augmentation) -> list[tuple[bool, str, str]]:
    return [
        (0 <= settings.shift < 1, "shift", "from 0 to below 1"),
        (0 < settings.scale_min <= settings.scale_max, "scale_min", "at most scale_max"),
        (0 <= settings.brightness < 1, "brightness", "from 0 to below 1"),
        (0 <= settings.contrast < 1, "contrast", "from 0 to below 1"),
        (0 <= settings.erasing <= 1, "erasing", "from 0 to 1"),
        (0 <= settings.mixup_share <= 1, "mixup_share", "from 0 to 1"),
        (settings.mixup_alpha > 0, "mixup_alpha", "above 0"),
        (settings.calm_epochs >= 0, "calm_epochs", "at least 0"),
    ]
