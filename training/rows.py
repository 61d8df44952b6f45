"""The rows that a run learns from: cleaned, and in the order of each epoch."""

import hashlib

import torch

from mien.contract.expressions import EXPRESSIONS
from training.config import Recipe
from training.fer2013 import Split


def training_rows(
    training: Split, recipe: Recipe, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (n, 48, 48) uint8 and targets (n, 7) float32, cleaned as the recipe says.

    Copies of one picture become one row whose target is the mean of their labels.
    """
    rows: dict[bytes, int] = {}
    kept: list[int] = []
    targets: list[list[float]] = []
    for index, (image, label) in enumerate(zip(training.images, training.labels, strict=True)):
        if recipe.drop_black and not image.any():
            continue
        key = image.tobytes() if recipe.merge_copies else index.to_bytes(8, "little")
        if key not in rows:
            rows[key] = len(kept)
            kept.append(index)
            targets.append([0.0] * len(EXPRESSIONS))
        targets[rows[key]][label] += 1.0
    counts = torch.tensor(targets).reshape(-1, len(EXPRESSIONS))
    images = torch.from_numpy(training.images[kept])
    return images.to(device), (counts / counts.sum(1, keepdim=True)).to(device)


def epoch_order(seed: int, epoch: int, count: int) -> torch.Tensor:
    """(count,) int64 on the host: the same for the same seed and epoch, on every device."""
    generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    return torch.randperm(count, generator=generator)


def seed_of(seed: int, purpose: str, index: int) -> int:
    """A seed of 63 bits for one purpose at one step, so that no generator needs to be saved."""
    digest = hashlib.sha256(f"{seed} {purpose} {index}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
