"""One step of learning: forward, backward, the optimiser, the average."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import update_bn

from mien.contract.errors import UsageError
from training.batches import Batches
from training.config import Recipe
from training.precision import autocast
from training.run_state import RunState


class Learner:
    """Moves the state on by one batch.

    Nothing here waits for the device; loss and hits are summed where the network is.
    """

    def __init__(self, recipe: Recipe, state: RunState, device: str, averages_from: int) -> None:
        """Takes the network as it is; `averages_from` is the first step that is averaged."""
        self._recipe = recipe
        self._state = state
        self._device = torch.device(device)
        self._averages_from = averages_from
        self._forward: Callable[[torch.Tensor], torch.Tensor] = state.model
        if recipe.compiled:
            mode = "reduce-overhead" if self._device.type == "cuda" else "default"
            self._forward = torch.compile(state.model, mode=mode)

    def step(self, images: torch.Tensor, targets: torch.Tensor, rate: float) -> None:
        """Learns from images (n, 1, s, s) and targets (n, 7) at one learning rate.

        Raises:
            UsageError: the network is to be compiled and cannot be here.
        """
        recipe, state = self._recipe, self._state
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        state.model.train()
        if recipe.compiled:
            torch.compiler.cudagraph_mark_step_begin()
        with autocast(recipe, self._device):
            logits = self._answers(images.contiguous(memory_format=torch.channels_last))
        loss = cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.gradient_clip > 0:
            torch.nn.utils.clip_grad_value_(state.model.parameters(), recipe.gradient_clip)
        state.optimizer.step()
        state.loss_sum += loss.detach()
        state.hits += (logits.detach().argmax(1) == targets.argmax(1)).float().mean()
        self._average()
        state.step += 1

    def _answers(self, images: torch.Tensor) -> torch.Tensor:
        if not self._recipe.compiled:
            return self._forward(images)
        # the compiler takes seconds to import
        from torch._dynamo.exc import TorchDynamoException

        try:
            return self._forward(images)
        except TorchDynamoException as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(f"torch cannot compile here ({reason}); use --no-compile") from error

    @torch.no_grad()
    def _average(self) -> None:
        """Moves the average towards the model, batch norm's buffers too, once it is time to."""
        state = self._state
        if state.step < self._averages_from:
            return
        current = state.model.state_dict()
        means, values = [], []
        for name, mean in state.average.state_dict().items():
            if mean.is_floating_point() and state.step > self._averages_from:
                means.append(mean)
                values.append(current[name])
            else:
                mean.copy_(current[name])
        if means:
            torch._foreach_lerp_(means, values, 1 - self._recipe.ema_decay)

    def settle_norms(self, batches: Batches) -> None:
        """Finds batch norm's statistics for the average, by the pictures of the last steps.

        No step has collected them for the averaged weights, only for those that were averaged.
        Source: Izmailov et al., arXiv:1803.05407.
        """
        state, last = self._state, self._state.step
        steps = range(max(0, last - self._recipe.ema_norms), last)
        with autocast(self._recipe, self._device):
            update_bn(self._pictures(batches, steps), state.average)

    def _pictures(self, batches: Batches, steps: Iterable[int]) -> Iterator[torch.Tensor]:
        """Those that the steps have learned from, wherever they are asked for."""
        for step in steps:
            # autocast would round the places at which they are sampled
            with torch.autocast(self._device.type, enabled=False):
                images = batches.at(step)[0]
            yield images.contiguous(memory_format=torch.channels_last)


def make_optimizer(recipe: Recipe, model: torch.nn.Module) -> torch.optim.SGD:
    """Weight decay is for weights alone, unless the recipe says `decay_all`."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed}, {"params": others}],
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
    )
    set_hyperparameters(recipe, optimizer)
    return optimizer


def set_hyperparameters(recipe: Recipe, optimizer: torch.optim.SGD) -> None:
    """Puts the recipe's in place of those that came with a checkpoint."""
    decays = recipe.weight_decay, recipe.weight_decay if recipe.decay_all else 0.0
    for group, decay in zip(optimizer.param_groups, decays, strict=True):
        group["weight_decay"] = decay
        group["momentum"], group["nesterov"] = recipe.momentum, recipe.nesterov
