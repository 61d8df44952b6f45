"""A whole run on a handful of synthetic faces: what it leaves, and that a kill costs nothing."""

import dataclasses
import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from mien.contract.errors import UsageError, WeightsError
from model import vgg
from model.weights_file import load_weights, read_info
from tests.unit.test_weights_file import JUNK
from training.batches import Batches
from training.config import Augmentation, Recipe, Stage
from training.fer2013 import Split
from training.rows import epoch_order, training_rows
from training.train import RunSettings, fit

_SCRIPT = """
import os, signal, sys
from collections.abc import Iterator
from pathlib import Path
import training.progress
from model import vgg
from tests.unit.test_training_run import NARROW, faces, recipe
from training.train import RunSettings, fit
vgg._WIDTHS = NARROW
training.progress.LOG_EVERY_S = 0.0
out, how = Path(sys.argv[1]), sys.argv[2]
def report(line):
    print(line, flush=True)
    if how == "killed" and line.startswith("epoch 2 step 9/18"):
        os.kill(os.getpid(), signal.SIGKILL)
run = RunSettings(out=out, report=report, resume=how == "resume", checkpoint_every_s=0.0)
fit(recipe(), faces(24), faces(12), run)
"""

NARROW = (8, 8, 16, 16, 16)
"""Widths that make a network of 10,000 parameters, so that a run takes a second."""


@pytest.fixture(autouse=True, scope="module")
def _narrow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vgg, "_WIDTHS", NARROW)
        yield


def recipe() -> Recipe:
    """Three epochs of six steps, the second at another size, mixed up, averaged from its second
    step on; the third is calm."""
    return Recipe(
        "tiny",
        (Stage(32, 1), Stage(40, 2)),
        architecture="vgg11",
        batch=4,
        lr=0.01,
        ema_share=0.6,
        ema_norms=3,
        augmentation=Augmentation(mixup_share=0.7, calm_epochs=1),
    )


def faces(count: int) -> Split:
    """Noise with labels in turn; the same on every call."""
    images = np.random.default_rng(count).integers(0, 256, (count, 48, 48)).astype(np.uint8)
    return Split(images, np.arange(count) % 7)


