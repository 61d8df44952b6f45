"""Packed convolutions answer as plain ones do."""

import pytest
import torch
from torch import nn

from model.packed import PackedConvolution, packed
from model.vgg import VGG

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN"
)


def usual(count: int, side_px: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    images = torch.randn(count, 1, side_px, side_px, generator=torch.Generator().manual_seed(count))
    return images.to(dtype).contiguous(memory_format=torch.channels_last)


@pytest.fixture
def layers() -> nn.Sequential:
    torch.manual_seed(0)
    network = VGG("small").eval().requires_grad_(False).features
    return nn.Sequential(*(one for one in network if not isinstance(one, nn.BatchNorm2d)))


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 3, 8, 70])
def test_answers_are_those_of_the_layers_for_any_number_of_pictures(
    layers: nn.Sequential, count: int, dtype: torch.dtype
) -> None:
    layers = layers.to(dtype)
    ready = packed(layers, usual(8, 40, dtype))
    near = {torch.float32: 1e-4, torch.bfloat16: 4e-2}[dtype]
    for side_px in (40, 33, 64):
        images = usual(count, side_px, dtype)
        torch.testing.assert_close(ready(images), layers(images), rtol=near, atol=near / 5)


def test_every_convolution_is_packed_and_does_its_relu_itself(layers: nn.Sequential) -> None:
    count = sum(isinstance(layer, nn.Conv2d) for layer in layers)
    ready = packed(layers, usual(8, 40))
    assert sum(isinstance(layer, PackedConvolution) for layer in ready) == count > 0
    assert not any(isinstance(layer, nn.Conv2d | nn.ReLU) for layer in ready)


@torch.inference_mode()
def test_a_convolution_without_a_relu_or_a_bias_stays_so() -> None:
    layers = nn.Sequential(nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.ReLU6())
    ready = packed(layers, usual(8, 40))
    assert [type(layer) for layer in ready] == [PackedConvolution, nn.ReLU6]
    torch.testing.assert_close(ready(usual(2, 40)), layers(usual(2, 40)))


def test_layers_stay_as_they_are_where_they_cannot_be_packed() -> None:
    layers = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU()).double()
    assert packed(layers, usual(8, 40, torch.float64)) is layers
