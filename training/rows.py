"""The rows that a run learns from: cleaned, counted, and in the order of each epoch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from mien.contract.errors import UsageError
from mien.contract.expressions import EXPRESSIONS
from training.clusters import fold_of
from training.config import Recipe
from training.fer2013 import Split


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of the rows of Training."""

    given: int
    held_out: int
    """In the fold that this run must not learn from."""
    black: int
    """Plain black and left out."""
    merged: int
    """Made one with an earlier row, of which they are exact copies."""

    @property
    def kept(self) -> int:
        """Rows that are learned from."""
        return self.given - self.held_out - self.black - self.merged

    def line(self) -> str:
        """For the log and the report."""
        held = f", {self.held_out} held out" if self.held_out else ""
        return (
            f"{self.given} Training rows{held}, {self.black} black ones left out, "
            f"{self.merged} exact copies merged: {self.kept} to learn from"
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Cleaned rows on the device that learns from them."""

    images: torch.Tensor
    """(n, 48, 48) uint8."""
    targets: torch.Tensor
    """(n, 7) float32, each summing to one."""
    counts: RowCounts
    sha256: str
    """Hex digest over the pictures and targets."""
    held_out: npt.NDArray[np.int64]
    """Indices into Training of the fold that is held out; (0,) without one."""


def training_rows(
    training: Split,
    recipe: Recipe,
    device: str,
    soft: npt.NDArray[np.float32] | None = None,
) -> Rows:
    """Cleans Training as the recipe says.

    Exact copies of one picture become one row whose target is the mean of theirs. `soft` has the
    teachers' probabilities (n, 7) for every row of Training, in its order.

    Raises:
        UsageError: nothing is left to learn from, or to hold out.
    """
    held_out = held_out_rows(training, recipe)
    skipped = set(held_out.tolist())
    rows: dict[bytes, int] = {}
    kept: list[int] = []
    members: list[list[int]] = []
    black = 0
    for index, image in enumerate(training.images):
        if index in skipped:
            continue
        if recipe.drop_black and not image.any():
            black += 1
            continue
        key = image.tobytes() if recipe.merge_copies else index.to_bytes(8, "little")
        if key not in rows:
            rows[key] = len(kept)
            kept.append(index)
            members.append([])
        members[rows[key]].append(index)
    if not kept:
        raise UsageError("no Training row is left to learn from")
    counts = RowCounts(
        given=len(training.labels),
        held_out=len(held_out),
        black=black,
        merged=sum(len(group) - 1 for group in members),
    )
    images, targets = training.images[kept], _targets(training, members, recipe, soft)
    digest = hashlib.sha256(images.tobytes() + targets.numpy().tobytes()).hexdigest()
    placed = torch.from_numpy(images).to(device), targets.to(device)
    return Rows(*placed, counts, digest, held_out)


def held_out_rows(training: Split, recipe: Recipe) -> npt.NDArray[np.int64]:
    """Indices of the rows in the recipe's fold, in their order.

    Raises:
        UsageError: the fold is empty, which happens only with few rows.
    """
    parts = recipe.parts()
    if parts is None:
        return np.empty(0, dtype=np.int64)
    part, count = parts
    rows = np.flatnonzero(fold_of(training.images, count) == part - 1)
    if not len(rows):
        raise UsageError(f"the fold {recipe.fold} of so few rows is empty")
    return rows


def shared_pictures(training: Split, other: Split) -> int:
    """How many rows of `other` have an exact copy in Training; for the log, nothing is removed."""
    known = {image.tobytes() for image in training.images}
    return sum(image.tobytes() in known for image in other.images)


def epoch_order(seed: int, epoch: int, count: int) -> torch.Tensor:
    """(count,) int64 on the host: the same for the same seed and epoch, on every device."""
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    return torch.randperm(count, generator=generator)


def seed_of(seed: int, purpose: str, index: int) -> int:
    """A seed of 63 bits for one purpose at one step, so that no generator needs to be saved."""
    digest = hashlib.sha256(f"{seed} {purpose} {index}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def _targets(
    training: Split,
    members: list[list[int]],
    recipe: Recipe,
    soft: npt.NDArray[np.float32] | None,
) -> torch.Tensor:
    size = len(EXPRESSIONS)
    counts = np.stack([np.bincount(training.labels[group], minlength=size) for group in members])
    labels = torch.from_numpy(counts.astype(np.float32))
    targets = labels / labels.sum(1, keepdim=True)
    if soft is None:
        return targets
    taught = torch.from_numpy(np.stack([soft[group].mean(0) for group in members]))
    return targets.lerp(taught / taught.sum(1, keepdim=True), recipe.soft_labels.share)