def _start(out: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(out), how],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with _start(whole, "fresh") as process:
        process.communicate(timeout=120)
        assert process.returncode == 0
    with _start(killed, "killed") as process:
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
    assert not (killed / "vgg11.safetensors").exists()
    with _start(killed, "resume") as process:
        told, _ = process.communicate(timeout=120)
        assert process.returncode == 0
    assert "resumed at step 8 of 18" in told  # the ninth step's line comes before its checkpoint
    for name in ("vgg11.safetensors", "metrics.csv", "recipe.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    assert (whole / "metrics.csv").read_text().count("\n") == 4
    # weights are rounded to half precision; the checkpoints hold every bit, and more than weights
    one, other = (torch.load(out / "run.pt", weights_only=True) for out in (whole, killed))
    assert set(one) >= {"model", "average", "optimizer", "best", "loss_sum", "history"}
    assert_same(one, other)


def assert_same(one: object, other: object, where: str = "run") -> None:
    """Every tensor and value in two nests of dicts and lists, bit for bit."""
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where  # type: ignore[arg-type]
    elif isinstance(one, dict):
        assert list(one) == list(other), where  # type: ignore[call-overload]
        for key, value in one.items():
            assert_same(value, other[key], f"{where}.{key}")  # type: ignore[index]
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where  # type: ignore[arg-type]
        for place, (left, right) in enumerate(zip(one, other, strict=True)):  # type: ignore[call-overload]
            assert_same(left, right, f"{where}[{place}]")
    else:
        assert one == other, where


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of one epoch."""
    out = tmp_path_factory.mktemp("run")
    short = recipe().with_epochs(1)
    fit(short, faces(24), faces(12), RunSettings(out=out, report=lambda _: None))
    return out


def test_a_run_leaves_weights_that_say_where_they_come_from(run: Path) -> None:
    info = read_info(run / "vgg11.safetensors")
    short = recipe().with_epochs(1)
    assert (info.recipe, info.recipe_sha256) == ("tiny", short.sha256())
    assert info.input_size_px == short.stages[-1].size_px
    assert info.metrics["epochs"] == 1
    network, _ = load_weights(run / "vgg11.safetensors")
    assert network(torch.zeros(2, 1, 40, 40)).shape == (2, 7)
    assert not list(run.glob("*.part"))


def test_a_folder_with_a_run_is_not_overwritten(run: Path) -> None:
    with pytest.raises(UsageError, match="holds a run already"):
        fit(recipe(), faces(24), faces(12), RunSettings(out=run, report=lambda _: None))


def test_a_run_resumes_with_more_epochs_but_not_with_another_batch(
    run: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    other = dataclasses.replace(recipe(), batch=6)
    with pytest.raises(WeightsError, match="begun with batch = 4"):
        fit(other, faces(24), faces(12), RunSettings(out=out, report=lambda _: None, resume=True))
    lines: list[str] = []
    fit(recipe(), faces(24), faces(12), RunSettings(out=out, report=lines.append, resume=True))
    assert "resumed at step 6 of 18, with another augmentation, stages" in lines
    assert read_info(out / "vgg11.safetensors").recipe_sha256 == recipe().sha256()


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no run to resume"):
        fit(
            recipe(),
            faces(24),
            faces(12),
            RunSettings(out=tmp_path, report=lambda _: None, resume=True),
        )
    half = io.BytesIO()
    torch.save({"recipe": recipe().canonical(), "step": 3}, half)
    for content in (b"cut off", half.getvalue(), *JUNK):
        (tmp_path / "run.pt").write_bytes(content)
        with pytest.raises(WeightsError, match="no checkpoint"):
            fit(
                recipe(),
                faces(24),
                faces(12),
                RunSettings(out=tmp_path, report=lambda _: None, resume=True),
            )


def test_a_device_without_room_is_told_with_what_takes_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("model.vgg.VGG.forward", refuse)
    with pytest.raises(UsageError, match=r"memory on cpu: .* a recipe with a smaller batch"):
        fit(recipe(), faces(24), faces(12), RunSettings(out=tmp_path, report=lambda _: None))


def test_a_run_starts_from_given_weights(run: Path, tmp_path: Path) -> None:
    still = dataclasses.replace(recipe().with_epochs(1), lr=1e-12, ema_share=0.0)
    fit(
        still,
        faces(24),
        faces(12),
        RunSettings(out=tmp_path, report=lambda _: None, init=run / "vgg11.safetensors"),
    )
    before, after = (
        load_weights(run / "vgg11.safetensors")[0],
        load_weights(tmp_path / "vgg11.safetensors")[0],
    )
    for name, value in before.named_parameters():
        assert torch.allclose(value, after.get_parameter(name), atol=1e-9), name


def test_weights_of_another_architecture_are_no_start(run: Path, tmp_path: Path) -> None:
    larger = dataclasses.replace(recipe(), architecture="vgg13")
    weights = run / "vgg11.safetensors"
    with pytest.raises(WeightsError, match="is vgg11"):
        fit(
            larger,
            faces(24),
            faces(12),
            RunSettings(out=tmp_path, report=lambda _: None, init=weights),
        )


def test_black_rows_go_and_copies_become_one_row() -> None:
    split = faces(5)
    split.images[1] = 0
    split.images[3] = split.images[0]
    rows = training_rows(split, recipe(), "cpu")
    targets = rows.targets
    assert len(rows.images) == 3
    assert (rows.counts.black, rows.counts.merged, rows.counts.kept) == (1, 1, 3)
    assert "1 black ones left out, 1 exact copies merged: 3 to learn" in rows.counts.line()
    assert targets[0].tolist() == [0.5, 0, 0, 0.5, 0, 0, 0]
    assert targets[1].tolist() == [0, 0, 1, 0, 0, 0, 0]
    plain = dataclasses.replace(recipe(), drop_black=False, merge_copies=False)
    assert len(training_rows(split, plain, "cpu").images) == 5


def test_every_epoch_has_an_order_of_its_own() -> None:
    first, second = epoch_order(0, 0, 50), epoch_order(0, 1, 50)
    assert sorted(first.tolist()) == list(range(50))
    assert not torch.equal(first, second)
    assert torch.equal(first, epoch_order(0, 0, 50))
    assert not torch.equal(first, epoch_order(1, 0, 50))


def test_the_average_is_scored_with_its_own_statistics(tmp_path: Path) -> None:
    settings = recipe()
    fit(settings, faces(24), faces(12), RunSettings(out=tmp_path, report=lambda _: None))
    average = torch.load(tmp_path / "run.pt", weights_only=True)["average"]
    batches = Batches(settings, training_rows(faces(24), settings, "cpu"), "cpu")
    last = range(batches.total - settings.ema_norms, batches.total)
    seen = [
        conv2d(batches.at(step)[0], average["features.0.weight"], average["features.0.bias"], 1, 1)
        for step in last
    ]
    means = torch.stack([maps.mean((0, 2, 3)) for maps in seen]).mean(0)
    torch.testing.assert_close(average["features.1.running_mean"], means)
