"""Trains one network on FER2013; reads top to bottom.

Everything is decided by the recipe and the step's number: the order of the pictures, how they are
moved, the dropout and the learning rate. So a run that was killed goes on as if nothing had been.
"""

import csv
import dataclasses
import io
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from mien.contract.atomic import write_whole
from mien.contract.errors import OutputError, UsageError, WeightsError
from model.checkpoint import WeightsInfo, load_weights, save_weights
from model.preprocessing import Normalisation, normalise, prepare
from model.vgg import VGG
from training.augment import augment, mix
from training.config import Recipe, check_recipe
from training.fer2013 import Split, load_split
from training.progress import Progress
from training.provenance import commit
from training.rows import epoch_order, seed_of, training_rows
from training.run_state import RUN_FILE, Best, RunState, restore_run, save_run
from training.schedule import learning_rate

CHECKPOINT_EVERY_S = 300.0
"""Between two checkpoints within an epoch; each epoch ends with one in any case."""

_NORMALISATION = Normalisation()


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    device: str = "cpu",
    epochs: int | None = None,
    seed: int | None = None,
    init: str | Path | None = None,
    resume: bool = False,
    report: Callable[[str], None],
) -> Path:
    """Trains on Training, selects on PublicTest and writes `out/<architecture>.safetensors`.

    `init` names weights to start from; `resume` goes on with the run in `out`. Gives the path of
    the weights; `report` gets a line of progress now and then.

    Raises:
        SourceError: the data set is missing or damaged.
        UsageError: the recipe cannot be used, or `out` holds a run and `resume` is not asked for.
        WeightsError: `init` or the run's checkpoint cannot be used.
        OutputError: `out` cannot be written.
    """
    if epochs is not None:
        recipe = recipe.with_epochs(epochs)
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    training = load_split(data, "Training")
    validation = load_split(data, "PublicTest")
    return fit(
        recipe, training, validation, out, device=device, init=init, resume=resume, report=report
    )


