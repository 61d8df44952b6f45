"""Temperatures that calibrate, and what weights keep of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mien.contract.errors import UsageError
from model.classifier import Classifier
from model.weights_file import load_weights, read_info, save_weights
from tests.splits import PUBLIC_ROWS
from training.calibration import UNSEEN, calibrate, fit_temperature, judge
from training.fer2013 import load_split
from training.metrics import Counts, Float64s
from training.reliability import softmax
from training.scoring import ScoringOptions, ask


def told(true_temperature: float, count: int = 20_000) -> tuple[Float64s, Counts]:
    """Logits, and labels that are drawn as their probabilities at that temperature say."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(count, 7)) * 3
    chances = softmax(logits, true_temperature)
    return logits, (chances.cumsum(1) > random.random((count, 1))).argmax(1)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(true_temperature: float) -> None:
    logits, labels = told(true_temperature)
    found = fit_temperature(torch.from_numpy(logits), torch.from_numpy(labels))
    assert found == pytest.approx(true_temperature, rel=0.05)


def test_the_unseen_half_tells_how_good_a_temperature_is() -> None:
    found = judge("flip", *told(3.0))
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    assert found.ece < 0.02 < 0.2 < found.ece_uncalibrated
    assert found.nll < found.nll_uncalibrated


@pytest.mark.parametrize("true_temperature", [0.7, 1.6])
def test_a_shown_80_percent_is_right_four_times_in_five(true_temperature: float) -> None:
    logits, labels = told(true_temperature, 60_000)
    temperature = judge("single", logits, labels).temperature
    unseen = labels[UNSEEN]

    def come_true(temperature: float) -> float:
        shown = softmax(logits[UNSEEN], temperature)
        told_80 = np.abs(shown.max(1) - 0.8) < 0.02
        assert told_80.sum() > 500
        return float((shown.argmax(1) == unseen)[told_80].mean())

    assert come_true(temperature) == pytest.approx(0.8, abs=0.04)
    assert abs(come_true(1.0) - 0.8) > 0.06


def test_the_unseen_half_has_no_say_in_the_temperature() -> None:
    logits, labels = told(2.0, 2000)
    other = labels.copy()
    other[1::2] = (other[1::2] + 1) % 7
    here, there = judge("single", logits, labels), judge("single", logits, other)
    assert here.temperature == there.temperature
    assert here.ece < there.ece


def test_weights_keep_temperatures_and_figures_and_their_tensors(
    public: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated.safetensors"
    pictures: list[int] = []
    found = calibrate(weights, public, out, on_start=lambda _: pictures.append)
    before, after = read_info(weights), read_info(out)
    assert after.temperatures == {one.views: one.temperature for one in found}
    assert set(after.temperatures) == {"single", "flip", "ten-crop"}
    assert after.tensor_sha256 == before.tensor_sha256
    assert before.metrics.items() <= after.metrics.items()
    assert after.metrics["ece_unseen_half_flip"] == pytest.approx(found[1].ece, abs=1e-5)
    assert after.metrics["public_accuracy_single"] == pytest.approx(found[0].accuracy, abs=1e-5)
    assert sum(pictures) == 13 * PUBLIC_ROWS
    load_weights(out)


def test_weights_are_asked_at_another_size_and_keep_it(
    public: Path, weights: Path, tmp_path: Path
) -> None:
    calibrate(weights, public, weights)
    out, images = tmp_path / "calibrated.safetensors", load_split(public, "PublicTest").images
    larger = ScoringOptions(input_size_px=47)
    asked = ask(weights, images, larger)
    assert asked.info.input_size_px == 47 != read_info(weights).input_size_px
    assert asked.temperature == 1.0  # its own is of another size
    calibrate(weights, public, out, larger)
    kept = ask(out, images, ScoringOptions())
    assert (kept.logits == asked.logits).all()
    assert not (kept.logits == ask(weights, images, ScoringOptions()).logits).all()
    for size_px in (0, 31, 65):
        with pytest.raises(UsageError, match="input_size_px is 32 to 64"):
            ScoringOptions(input_size_px=size_px)


def test_single_precision_stays_single_precision(
    public: Path, weights: Path, tmp_path: Path
) -> None:
    network, info = load_weights(weights)
    with torch.no_grad():
        network.classifier.weight += 1e-4  # what half precision cannot tell
    single = tmp_path / "single.safetensors"
    stored = save_weights(single, network, info, torch.float32)
    calibrate(single, public, single)
    assert read_info(single).tensor_sha256 == stored.tensor_sha256
    load_weights(single)


def test_a_run_divides_logits_by_the_temperature_of_its_views(
    public: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "calibrated.safetensors"
    calibrate(weights, public, out)
    images = load_split(public, "PublicTest").images
    for views, temperature in read_info(out).temperatures.items():
        options = ScoringOptions(views=views)  # type: ignore[arg-type]
        logits = ask(weights, images, options).logits
        network, info = load_weights(out)
        running = Classifier(network, info, options.views, torch.device("cpu"), torch.float32)
        assert running.classify(images) == pytest.approx(softmax(logits, temperature), abs=1e-5)
