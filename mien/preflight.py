"""Checks of a request before it is carried out."""

from __future__ import annotations

from pathlib import Path

from mien.contract.atomic import check_target
from mien.contract.errors import UsageError, WeightsError
from mien.contract.requests import RunRequest
from model.weights_file import WEIGHTS_FOLDER, read_info, weights_path
from producer.addresses import kind_of_name, local_path
from workers.results import check_results


def check_request(request: RunRequest) -> None:
    """Refuse what cannot end well before anything is opened.

    Raises:
        UsageError: an output is the input, is asked for twice, exists and must not be replaced, or
            cannot be written as its name says.
    """
    source, seen = local_path(request.source), set[Path]()
    for target in request.files:  # before it is advised to overwrite it
        if source is not None and _are_one(target, source):
            raise UsageError(f"{target} is the input itself; give the output another name")
    kind = kind_of_name(request.source)
    # a server may have either
    live = request.attached or {"file": False, "camera": True}.get(kind)
    check_results(request.results, overwrite=request.overwrite, live=live)
    if request.report is not None and request.report.suffix.lower() != ".json":
        raise UsageError(f"the report cannot be written as '{request.report.name}': use .json")
    addresses = [output.name for output in request.outputs if not output.is_file]
    if len(set(addresses)) < len(addresses):
        raise UsageError("an address is published to twice; give every output its own")
    for target in request.files:
        appended = target == request.results and live is not False
        check_target(target, request.overwrite or appended)
        if target.resolve() in seen:
            raise UsageError(f"{target} is asked for twice; give every output a name of its own")
        seen.add(target.resolve())


def comes_with_mien(weights: str) -> bool:
    """Whether these are weights that every process has, by name; others are a file."""
    try:
        return weights_path(weights).parent == WEIGHTS_FOLDER
    except WeightsError:
        return False


def describe_weights(name: str) -> dict[str, object]:
    """Architecture, digests, recipe and commit of weights, without loading them.

    Raises:
        WeightsError: they are missing or damaged.
    """
    weights = read_info(name)
    return {
        "architecture": weights.architecture,
        "sha256": weights.sha256,
        "tensor_sha256": weights.tensor_sha256,
        "recipe": weights.recipe,
        "commit": weights.commit,
    }


def _are_one(target: Path, source: Path) -> bool:
    """Whether both are the same file; False where one is missing or cannot be read."""
    try:
        return target.samefile(source)
    except OSError:
        return False
