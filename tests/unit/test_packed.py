"""Packed convolutions answer as plain ones do."""

import pytest
import torch
from torch import nn

from model.packed import MatrixConvolution, PackedConvolution, packed
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
@pytest.mark.parametrize("side_px", [32, 40, 47, 64])
def test_answers_are_those_of_the_layers_for_any_number_of_pictures(
    layers: nn.Sequential, side_px: int, dtype: torch.dtype
) -> None:
    layers = layers.to(dtype)
    ready = packed(layers, usual(8, side_px, dtype))
    near = {torch.float32: 1e-4, torch.bfloat16: 4e-2}[dtype]
    for count in (1, 3, 8, 70):
        images = usual(count, side_px, dtype)
        torch.testing.assert_close(ready(images), layers(images), rtol=near, atol=near / 5)


def test_every_convolution_is_packed_and_does_its_relu_itself(layers: nn.Sequential) -> None:
    count = sum(isinstance(layer, nn.Conv2d) for layer in layers)
    ready = packed(layers, usual(8, 40))
    kinds = (PackedConvolution, MatrixConvolution)
    assert sum(isinstance(layer, kinds) for layer in ready) == count > 0
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


def test_maps_of_two_pixels_become_matrices(layers: nn.Sequential) -> None:
    ready = packed(layers, usual(8, 40))
    assert sum(isinstance(layer, MatrixConvolution) for layer in ready) == 2  # the last block's
    large = packed(layers, usual(8, 64))
    assert not any(isinstance(layer, MatrixConvolution) for layer in large)


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation"),
    [
        ((2, 2), 3, 1, 1, 1),
        ((1, 1), 3, 1, 1, 1),
        ((2, 3), (3, 2), 1, (1, 0), 1),
        ((5, 4), 3, 2, 1, 1),
        ((5, 5), 3, 1, 0, 2),
    ],
)
def test_a_matrix_answers_as_its_convolution(
    size: tuple[int, int],
    kernel: int | tuple[int, int],
    stride: int,
    padding: int | tuple[int, int],
    dilation: int,
    relu: bool,
    bias: bool,
) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(6, 10, kernel, stride, padding, dilation, bias=bias)
    images = torch.randn(3, 6, *size).contiguous(memory_format=torch.channels_last)
    matrix = MatrixConvolution(convolution, images.shape, relu=relu)
    expected = convolution(images)
    expected = expected.relu() if relu else expected
    torch.testing.assert_close(matrix(images), expected)
    assert matrix(images).is_contiguous(memory_format=torch.channels_last)
