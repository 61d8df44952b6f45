"""bf16 is for processors that have it; others take float32, and say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from model.vgg import VGG
from model.weights_file import read_info
from tests.drawings import drawn_split
from training.batches import Batches
from training.learning import Learner, make_optimizer
from training.precision import autocast, missing_precision, precision_on
from training.recipe_file import load_recipe
from training.rows import training_rows
from training.run_state import RunState
from training.train import RunSettings, fit

CPU = torch.device("cpu")


def _processor(monkeypatch: pytest.MonkeyPatch, kept_to: str = "AVX512", **able: bool) -> None:
    """kept_to: the instructions that torch may use of those that there are."""
    able = {"avx2": True} | able
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: kept_to)


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_bf16"])
def test_a_processor_with_the_instructions_uses_them(
    instructions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _processor(monkeypatch, **{instructions: True})
    recipe = load_recipe("vgg19-cpu")
    assert missing_precision(recipe, CPU) == []
    with autocast(recipe, CPU):
        assert torch.ones(2, 2).mm(torch.ones(2, 2)).dtype is torch.bfloat16


def test_another_takes_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    _processor(monkeypatch)
    recipe = load_recipe("vgg19-cpu")
    with autocast(recipe, CPU):
        assert torch.ones(2, 2).mm(torch.ones(2, 2)).dtype is torch.float32
    (line,) = missing_precision(recipe, CPU)
    assert "no bf16 instructions" in line
    assert "--set precision=fp32" in line
    plain = load_recipe("vgg19-cpu", ["precision=fp32"])
    assert (precision_on(plain, CPU), missing_precision(plain, CPU)) == ("fp32", [])


def test_a_processor_that_torch_may_not_use_in_full_takes_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _processor(monkeypatch, "AVX2", avx512_bf16=True)
    assert precision_on(load_recipe("vgg19-cpu"), CPU) == "fp32"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "bf16")])
def test_an_accelerator_has_them_from_ampere_on_whatever_the_processor(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    _processor(monkeypatch)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert precision_on(load_recipe("vgg19-cpu"), "cuda") == expected


def test_the_averages_statistics_are_of_the_very_pictures_that_were_learned_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _processor(monkeypatch, avx512_bf16=True)
    recipe = load_recipe("tiny", ["precision=bf16", "batch=4", "ema_norms=2"])
    batches = Batches(recipe, training_rows(drawn_split(16, 1), recipe, "cpu"), "cpu")
    model, zero = VGG("small"), torch.zeros(())
    optimizer = make_optimizer(recipe, model)
    state = RunState(model, VGG("small"), optimizer, zero, zero.clone(), step=3)
    asked: list[torch.Tensor] = []

    def look(pictures: Iterator[torch.Tensor], _: torch.nn.Module) -> None:
        asked.extend(pictures)

    monkeypatch.setattr("training.learning.update_bn", look)
    Learner(recipe, state, "cpu", averages_from=0).settle_norms(batches)
    assert len(asked) == 2
    for step, images in zip((1, 2), asked, strict=True):
        assert torch.equal(images, batches.at(step)[0])


@pytest.mark.parametrize("has", [True, False])
def test_a_run_and_its_weights_tell_of_other_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: bool
) -> None:
    _processor(monkeypatch, avx512_bf16=has)
    recipe = load_recipe("tiny", ["precision=bf16"]).with_epochs(1)
    lines: list[str] = []
    weights = fit(
        recipe,
        drawn_split(16, 1),
        drawn_split(7, 2),
        RunSettings(out=tmp_path, report=lines.append),
    )
    assert any("the run is in fp32" in line for line in lines) is not has
    assert read_info(weights).metrics.get("precision") == (None if has else "fp32")
