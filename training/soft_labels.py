"""Soft labels: what teachers say of rows that they have not learned from.

A network that has seen a row long enough remembers its label, so its opinion adds nothing.
Therefore Training is cut into folds, a teacher learns from all but one and is asked about that
one. Where there is no time for that, a teacher of all rows may be asked on request: one that is
hardly better on them than on others has not remembered them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mien.contract.analyses import Views
from mien.contract.atomic import write_whole
from mien.contract.errors import SourceError, UsageError, WeightsError
from mien.contract.expressions import EXPRESSIONS
from model.weights_file import WeightsInfo, read_info
from training.config import Recipe
from training.fer2013 import Split
from training.metrics import percent
from training.reliability import softmax
from training.rows import held_out_rows
from training.scoring import ScoringOptions, ask, rows_sha256

_TENSOR = "probabilities"
_FORMAT = "mien-soft-labels"


def make_soft_labels(
    teachers: Sequence[str | Path],
    training: Split,
    out: Path,
    *,
    in_sample: bool = False,
    views: Views = "flip",
    device: str = "cpu",
    overwrite: bool = True,
    report: Callable[[str], None],
) -> str:
    """Asks each teacher about its own fold and writes the mean for every row; gives the sha256.

    Several teachers of one fold are averaged. With `in_sample` a teacher without a fold is asked
    about every row, though it has learned from it. The file holds (n, 7) half-precision
    probabilities in the order of Training's rows, and who said so.

    Raises:
        WeightsError: a teacher has no fold without `in_sample`, or its fold is of other data.
        UsageError: rows are left without a teacher, or `out` is there and may not be replaced.
        OutputError: `out` cannot be written.
    """
    sums = np.zeros((len(training.labels), len(EXPRESSIONS)), dtype=np.float64)
    counts = np.zeros(len(training.labels), dtype=np.int64)
    told = []
    for teacher in teachers:
        info = read_info(teacher)
        fold = str(info.metrics.get("fold", ""))
        in_all = in_sample and not fold
        rows = np.arange(len(training.labels)) if in_all else _rows_of(teacher, info, training)
        # at temperature 1: a teacher's doubt is what a student learns from
        said = softmax(ask(teacher, training.images[rows], ScoringOptions(views, device)).logits)
        sums[rows] += said
        counts[rows] += 1
        right = float((said.argmax(1) == training.labels[rows]).mean())
        told.append({"fold": fold, "recipe": info.recipe, "tensor_sha256": info.tensor_sha256})
        name, seen = (info.recipe, "") if in_all else (f"{info.recipe} {fold}", "not ")
        report(f"{name}: {percent(right)} of {len(rows)} rows that it had {seen}seen")
    if not counts.all():
        raise UsageError(
            f"{int((counts == 0).sum())} Training rows have no teacher; give one for every fold"
        )
    mean = (sums / counts[:, None]).astype(np.float16)
    # a single entry, since the library writes several in a random order
    text = json.dumps({"rows": rows_sha256(training), "views": views, "teachers": told})
    content = save({_TENSOR: mean}, metadata={_FORMAT: text})
    write_whole(out, content, overwrite=overwrite)
    return hashlib.sha256(content).hexdigest()


def load_soft_labels(recipe: Recipe, training: Split) -> npt.NDArray[np.float32] | None:
    """(n, 7) for every row of Training, or None for a recipe without soft labels.

    Raises:
        UsageError: the recipe wants soft labels and names none.
        SourceError: they are missing, have another hash, or are of other rows.
    """
    wanted = recipe.soft_labels
    if wanted.share == 0:
        return None
    if not wanted.file or not wanted.sha256:
        raise UsageError(
            f"the recipe {recipe.name} learns from soft labels and names no file and sha256; give "
            "them with --soft-labels FILE, or let `mien distill` make them"
        )
    path = Path(wanted.file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"cannot read the soft labels {path} of the recipe {recipe.name}: {error.strerror}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != wanted.sha256:
        raise SourceError(
            f"the soft labels {path} have the sha256 {found[:12]}..., "
            f"the recipe {recipe.name} wants {wanted.sha256[:12]}..."
        )
    return _parse(path, content, training)


def teachers_of(path: Path) -> list[str]:
    """The digests of the teachers' tensors in a soft labels file; none where it is not there.

    Raises:
        SourceError: it is damaged.
    """
    if not path.is_file():
        return []
    return [one["tensor_sha256"] for one in _told(path, path.read_bytes())["teachers"]]


def file_sha256(path: Path) -> str:
    """Hex digest of a soft labels file.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SourceError(f"cannot read the soft labels {path}: {error.strerror}") from error


def _parse(path: Path, content: bytes, training: Split) -> npt.NDArray[np.float32]:
    told = _told(path, content)
    soft = load(content)[_TENSOR].astype(np.float32)
    fits = soft.shape == (len(training.labels), len(EXPRESSIONS))
    if told["rows"] != rows_sha256(training) or not fits:
        raise SourceError(f"the soft labels {path} were made for other Training rows")
    return soft


def _told(path: Path, content: bytes) -> dict[str, Any]:
    """What the file says of itself; its tensor is there, too."""
    try:
        load(content)[_TENSOR]
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        told: dict[str, Any] = json.loads(header["__metadata__"][_FORMAT])
    except (SafetensorError, ValueError, KeyError) as error:
        raise SourceError(f"{path} is damaged, or no soft labels made by mien") from error
    return told


def _rows_of(teacher: str | Path, info: WeightsInfo, training: Split) -> npt.NDArray[np.int64]:
    fold = str(info.metrics.get("fold", ""))
    if not fold:
        raise WeightsError(
            f"{teacher} has learned from all of Training; a teacher is made with --fold k/n "
            "(or is asked about what it knows, with --in-sample)"
        )
    rows = held_out_rows(training, Recipe(info.recipe, (), fold=fold))
    if rows_digest(rows) != info.metrics.get("held_out_sha256"):
        raise WeightsError(f"{teacher} held out other rows than fold {fold} of these data")
    return rows


def rows_digest(rows: npt.NDArray[np.int64]) -> str:
    """Hex digest of which rows were held out."""
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
