"""Scores a run's weights on PublicTest after each epoch and keeps the best."""

from __future__ import annotations

import torch

from model.preprocessing import VIEW_COUNTS, Normalisation, average_views, prepare
from model.vgg import VGG
from training.config import Recipe
from training.fer2013 import Split
from training.precision import autocast
from training.run_state import Best, RunState

_PICTURES = 256


class Selection:
    """The validation rows, on the device that they are looked at on."""

    def __init__(self, recipe: Recipe, validation: Split, device: str) -> None:
        self._recipe = recipe
        self._device = torch.device(device)
        self._images = torch.from_numpy(validation.images).to(device)
        self._labels = torch.from_numpy(validation.labels).to(device)

    @torch.inference_mode()
    def accuracy(self, model: VGG, size_px: int) -> float:
        """Share of right answers by the recipe's views; leaves the model in evaluation mode."""
        model.eval()
        recipe = self._recipe
        normalisation = Normalisation(recipe.mean, recipe.std)
        faces = max(1, _PICTURES // VIEW_COUNTS[recipe.selection_views])
        right = torch.zeros((), dtype=torch.int64, device=self._device)
        for start in range(0, len(self._labels), faces):
            crops = self._images[start : start + faces]
            images = prepare(crops, size_px, normalisation, recipe.selection_views)
            with autocast(recipe, self._device):
                logits = model(images.contiguous(memory_format=torch.channels_last))
            answers = average_views(logits.float(), recipe.selection_views).argmax(1)
            right += (answers == self._labels[start : start + faces]).sum()
        return int(right) / len(self._labels)

    def end_epoch(self, state: RunState, averaging: bool, rate: float, steps: int) -> None:
        """Scores the weights, and their average where there is one; keeps the best of all epochs.

        Adds the epoch's row to the history and begins the next epoch's sums.
        """
        epoch = len(state.history) + 1
        size_px = self._recipe.size_at(epoch - 1)
        models = {False: state.model}
        if averaging:
            models[True] = state.average
        scores = {}
        for averaged, model in models.items():
            score = scores[averaged] = self.accuracy(model, size_px)
            if state.best is None or score >= state.best.accuracy:
                tensors = {name: value.clone() for name, value in model.state_dict().items()}
                state.best = Best(score, epoch, size_px, averaged, tensors)
        state.history.append(
            {
                "epoch": epoch,
                "size_px": size_px,
                "lr": round(rate, 6),
                "train_loss": round(float(state.loss_sum) / steps, 5),
                "train_accuracy": round(float(state.hits) / steps, 5),
                "public_accuracy": round(scores[False], 5),
                "public_accuracy_averaged": round(scores[True], 5) if True in scores else "",
            }
        )
        state.loss_sum.zero_()
        state.hits.zero_()