def fit(
    recipe: Recipe,
    training: Split,
    validation: Split,
    out: Path,
    *,
    device: str = "cpu",
    init: str | Path | None = None,
    resume: bool = False,
    report: Callable[[str], None],
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> Path:
    """The same on splits in memory, of any number of rows."""
    check_recipe(recipe)
    run = _Run(recipe, *training_rows(training, recipe, device), device)
    state = _begin(run, out, init, resume, report)
    progress = Progress(run.total, report)
    saved_s = time.monotonic()

    while state.step < run.total:
        epoch, within = divmod(state.step, run.steps_per_epoch)
        images, targets = _batch(run, state.step)
        rate = learning_rate(recipe, state.step, run.total, run.steps_per_epoch)
        _step(run, state, images, targets, rate)
        _average(run, state)
        state.step += 1
        progress.tick(state, epoch, within + 1, images.shape[-1], rate)

        epoch_ends = state.step % run.steps_per_epoch == 0
        if epoch_ends:
            _end_epoch(run, state, validation, rate, out)
        if epoch_ends or time.monotonic() - saved_s > checkpoint_every_s:
            save_run(out, recipe, state)
            saved_s = time.monotonic()
        if epoch_ends:
            report(_epoch_line(state))

    return _write_weights(out, recipe, state, report)


@dataclass(frozen=True, slots=True)
class _Run:
    """What stays the same through a run."""

    recipe: Recipe
    images: torch.Tensor
    targets: torch.Tensor
    device: str

    @property
    def steps_per_epoch(self) -> int:
        return len(self.images) // self.recipe.batch

    @property
    def total(self) -> int:
        return self.steps_per_epoch * self.recipe.epochs

    @property
    def averages_from(self) -> int:
        """The first step after which the weights are averaged."""
        return self.total - round(self.recipe.ema_share * self.total)


@torch.inference_mode()
def accuracy(
    model: VGG, split: Split, size_px: int, device: str, precision: str, batch: int = 256
) -> float:
    """Share of right answers on single views; leaves the model in evaluation mode."""
    model.eval()
    right = 0
    for start in range(0, len(split.labels), batch):
        crops = torch.from_numpy(split.images[start : start + batch]).to(device)
        images = prepare(crops, size_px, _NORMALISATION).contiguous(
            memory_format=torch.channels_last
        )
        with _autocast(device, precision):
            answers = model(images).argmax(1).cpu()
        right += int((answers == torch.from_numpy(split.labels[start : start + batch])).sum())
    return right / len(split.labels)


def _open_folder(out: Path, resume: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}") from error
    if resume and not (out / RUN_FILE).is_file():
        raise WeightsError(f"{out} holds no run to resume")
    if not resume and (out / RUN_FILE).exists():
        raise UsageError(f"{out} holds a run already; resume it or choose another folder")


def _begin(
    run: _Run,
    out: Path,
    init: str | Path | None,
    resume: bool,
    report: Callable[[str], None],
) -> RunState:
    recipe, count = run.recipe, len(run.images)
    _open_folder(out, resume)
    if count < recipe.batch:
        raise UsageError(f"a batch of {recipe.batch} is more than the {count} training rows")
    model = _fresh_model(recipe, init).to(run.device).to(memory_format=torch.channels_last)
    state = RunState(model, deepcopy(model).requires_grad_(False), _optimizer(recipe, model))
    if resume:
        changed = restore_run(out, recipe, state)
        if changed:
            # under another plan the averaging may be due already, from here on
            state.average.load_state_dict(state.model.state_dict())
        note = f", with another {', '.join(changed)}" if changed else ""
        report(f"resumed at step {state.step} of {run.total}{note}")
    report(
        f"{recipe.name}: {count} rows, {recipe.epochs} epochs, {run.total} steps on {run.device}"
    )
    return state


def _fresh_model(recipe: Recipe, init: str | Path | None) -> VGG:
    if init is None:
        torch.manual_seed(seed_of(recipe.seed, "init", 0))
        return VGG(recipe.architecture)
    model, info = load_weights(init)
    if info.architecture != recipe.architecture:
        raise WeightsError(f"{init} is {info.architecture}, the recipe's {recipe.architecture}")
    return model


def _optimizer(recipe: Recipe, model: VGG) -> torch.optim.SGD:
    """Weight decay is for weights alone; biases and batch norm go without."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return torch.optim.SGD(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=True,
    )


def _batch(run: _Run, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The pictures and targets of one step; seeds every generator that the step uses."""
    recipe, settings = run.recipe, run.recipe.augmentation
    generator = torch.Generator(run.device)
    generator.manual_seed(seed_of(recipe.seed, "augment", step))
    torch.manual_seed(seed_of(recipe.seed, "dropout", step))
    epoch, within = divmod(step, run.steps_per_epoch)
    order = epoch_order(recipe.seed, epoch, len(run.images))
    rows = order[within * recipe.batch : (within + 1) * recipe.batch].to(run.device)
    targets = run.targets[rows]
    calm = epoch >= recipe.epochs - settings.calm_epochs
    images = augment(run.images[rows], recipe.size_at(epoch), settings, generator, calm=calm)
    if not calm and settings.mixup_share > 0:
        drawn = torch.rand(1, generator=generator, device=generator.device)
        if float(drawn) < settings.mixup_share:
            images, targets = mix(images, targets, settings.mixup_alpha, generator)
    return normalise(images, _NORMALISATION), targets


def _autocast(device: str, precision: str) -> torch.autocast:
    return torch.autocast(
        torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bf16"
    )


def _step(
    run: _Run, state: RunState, images: torch.Tensor, targets: torch.Tensor, rate: float
) -> None:
    """One step of the optimiser; adds the loss and the share of right answers to the state."""
    recipe = run.recipe
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.model.train()
    with _autocast(run.device, recipe.precision):
        logits = state.model(images.contiguous(memory_format=torch.channels_last))
    loss = cross_entropy(logits.float(), targets, label_smoothing=recipe.label_smoothing)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if recipe.gradient_clip > 0:
        torch.nn.utils.clip_grad_value_(state.model.parameters(), recipe.gradient_clip)
    state.optimizer.step()
    state.loss_sum += float(loss.detach())
    state.hits += float((logits.argmax(1) == targets.argmax(1)).float().mean())


@torch.no_grad()
def _average(run: _Run, state: RunState) -> None:
    """Moves the average towards the model, batch norm's buffers too, once it is time to."""
    if state.step < run.averages_from:
        return
    current = state.model.state_dict()
    for name, mean in state.average.state_dict().items():
        if mean.is_floating_point() and state.step > run.averages_from:
            mean.lerp_(current[name], 1 - run.recipe.ema_decay)
        else:
            mean.copy_(current[name])


def _end_epoch(run: _Run, state: RunState, validation: Split, rate: float, out: Path) -> None:
    """Scores the weights, and their average where there is one; keeps the best of all epochs."""
    epoch, steps = len(state.history) + 1, run.steps_per_epoch
    size_px = run.recipe.size_at(epoch - 1)
    models = {False: state.model}
    if state.step > run.averages_from:
        models[True] = state.average
    scores = {}
    for averaged, model in models.items():
        score = accuracy(model, validation, size_px, run.device, run.recipe.precision)
        scores[averaged] = score
        if state.best is None or score >= state.best.accuracy:
            tensors = {name: value.clone() for name, value in model.state_dict().items()}
            state.best = Best(score, epoch, size_px, averaged, tensors)
    state.history.append(
        {
            "epoch": epoch,
            "size_px": size_px,
            "lr": round(rate, 6),
            "train_loss": round(state.loss_sum / steps, 5),
            "train_accuracy": round(state.hits / steps, 5),
            "public_accuracy": round(scores[False], 5),
            "public_accuracy_averaged": round(scores[True], 5) if True in scores else "",
        }
    )
    state.loss_sum = state.hits = 0.0
    _write_metrics(out, state)


def _epoch_line(state: RunState) -> str:
    row = state.history[-1]
    averaged = row["public_accuracy_averaged"]
    more = f", averaged {100 * averaged:.2f} %" if averaged != "" else ""
    return (
        f"epoch {row['epoch']} at {row['size_px']} px: loss {row['train_loss']:.4f}, "
        f"PublicTest {100 * row['public_accuracy']:.2f} %{more}"
    )


def _write_metrics(out: Path, state: RunState) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(state.history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(state.history)
    write_whole(out / "metrics.csv", text.getvalue(), overwrite=True)


def _write_weights(
    out: Path, recipe: Recipe, state: RunState, report: Callable[[str], None]
) -> Path:
    best = state.best
    if best is None:
        raise WeightsError(f"the run in {out} has no finished epoch")
    model = VGG(recipe.architecture)
    model.load_state_dict(best.tensors)
    info = WeightsInfo(
        architecture=recipe.architecture,
        input_size_px=best.size_px,
        mean=_NORMALISATION.mean,
        std=_NORMALISATION.std,
        commit=commit(),
        recipe=recipe.name,
        recipe_sha256=recipe.sha256(),
        metrics={
            "public_accuracy_while_training": round(best.accuracy, 5),
            "epoch": best.epoch,
            "epochs": recipe.epochs,
            "averaged": str(best.averaged).lower(),
            "seed": recipe.seed,
        },
    )
    path = out / f"{recipe.architecture}.safetensors"
    save_weights(path, model, info)
    report(f"wrote {path}: PublicTest {100 * best.accuracy:.2f} % while training")
    return path
