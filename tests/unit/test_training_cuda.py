"""On an accelerator: nothing within an epoch waits for it, and what comes out has learned."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from model.vgg import VGG
from model.weights_file import read_info
from tests.drawings import drawn_split
from training.batches import Batches
from training.learning import Learner, make_optimizer
from training.recipe_file import load_recipe
from training.rows import training_rows
from training.run_state import RunState
from training.train import RunSettings, fit

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture
def _waiting_is_an_error() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.usefixtures("_waiting_is_an_error")
@pytest.mark.parametrize("name", ["baseline", "vgg19-gpu"])
def test_no_step_waits_for_the_device(name: str) -> None:
    changes = ["architecture=small", "batch=32", "compiled=false", "gradient_clip=0.1"]
    more = ["augmentation.mixup_share=1"] if name == "vgg19-gpu" else []
    recipe = load_recipe(name, changes + more)
    batches = Batches(recipe, training_rows(drawn_split(256, 1), recipe, "cuda"), "cuda")
    model = VGG("small").to("cuda").to(memory_format=torch.channels_last)
    zero = torch.zeros((), device="cuda")
    state = RunState(model, VGG("small").cuda(), make_optimizer(recipe, model), zero, zero.clone())
    learner = Learner(recipe, state, "cuda", averages_from=2)
    for step in range(batches.steps_per_epoch):
        learner.step(*batches.at(step), rate=0.01)
        # the epoch's order goes to the device once, and libraries set themselves up
        torch.cuda.set_sync_debug_mode("error")
    assert state.step == 8


@pytest.mark.parametrize("compiled", ["false", "true"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_on_the_device_beats_chance(tmp_path: Path, compiled: str, precision: str) -> None:
    recipe = load_recipe("tiny", [f"compiled={compiled}", f"precision={precision}"])
    weights = fit(
        recipe,
        drawn_split(448, 1),
        drawn_split(70, 2),
        RunSettings(out=tmp_path, report=lambda _: None, device="cuda"),
    )
    assert float(read_info(weights).metrics["public_accuracy_while_training"]) > 2 / 7
