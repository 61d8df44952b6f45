"""Weights files: what is written comes back, and what is damaged or foreign is refused."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mien.contract.errors import UsageError, WeightsError
from mien.contract.expressions import EXPRESSIONS
from model.import_checkpoint import import_checkpoint
from model.vgg import VGG
from model.weights_file import WeightsInfo, load_weights, read_info, save_weights, weights_path

_INFO = WeightsInfo(
    architecture="vgg11",
    input_size_px=44,
    mean=0.5,
    std=0.25,
    commit="abc",
    recipe="test",
    recipe_sha256="0" * 64,
    temperatures={"single": 1.25},
    metrics={"public_accuracy": 0.5, "averaged": "true"},
)

JUNK = [
    b"",
    b"\x80\x02.",
    b"hello world",
    b"Gz",
    b"\x80\x02X\x01\x00\x00\x00\xc2.",
    b"no checkpoint",
]
"""Bytes at which torch's loader fails each in another way."""


@pytest.fixture(scope="module")
def network() -> VGG:
    torch.manual_seed(3)
    return VGG("vgg11").eval()


@pytest.fixture(scope="module")
def saved(network: VGG, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, network, _INFO)
    return path


def test_weights_come_back_as_they_were_saved(network: VGG, saved: Path) -> None:
    loaded, info = load_weights(saved)
    assert dataclasses.replace(info, tensor_sha256="") == _INFO
    assert len(info.tensor_sha256) == 64
    for name, tensor in network.state_dict().items():
        on_disk = tensor.half().float() if tensor.ndim > 1 else tensor
        assert torch.equal(loaded.state_dict()[name], on_disk), name
    assert not loaded.training
    assert next(loaded.parameters()).dtype == torch.float32


def test_saving_what_was_loaded_changes_no_tensor(saved: Path, tmp_path: Path) -> None:
    loaded, info = load_weights(saved)
    again = save_weights(tmp_path / "again.safetensors", loaded, info)
    assert again == info
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_half_precision_takes_half_the_room(saved: Path) -> None:
    assert saved.stat().st_size < 2.01 * 9_228_423
    assert not list(saved.parent.glob("*.part"))


