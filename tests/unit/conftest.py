"""Fixtures of the training package's tests."""

import shutil
from pathlib import Path

import pytest
import torch

from model.vgg import VGG
from model.weights_file import WeightsInfo, save_weights
from tests.splits import write_csv


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small FER2013 with Training and PublicTest."""
    return write_csv(tmp_path / "fer2013.csv", monkeypatch, training=True)


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small FER2013 with PublicTest alone."""
    return write_csv(tmp_path / "fer2013.csv", monkeypatch, training=False)


@pytest.fixture(scope="session")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two networks that have learnt nothing."""
    folder = tmp_path_factory.mktemp("untaught")
    make_weights(folder / "w.safetensors", seed=0)
    make_weights(folder / "other.safetensors", seed=1)
    return folder


@pytest.fixture
def weights(untaught: Path, tmp_path: Path) -> Path:
    """A network that has learnt nothing."""
    return shutil.copy(untaught / "w.safetensors", tmp_path / "w.safetensors")


@pytest.fixture
def other_weights(untaught: Path, tmp_path: Path) -> Path:
    """Another one."""
    return shutil.copy(untaught / "other.safetensors", tmp_path / "other.safetensors")


def make_weights(path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    info = WeightsInfo(
        "vgg11", 44, 0.5077, 0.255, recipe="none", recipe_sha256="00", temperatures={"single": 2.0}
    )
    save_weights(path, VGG("vgg11"), info)
