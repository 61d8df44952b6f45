"""Figures that are right by hand, and temperatures that calibrate."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.contract.errors import SourceError, UsageError
from model.checkpoint import WeightsInfo, load_weights, read_info, save_weights
from model.vgg import VGG
from training import fer2013
from training.evaluate import calibrate, evaluate, fit_temperature, score


def test_figures_are_right_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 3, 3])
    answers = [0, 0, 1, 1, 3, 0]
    logits = torch.eye(7)[answers] * 10
    found = score("w", "s", "PublicTest", "single", labels, logits, 1.0)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.macro_recall == pytest.approx((2 / 3 + 1 + 1 / 2) / 7)
    angry = found.classes[0]
    assert (angry.expression, angry.count, angry.right) == ("angry", 3, 2)
    assert (angry.recall, angry.precision) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert angry.f1 == pytest.approx(2 / 3)
    assert found.confusion[0][:4] == (2, 1, 0, 0)
    assert found.confusion[3][:4] == (1, 0, 0, 1)
    assert sum(map(sum, found.confusion)) == 6
    assert json.loads(found.to_json())["classes"][3]["expression"] == "happy"
    assert "accuracy 66.67 % (4/6)" in found.table()


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(true_temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 7, generator=generator) * 3
    chances = torch.softmax(logits / true_temperature, 1)
    labels = torch.multinomial(chances, 1, generator=generator)[:, 0]
    assert fit_temperature(logits, labels) == pytest.approx(true_temperature, rel=0.05)


@pytest.fixture
def csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten PublicTest rows, and a world in which that is the official count."""
    monkeypatch.setattr(fer2013, "OFFICIAL_COUNTS", {"PublicTest": 10})
    pixels = np.random.default_rng(0).integers(0, 256, (10, 2304))
    rows = [f"{i % 7},{' '.join(map(str, row))},PublicTest" for i, row in enumerate(pixels)]
    path = tmp_path / "fer2013.csv"
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "w.safetensors"
    save_weights(path, VGG("vgg11"), WeightsInfo("vgg11", 44, 0.5077, 0.255))
    return path


@pytest.mark.parametrize("views", ["single", "flip", "ten-crop"])
def test_the_size_of_a_batch_changes_nothing(csv: Path, weights: Path, views: str) -> None:
    alone = evaluate(weights, csv, "PublicTest", views, "cpu", batch=3)
    together = evaluate(weights, csv, "PublicTest", views, "cpu", batch=100)
    assert alone.nll == pytest.approx(together.nll, rel=1e-4)
    assert alone.confusion == together.confusion
    assert alone.count == 10


def test_calibration_adds_temperatures_and_leaves_the_tensors(
    csv: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated.safetensors"
    calibrate(weights, csv, out, ("single", "flip"), metrics={"public_single": 0.5})
    before, after = read_info(weights), read_info(out)
    assert set(after.temperatures) == {"single", "flip"}
    assert after.tensor_sha256 == before.tensor_sha256
    assert after.metrics == {"public_single": 0.5}
    load_weights(out)
    found = evaluate(out, csv)
    assert found.temperature == after.temperatures["single"]


def test_an_unknown_split_or_views_is_a_usage_error(csv: Path, weights: Path) -> None:
    with pytest.raises(UsageError, match="Test is none of Training, PublicTest"):
        evaluate(weights, csv, "Test")
    with pytest.raises(UsageError, match="double is none of single"):
        evaluate(weights, csv, views="double")
    with pytest.raises(UsageError, match="at least 1 face"):
        evaluate(weights, csv, batch=0)


def test_the_held_back_split_is_told_to_be_absent(csv: Path, weights: Path) -> None:
    with pytest.raises(SourceError, match="no PrivateTest rows"):
        evaluate(weights, csv, "PrivateTest")
