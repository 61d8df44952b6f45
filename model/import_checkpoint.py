"""Takes over a `model_state.pth.tar` of common FER2013 training scripts, without trusting it."""

import pickle
from pathlib import Path
from typing import Any

import torch

from mien.contract.errors import WeightsError, unknown_choice
from model.torch_files import UNREADABLE
from model.vgg import ARCHITECTURES, VGG
from model.weights_file import WeightsInfo, fill_model, save_weights

BASELINE_INPUT_PX = 44
"""Those scripts train on 44 px windows of the 48 px faces, with pixels in [0, 1] as they are."""


class _Discarded:
    """Stands in for the pickled optimiser, so that none is ever built."""


def _plain_dict(_factory: object) -> dict[Any, Any]:
    """Stands in for `defaultdict(dict)`, which the safe loader cannot fill."""
    return {}


_NEEDED_GLOBALS: list[Any] = [
    (_Discarded, "torch.optim.sgd.SGD"),
    (_plain_dict, "collections.defaultdict"),
    dict,
]
"""What a pickled SGD optimiser names; its state is read and thrown away."""


def import_checkpoint(
    source: Path, target: Path, architecture: str | None = None, *, overwrite: bool = True
) -> WeightsInfo:
    """Reads `{epoch, model_weights, optimizer}` and writes weights of ours to `target`.

    The architecture is told from the shapes unless it is given. Nothing but tensors and plain
    containers is ever built from the file; the optimiser is left out; a GPU's tensors come to the
    host.

    Raises:
        WeightsError: no such file, it names other globals, or it holds no VGG of these shapes.
        UsageError: an unknown architecture, or `target` is there and may not be replaced.
        OutputError: `target` cannot be written.
    """
    saved = _load(source)
    tensors = _tensors(source, saved)
    name = architecture or _tell_architecture(source, tensors)
    if name not in ARCHITECTURES:
        raise unknown_choice("architecture", name, ARCHITECTURES)
    model = fill_model(str(source), name, tensors)
    epoch = saved.get("epoch") if isinstance(saved, dict) else None
    info = WeightsInfo(
        architecture=name,
        input_size_px=BASELINE_INPUT_PX,
        mean=0.0,
        std=1.0,
        recipe="imported",
        metrics={"epoch": epoch} if isinstance(epoch, int) else {},
    )
    return save_weights(target, model, info, torch.float32, overwrite=overwrite)


def _load(source: Path) -> Any:
    if not source.is_file():
        raise WeightsError(f"there is no checkpoint {source}")
    try:
        with torch.serialization.safe_globals(_NEEDED_GLOBALS):
            return torch.load(source, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            reason = "asks for more than tensors and an SGD optimiser, and is refused"
        else:
            reason = "is no readable torch checkpoint"
        raise WeightsError(f"{source} {reason}") from error


def _tensors(source: Path, saved: Any) -> dict[str, torch.Tensor]:
    """The state dict: under `model_weights`, or the file itself."""
    state = saved.get("model_weights", saved) if isinstance(saved, dict) else None
    if not isinstance(state, dict):
        raise WeightsError(f"{source} holds no state dict under 'model_weights'")
    # data-parallel training puts a word before every key
    named = {str(key).removeprefix("module."): value for key, value in state.items()}
    if not named or not all(isinstance(value, torch.Tensor) for value in named.values()):
        raise WeightsError(f"{source} holds something else than tensors in its state dict")
    return named


def _tell_architecture(source: Path, tensors: dict[str, torch.Tensor]) -> str:
    shapes = {key: value.shape for key, value in tensors.items()}
    for name in ARCHITECTURES:
        with torch.device("meta"):
            expected = {key: value.shape for key, value in VGG(name).state_dict().items()}
        if expected == shapes:
            return name
    raise WeightsError(f"{source} holds none of {', '.join(ARCHITECTURES)} with one grey channel")
