"""Weights on disk: one safetensors file that says what it is and is checked whole when read.

The information can be read without torch; tensors are half precision on disk (vectors stay single,
they cost nothing and batch norm's variances may be small) and single precision in memory.
"""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.contract.atomic import write_whole
from mien.contract.errors import WeightsError
from mien.contract.expressions import EXPRESSIONS

if TYPE_CHECKING:
    import torch

    from model.vgg import VGG

DEFAULT_WEIGHTS = "vgg19"
"""What the name `default` stands for."""

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
"""Where weights are looked for by name."""

_FORMAT = "mien-weights"
_VERSION = "1"
_HEADER_LIMIT_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """What stands in a weights file beside its tensors."""

    architecture: str
    """One of `model.vgg.ARCHITECTURES`."""
    input_size_px: int
    """Side of the picture that the network expects, 32 to 64."""
    mean: float
    """Taken off pixels in [0, 1]."""
    std: float
    """What the difference is divided by; above 0."""
    labels: tuple[str, ...] = EXPRESSIONS
    """Order of the network's outputs."""
    commit: str = "unknown"
    """Of the code that trained it, or that code's version."""
    recipe: str = "unknown"
    """Name of the training recipe."""
    recipe_sha256: str = ""
    """Hex digest of the whole recipe."""
    temperatures: Mapping[str, float] = field(default_factory=dict)
    """Per views: what logits are divided by before the softmax; a missing one is 1."""
    tensor_sha256: str = ""
    """Hex digest over the tensors as stored: names, types, shapes, bytes, sorted by name."""
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    """Figures of the training run, for people."""

    @property
    def sha256(self) -> str:
        """Identifies weights by what they answer: an equal digest means equal answers.

        The tensors' own digest does not: `mien calibrate` keeps them and changes the temperatures.
        """
        says = (self.tensor_sha256, self.input_size_px, self.mean, self.std, {**self.temperatures})
        return hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()


def shipped_weights() -> tuple[str, ...]:
    """Names of the weights that come with mien."""
    return tuple(sorted(path.stem for path in WEIGHTS_FOLDER.glob("*.safetensors")))


def weights_path(name_or_path: str | Path) -> Path:
    """`default`, a name in `model/weights`, or a file.

    Raises:
        WeightsError: there is no such file.
    """
    text = str(name_or_path)
    name = DEFAULT_WEIGHTS if text == "default" else text
    named = WEIGHTS_FOLDER / f"{name}.safetensors"
    if re.fullmatch(r"[\w-]+", name) and named.is_file():
        return named
    path = Path(name_or_path)
    if not path.is_file():
        raise WeightsError(f"there are no weights called {text!r}, neither by name nor as a file")
    return path


def read_info(name_or_path: str | Path) -> WeightsInfo:
    """The information alone, in a blink and without torch; the tensors are not looked at.

    Raises:
        WeightsError: missing, unreadable, not ours or of another version.
    """
    path = weights_path(name_or_path)
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or length > _HEADER_LIMIT_BYTES:
                raise WeightsError(f"the weights {path} are not a safetensors file, or are cut off")
            header = _parse_header(path, file.read(length))
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path}: {error.strerror}") from error
    return _info_of(path, header)


def save_weights(
    path: Path,
    model: "VGG",
    info: WeightsInfo,
    dtype: "torch.dtype | None" = None,
    *,
    overwrite: bool = True,
) -> WeightsInfo:
    """Writes the model's state beside `path` and renames it, so that no half file is ever found.

    `dtype` (half precision by default) is for tensors of two or more dimensions. Gives back `info`
    with the digest of what was written.

    Raises:
        UsageError: the folder is missing, or the file is there and may not be replaced.
        OutputError: the file cannot be written.
        WeightsError: a tensor is not finite in `dtype`.
    """
    import torch
    from safetensors.torch import save

    tensors = {}
    for name, tensor in model.state_dict().items():
        kept = tensor.detach().cpu()
        if kept.is_floating_point():
            kept = kept.to((dtype or torch.float16) if kept.ndim > 1 else torch.float32)
            if not bool(kept.isfinite().all()):
                raise WeightsError(f"the tensor {name} is not finite and was not saved")
        tensors[name] = kept.contiguous().clone(memory_format=torch.contiguous_format)
    content = save(tensors)
    info = dataclasses.replace(info, tensor_sha256=_tensor_sha256(path, content))
    write_whole(path, _described(path, content, info), overwrite=overwrite)
    return info


def describe_anew(
    name_or_path: str | Path, target: Path, info: WeightsInfo, *, overwrite: bool = True
) -> None:
    """Writes the weights to `target` with this information; the tensors stay bit for bit the same.

    `info` is what `read_info` gave of them, changed; `target` may be the same file.

    Raises:
        WeightsError: the weights are missing or damaged.
        UsageError: `target` is there and may not be replaced.
        OutputError: `target` cannot be written.
    """
    path = weights_path(name_or_path)
    write_whole(target, _described(path, _content(path), info), overwrite=overwrite)