def test_the_information_is_read_without_torch(saved: Path) -> None:
    code = (
        "import sys; from model.weights_file import read_info; "
        f"print(read_info({str(saved)!r}).input_size_px, 'torch' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == ["44", "False"]
    assert read_info(saved).labels == EXPRESSIONS


def _cut_off(content: bytes) -> bytes:
    return content[:-1000]


def _cut_within_the_header(content: bytes) -> bytes:
    return content[:100]


def _one_byte_of_a_tensor_flipped(content: bytes) -> bytes:
    return content[:-5000] + bytes([content[-5000] ^ 1]) + content[-4999:]


def _described_as_another_size(content: bytes) -> bytes:
    return content.replace(b'input_size_px\\": 44', b'input_size_px\\": 48')


def _nothing(_: bytes) -> bytes:
    return b""


def _text(_: bytes) -> bytes:
    return b"these are no weights, but a long enough line of text"


@pytest.mark.parametrize(
    "harm",
    [
        _cut_off,
        _cut_within_the_header,
        _one_byte_of_a_tensor_flipped,
        _described_as_another_size,
        _nothing,
        _text,
    ],
)
def test_a_damaged_file_is_refused(
    saved: Path, tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    content = saved.read_bytes()
    harmed = harm(content)
    assert harmed != content
    path = tmp_path / "harmed.safetensors"
    path.write_bytes(harmed)
    with pytest.raises(WeightsError, match=str(path)):
        load_weights(path)


def test_safetensors_of_other_people_are_refused(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file(load_file(saved), path)
    with pytest.raises(WeightsError, match="not made by mien"):
        load_weights(path)
    with pytest.raises(WeightsError, match="not made by mien"):
        read_info(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"labels": ("happy", *EXPRESSIONS[:3], "sad", "surprise", "neutral")},
            "other expressions",
        ),
        ({"architecture": "resnet18"}, "unknown"),
        ({"architecture": "vgg13"}, "of vgg13"),
        ({"std": 0.0}, "std"),
        ({"temperatures": {"single": 0.0}}, "temperature"),
        ({"temperatures": {"single": float("nan")}}, "temperature"),
        ({"mean": float("inf")}, "mean"),
        ({"input_size_px": 10**6}, "input size"),
        ({"input_size_px": 44.5}, "input size"),
        ({"input_size_px": "44"}, "input size"),
        ({"mean": "a"}, "no usable description"),
        ({"mean": 10**400}, "no usable description"),
        ({"temperatures": [1.0]}, "no usable description"),
        ({"architecture": 11}, "no usable description"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    network: VGG, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    path = tmp_path / "odd.safetensors"
    save_weights(path, network, dataclasses.replace(_INFO, **change))  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=words):
        load_weights(path)


def test_another_format_version_is_refused(saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["version"] = "2"
    text = json.dumps(header).encode()
    path = tmp_path / "newer.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    with pytest.raises(WeightsError, match="version 2"):
        read_info(path)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    network = VGG("vgg11")
    with torch.no_grad():
        network.classifier.weight[0, 0] = 1e6  # more than half precision holds
    with pytest.raises(WeightsError, match=r"classifier\.weight"):
        save_weights(tmp_path / "w.safetensors", network, _INFO)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_told(network: VGG, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        save_weights(tmp_path / "nowhere" / "w.safetensors", network, _INFO)


def test_unknown_names_are_told_apart_from_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nobody"):
        weights_path("nobody")
    with pytest.raises(WeightsError, match="neither by name nor as a file"):
        weights_path(tmp_path)


def _baseline(path: Path, network: VGG, **more: object) -> None:
    """As the common scripts save it, the optimiser a pickled object with momentum in it."""
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    network(torch.randn(2, 1, 44, 44)).sum().backward()
    optimizer.step()
    torch.save(
        {
            "epoch": 7,
            "model_weights": network.state_dict(),
            "optimizer": optimizer,
            **more,
        },
        path,
    )


def test_a_baseline_checkpoint_is_taken_over_exactly(tmp_path: Path) -> None:
    network = VGG("vgg13")
    source, target = tmp_path / "model_state.pth.tar", tmp_path / "taken.safetensors"
    _baseline(source, network)
    info = import_checkpoint(source, target)
    assert (info.architecture, info.input_size_px, info.mean, info.std) == ("vgg13", 44, 0.0, 1.0)
    assert info.metrics == {"epoch": 7}
    loaded, _ = load_weights(target)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


class _Intruder:
    """Would make a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.mkdir, (self.path,))


def test_a_checkpoint_that_names_other_globals_is_refused(tmp_path: Path) -> None:
    source, trap = tmp_path / "evil.pth.tar", tmp_path / "sprung"
    _baseline(source, VGG("vgg11"), extra=_Intruder(trap))
    with pytest.raises(WeightsError, match="refused"):
        import_checkpoint(source, tmp_path / "out.safetensors")
    assert not trap.exists()
    assert not (tmp_path / "out.safetensors").exists()


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "other.pth"
    torch.save({"model_weights": torch.nn.Linear(3, 7).state_dict()}, source)
    with pytest.raises(WeightsError, match="none of vgg11"):
        import_checkpoint(source, tmp_path / "out.safetensors")
    torch.save(VGG("vgg11").state_dict(), source)
    with pytest.raises(WeightsError, match="vgg16"):
        import_checkpoint(source, tmp_path / "out.safetensors", "vgg16")


def test_a_file_that_torch_cannot_read_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "text.pth"
    source.write_text("no checkpoint")
    with pytest.raises(WeightsError, match=r"text\.pth is no readable torch checkpoint"):
        import_checkpoint(source, tmp_path / "out.safetensors")
    with pytest.raises(WeightsError, match="there is no checkpoint"):
        import_checkpoint(tmp_path / "missing.pth", tmp_path / "out.safetensors")


@pytest.mark.parametrize("content", JUNK)
def test_damaged_bytes_are_refused_wherever_they_lead_the_loader(
    tmp_path: Path, content: bytes
) -> None:
    source = tmp_path / "damaged.pth"
    source.write_bytes(content)
    with pytest.raises(WeightsError, match=r"damaged\.pth is no readable torch checkpoint"):
        import_checkpoint(source, tmp_path / "out.safetensors")


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
@pytest.mark.parametrize(
    "odd",
    [
        lambda tensor: (tensor * 100).to(torch.int64),
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: tensor.to_sparse(),
        lambda tensor: tensor.to("meta"),
    ],
    ids=["integer", "complex", "sparse", "meta"],
)
def test_tensors_that_are_no_plain_floating_point_are_refused(
    network: VGG, tmp_path: Path, odd: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    source, name = tmp_path / "odd.pth", "features.0.weight"
    tensors = network.state_dict()
    torch.save({**tensors, name: odd(tensors[name])}, source)
    with pytest.raises(WeightsError, match=rf"odd\.pth hold no plain floating point for {name}"):
        import_checkpoint(source, tmp_path / "out.safetensors")
