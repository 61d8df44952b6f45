"""The batches of a run, each decided by the recipe and the step's number alone."""

from __future__ import annotations

import torch

from mien.contract.errors import UsageError
from model.preprocessing import Normalisation, normalise
from training.augment import augment, mix
from training.config import Recipe
from training.rows import Rows, epoch_order, seed_of


class Batches:
    """Pictures and targets of every step, made on the device that holds the rows.

    Nothing here waits for the device: an accelerator is handed its work ahead of time.
    """

    def __init__(self, recipe: Recipe, rows: Rows, device: str) -> None:
        """Counts the steps.

        Raises:
            UsageError: there are fewer rows than one batch needs.
        """
        count, rest = len(rows.images), len(rows.images) % recipe.batch
        if count < recipe.batch:
            raise UsageError(f"a batch of {recipe.batch} is more than the {count} training rows")
        self.rows = rows
        # batch norm cannot learn from a single picture
        self.steps_per_epoch = count // recipe.batch + (recipe.keep_rest and rest > 1)
        self.total = self.steps_per_epoch * recipe.epochs
        self._recipe = recipe
        self._device = device
        self._normalisation = Normalisation(recipe.mean, recipe.std)
        self._ordered_epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 1, s, s) normalised float32 and (n, 7); seeds all that the step draws from."""
        recipe, settings = self._recipe, self._recipe.augmentation
        generator = torch.Generator(self._device)
        generator.manual_seed(seed_of(recipe.seed, "augment", step))
        torch.manual_seed(seed_of(recipe.seed, "dropout", step))
        epoch, within = divmod(step, self.steps_per_epoch)
        rows = self._rows_of(epoch)[within * recipe.batch : (within + 1) * recipe.batch]
        targets = self.rows.targets[rows]
        calm = epoch >= recipe.epochs - settings.calm_epochs
        size_px = recipe.size_at(epoch)
        images = augment(self.rows.images[rows], size_px, settings, generator, calm=calm)
        if not calm and settings.mixup_share > 0:
            host = torch.Generator().manual_seed(seed_of(recipe.seed, "mixup", step))
            if float(torch.rand(1, generator=host)) < settings.mixup_share:
                images, targets = mix(images, targets, settings.mixup_alpha, host)
        return normalise(images, self._normalisation), targets

    def _rows_of(self, epoch: int) -> torch.Tensor:
        if epoch != self._ordered_epoch:
            order = epoch_order(self._recipe.seed, epoch, len(self.rows.images))
            self._order, self._ordered_epoch = order.to(self._device), epoch
        return self._order
