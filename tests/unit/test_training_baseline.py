"""The baseline's recipe and checkpoints: what its scripts did, ours can do as they did it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.v2.functional import ten_crop

from model.import_checkpoint import import_checkpoint
from model.vgg import VGG
from tests.drawings import drawn_split
from training.augment import augment
from training.batches import Batches
from training.learning import make_optimizer
from training.recipe_file import load_recipe
from training.rows import training_rows
from training.schedule import learning_rate
from training.scoring import ScoringOptions, ask


def test_windows_are_cut_from_anywhere_and_half_of_them_mirrored() -> None:
    settings = load_recipe("baseline").augmentation
    crops = torch.arange(48 * 48).reshape(1, 48, 48).remainder(251).to(torch.uint8)
    images = augment(crops.repeat(400, 1, 1), 44, settings, torch.Generator().manual_seed(0))
    assert images.shape == (400, 1, 44, 44)
    windows = {}
    for top in range(5):
        for left in range(5):
            window = crops[0, top : top + 44, left : left + 44] / 255.0
            windows[window.numpy().tobytes()] = False
            windows[window.flip(-1).contiguous().numpy().tobytes()] = True
    mirrored = [windows[image.numpy().tobytes()] for image in images]
    assert 150 < sum(mirrored) < 250
    assert len({image.numpy().tobytes() for image in images}) == 50


def test_the_learning_rate_is_the_baselines_at_every_epoch() -> None:
    recipe = load_recipe("baseline")
    for epoch in range(recipe.epochs):
        theirs = 0.01 if epoch <= 80 else 0.01 * 0.9 ** ((epoch - 80) // 5)
        assert learning_rate(recipe, epoch * 225, 45_000, 225) == pytest.approx(theirs)


def test_the_optimiser_is_plain_and_decays_everything() -> None:
    optimizer = make_optimizer(load_recipe("baseline"), VGG("vgg11"))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [5e-4, 5e-4]
    assert {(g["momentum"], g["nesterov"]) for g in optimizer.param_groups} == {(0.9, False)}
    ours = make_optimizer(load_recipe("vgg19-cpu"), VGG("vgg11"))
    assert [group["weight_decay"] for group in ours.param_groups] == [5e-4, 0.0]
    assert ours.param_groups[0]["nesterov"]


def test_an_epoch_ends_with_the_rest_of_its_rows() -> None:
    recipe = load_recipe("baseline", ["batch=32"])
    batches = Batches(recipe, training_rows(drawn_split(70, 1), recipe, "cpu"), "cpu")
    assert batches.steps_per_epoch == 3
    assert [len(batches.at(step)[0]) for step in range(4)] == [32, 32, 6, 32]
    images, targets = batches.at(0)
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert targets.sum().item() == 32


class _Theirs(nn.Module):
    """A network of the same layers whose last pooling is of one pixel, as the baseline has it."""

    def __init__(self) -> None:
        super().__init__()
        self.features = VGG("vgg11").features
        self.features[-1] = nn.AvgPool2d(1)
        self.classifier = nn.Linear(512, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(images).flatten(1))
        return logits


def test_a_baseline_checkpoint_answers_as_it_did_there(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, faces = _Theirs(), drawn_split(8, 3).images
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    network(torch.rand(16, 1, 44, 44)).square().sum().backward()
    optimizer.step()
    saved = {"epoch": 3, "model_weights": network.state_dict(), "optimizer": optimizer}
    torch.save(saved, tmp_path / "model_state.pth.tar")
    import_checkpoint(tmp_path / "model_state.pth.tar", tmp_path / "taken.safetensors")

    found = ask(tmp_path / "taken.safetensors", faces, ScoringOptions("ten-crop"))
    crops = torch.stack(ten_crop(torch.from_numpy(faces)[:, None] / 255.0, [44, 44]), 1)
    with torch.inference_mode():
        theirs = network.eval()(crops.flatten(0, 1)).reshape(8, 10, 7).mean(1)
    assert np.allclose(found.logits, theirs.numpy(), atol=1e-4)
    assert found.temperature == 1