def load_weights(
    name_or_path: str | Path, device: "str | torch.device" = "cpu"
) -> "tuple[VGG, WeightsInfo]":
    """The network in evaluation mode, single precision, channels last, on `device`.

    Raises:
        WeightsError: says in one sentence what is missing, damaged or foreign.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = weights_path(name_or_path)
    content = _content(path)
    info = _info_of(path, _header_of(path, content))
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"the weights {path} are cut off or damaged") from error
    if _tensor_sha256(path, content) != info.tensor_sha256:
        raise WeightsError(f"the weights {path} are damaged: their digest is another")
    model = fill_model(str(path), info.architecture, tensors)
    return model.to(device).to(memory_format=torch.channels_last).eval(), info


def fill_model(origin: str, architecture: str, tensors: "Mapping[str, torch.Tensor]") -> "VGG":
    """A network of the architecture with these tensors, all checked; `origin` is for the message.

    Raises:
        WeightsError: keys or shapes do not match, a value is no plain tensor of fractions (but for
            what counts batches), or is not finite.
    """
    import torch

    from model.vgg import VGG

    model = VGG(architecture, blank=True)
    expected = model.state_dict()
    if missing := sorted(expected.keys() - tensors.keys()):
        raise WeightsError(f"the weights {origin} lack {missing[0]} of {architecture}")
    if foreign := sorted(tensors.keys() - expected.keys()):
        raise WeightsError(f"the weights {origin} hold {foreign[0]}, foreign to {architecture}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise WeightsError(f"the weights {origin} have a wrong shape for {name}")
        # batch norm counts its batches in whole numbers
        fits = tensor.is_floating_point() or tensor.dtype is expected[name].dtype
        if not fits or tensor.layout is not torch.strided or tensor.is_meta:
            raise WeightsError(f"the weights {origin} hold no plain floating point for {name}")
        if tensor.is_floating_point() and not bool(tensor.float().isfinite().all()):
            raise WeightsError(f"the weights {origin} are not finite in {name}")
    model.load_state_dict(dict(tensors), assign=True)
    return model.to(torch.float32)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path}: {error.strerror}") from error


def _described(path: Path, content: bytes, info: WeightsInfo) -> bytes:
    """The same file with metadata; the library writes those in a random order, we in ours."""
    text = json.dumps(dataclasses.asdict(info), sort_keys=True)
    metadata = {
        "format": _FORMAT,
        "version": _VERSION,
        "info": text,
        "info_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    length = int.from_bytes(content[:8], "little")
    tensors = _header_of(path, content)
    tensors.pop("__metadata__", None)
    header = {"__metadata__": metadata, **tensors}
    described = json.dumps(header, separators=(",", ":")).encode()
    # the format wants its tensors at a multiple of 8
    described += b" " * (-len(described) % 8)
    return len(described).to_bytes(8, "little") + described + content[8 + length :]


def _header_of(path: Path, content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_HEADER_LIMIT_BYTES, len(content) - 8):
        raise WeightsError(f"the weights {path} are not a safetensors file, or are cut off")
    return _parse_header(path, content[8 : 8 + length])


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise WeightsError(
            f"the weights {path} are not a safetensors file, or are cut off"
        ) from error
    if not isinstance(header, dict):
        raise WeightsError(f"the weights {path} are not a safetensors file, or are cut off")
    return header


def _info_of(path: Path, header: dict[str, Any]) -> WeightsInfo:
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != _FORMAT:
        raise WeightsError(f"the weights {path} were not made by mien; see import-checkpoint")
    if metadata.get("version") != _VERSION:
        raise WeightsError(
            f"the weights {path} have format version {metadata.get('version')}, not {_VERSION}"
        )
    text = str(metadata.get("info"))
    if hashlib.sha256(text.encode()).hexdigest() != metadata.get("info_sha256"):
        raise WeightsError(f"the weights {path} are damaged: their description has been changed")
    try:
        values = json.loads(text)
        info = WeightsInfo(**{**values, "labels": tuple(values["labels"])})
        _check_info(path, info)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise WeightsError(f"the weights {path} have no usable description") from error
    return info


def _check_info(path: Path, info: WeightsInfo) -> None:
    if not re.fullmatch("vgg(11|13|16|19)|small", info.architecture):
        raise WeightsError(f"the weights {path} are for {info.architecture}, which is unknown")
    if info.labels != EXPRESSIONS:
        raise WeightsError(f"the weights {path} tell other expressions: {', '.join(info.labels)}")
    divisors = (info.std, *info.temperatures.values())
    usable = type(info.input_size_px) is int and 32 <= info.input_size_px <= 64
    if not usable or not all(map(math.isfinite, (info.mean, *divisors))) or min(divisors) <= 0:
        raise WeightsError(
            f"the weights {path} have no usable input size, mean, std or temperature"
        )


def _tensor_sha256(path: Path, content: bytes) -> str:
    """Over the tensors of a whole safetensors file, in the order of their names."""
    length = int.from_bytes(content[:8], "little")
    header = _header_of(path, content)
    digest = hashlib.sha256()
    for name in sorted(header.keys() - {"__metadata__"}):
        entry = header[name]
        begin, end = entry["data_offsets"]
        digest.update(f"{name} {entry['dtype']} {entry['shape']}\n".encode())
        digest.update(content[8 + length + begin : 8 + length + end])
    return digest.hexdigest()
