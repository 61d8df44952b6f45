"""The network's shape, and the state dict that other people's weights rely on."""

import pytest
import torch

from model.vgg import ARCHITECTURES, VGG


def _on_meta(name: str) -> VGG:
    with torch.device("meta"):
        return VGG(name)


@pytest.mark.parametrize(
    ("name", "parameters", "entries"),
    [
        ("vgg11", 9_228_423, 58),
        ("vgg13", 9_413_319, 72),
        ("vgg16", 14_725_575, 93),
        ("vgg19", 20_037_831, 114),
        ("small", 3_381_127, 65),
    ],
)
def test_each_architecture_has_its_exact_size(name: str, parameters: int, entries: int) -> None:
    network = _on_meta(name)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(network.state_dict()) == entries
    assert {key.split(".")[0] for key in network.state_dict()} == {"features", "classifier"}


def test_all_architectures_are_named() -> None:
    assert ARCHITECTURES == ("vgg11", "vgg13", "vgg16", "vgg19", "small")
    with pytest.raises(KeyError):
        VGG("vgg12")


@pytest.mark.parametrize("size_px", [32, 40, 44, 48, 64])
def test_any_input_from_32_px_gives_seven_logits(size_px: int) -> None:
    network = VGG("vgg11").eval()
    with torch.inference_mode():
        logits = network(torch.zeros(2, 1, size_px, size_px))
    assert logits.shape == (2, 7)
    assert bool(logits.isfinite().all())


def test_different_pictures_stay_different_up_to_the_classifier() -> None:
    torch.manual_seed(0)
    network = VGG("vgg19").train()
    with torch.inference_mode():
        features = network.features(torch.randn(8, 1, 32, 32)).flatten(1)
    assert float(features.std(0).mean()) > 0.01


def test_a_plain_beginning_is_torchs_own() -> None:
    torch.manual_seed(0)
    network = VGG("small", initialisation="plain")
    torch.manual_seed(0)
    first = torch.nn.Conv2d(1, 32, 3, padding=1)
    assert torch.equal(network.features[0].get_parameter("weight"), first.weight)
    assert not torch.equal(VGG("small").features[0].get_parameter("weight"), first.weight)
