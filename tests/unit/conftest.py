"""Fixtures of the training package's tests."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import WeightsInfo, save_weights
from model.vgg import VGG
from tests.splits import write_csv


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small FER2013 with Training and PublicTest."""
    return write_csv(tmp_path / "fer2013.csv", monkeypatch, training=True)


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small FER2013 with PublicTest alone."""
    return write_csv(tmp_path / "fer2013.csv", monkeypatch, training=False)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A network that has learnt nothing."""
    return make_weights(tmp_path / "w.safetensors", seed=0)


@pytest.fixture
def other_weights(tmp_path: Path) -> Path:
    """Another one."""
    return make_weights(tmp_path / "other.safetensors", seed=1)


def make_weights(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    info = WeightsInfo(
        "vgg11", 44, 0.5077, 0.255, recipe="none", recipe_sha256="00", temperatures={"single": 2.0}
    )
    save_weights(path, VGG("vgg11"), info)
    return path
