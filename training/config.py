"""A recipe: everything that decides which weights come out of a training run."""

# annotations stay types here, not text: recipe_file.py checks values by them

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from mien.contract.errors import UsageError, check_range

LATER = {"later": True}
"""Marks a key that older recipes did not have: it is left out of the digest while it has its
default, so that the digests in committed weights still hold."""


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
    window_px: int = field(default=0, metadata=LATER)
    """Cut a window of this side somewhere within the 48 px and mirror it, without any resampling;
    then nothing is turned, shifted or scaled, and every stage has this size. 0 for the affine way.
    """


@dataclass(frozen=True, slots=True)
class SoftLabels:
    """What a student learns beside the labels: probabilities by teachers who had not seen the row.

    Without a share there are none.
    """

    share: float = 0.0
    """Of the target that is the teachers'; the rest is the label's."""
    file: str = ""
    """Made by `mien soft-labels`; in a recipe file, relative to it; with --set, to the working
    folder. Not part of the digest."""
    sha256: str = ""
    """Of the file; what the recipe knows its soft labels by."""
    teachers: tuple[str, ...] = ()
    """Recipes that `mien distill` trains, one network for each fold."""
    folds: int = 5
    """Into how many parts `mien distill` cuts Training."""


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
    """Of SGD."""
    weight_decay: float = 5e-4
    """On the weights of convolutions and linear layers, not on biases and batch norm."""
    label_smoothing: float = 0.05
    gradient_clip: float = 0.0
    """Each gradient element is held within ± this; 0 leaves them alone."""
    ema_share: float = 0.2
    """The average of the weights covers this last share of the run; 0 for none."""
    ema_decay: float = 0.995
    precision: str = "fp32"
    """`bf16` for autocast; a processor without instructions for it takes fp32, and says so."""
    drop_black: bool = True
    """Leave out Training rows that are plain black."""
    merge_copies: bool = True
    """Make one row of exact copies, with the mean of their labels."""
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    soft_labels: SoftLabels = field(default_factory=SoftLabels, metadata=LATER)
    nesterov: bool = field(default=True, metadata=LATER)
    """Whether the momentum is Nesterov's."""
    decay_all: bool = field(default=False, metadata=LATER)
    """Weight decay on biases and batch norm, too."""
    initialisation: str = field(default="identity", metadata=LATER)
    """One of `model.vgg.INITIALISATIONS`; without meaning where weights are given to begin with."""
    keep_rest: bool = field(default=False, metadata=LATER)
    """An epoch ends with what is left of its rows as a smaller batch; else they are left out."""
    mean: float = field(default=0.5077, metadata=LATER)
    """Taken off pixels in [0, 1]."""
    std: float = field(default=0.2550, metadata=LATER)
    """What the difference is divided by."""
    selection_views: str = field(default="single", metadata=LATER)
    """Of `model.preprocessing.VIEWS`: how PublicTest is looked at to choose the best epoch."""
    fold: str = field(default="", metadata=LATER)
    """`k/n`: learn from all but the k-th of n parts of Training, for soft labels; empty for all."""
    compiled: bool = field(default=False, metadata=LATER)
    """Let torch compile the network; on CUDA its steps become graphs. Compiled code draws
    random numbers in its own way, so that every dropout mask, and with it the weights, differ."""
    ema_norms: int = field(default=0, metadata=LATER)
    """Batches from which batch norm's statistics are computed for the averaged weights before these
    are scored; 0 averages the statistics as well, which never belonged to the averaged weights."""
    official_counts: bool = field(default=True, metadata=LATER)
    """Refuse data without exactly FER2013's row counts; only a recipe for tests does not."""

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
        """The same recipe shortened or stretched to so many epochs.

        The stages, the calm end and the steps of the rate keep their proportions.

        Raises:
            UsageError: `epochs` is below 1.
        """
        check_range("epochs", epochs, 1)
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
        share = epochs / self.epochs
        calm = round(self.augmentation.calm_epochs * share)
        decay_start, decay_every = self.decay_start, self.decay_every
        if self.schedule == "step":
            decay_start, decay_every = (
                round(decay_start * share),
                max(1, round(decay_every * share)),
            )
        return dataclasses.replace(
            self,
            stages=stages,
            decay_start=decay_start,
            decay_every=decay_every,
            augmentation=dataclasses.replace(self.augmentation, calm_epochs=calm),
        )

    def canonical(self) -> str:
        """The whole recipe as JSON with sorted keys, the text that `sha256` is taken of."""
        return json.dumps(_told(self), sort_keys=True, separators=(",", ":"))

    def sha256(self) -> str:
        """Hex digest; equal for equal recipes however their TOML is written."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def parts(self) -> tuple[int, int] | None:
        """The fold as (k from 1, n), or None for all of Training.

        Raises:
            UsageError: it is not of the form k/n with 1 <= k <= n and n >= 2.
        """
        if not self.fold:
            return None
        k, _, n = self.fold.partition("/")
        if not (k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n) and int(n) >= 2):
            raise UsageError(f"a fold is written as 1/5 to 5/5, not {self.fold}")
        return int(k), int(n)


def _told(part: Any) -> Any:
    """Tables, lists and values of a recipe, less what does not belong into its digest."""
    if isinstance(part, tuple):
        return [_told(item) for item in part]
    if not dataclasses.is_dataclass(part):
        return part
    told = {}
    for item in dataclasses.fields(part):
        value = getattr(part, item.name)
        implied = item.default
        if item.default_factory is not dataclasses.MISSING:
            implied = item.default_factory()
        if item.metadata.get("later") and value == implied:
            continue
        if not (isinstance(part, SoftLabels) and item.name == "file"):
            told[item.name] = _told(value)
    return told
