"""The three networks of MTCNN as facenet-pytorch ships them, laid out so that they run fast.

Their results are those of the originals up to rounding. What differs is the layout: inputs have a
fourth channel that is ignored (four channels are read faster than three), and the 10 and 28
channels of the first layers of P-Net and R-Net are filled up with zeros to whole vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeVar

import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import nn
from torch.nn.functional import pad

CHANNELS = 4
"""Of every input: red, green, blue, and one that is ignored."""

_VECTOR = 16

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Networks:
    """In evaluation mode, single precision, channels last."""

    proposal: ProposalNet
    refinement: nn.Module
    """(n, 4, 24, 24) -> box regression (n, 4), probabilities (n, 2) of none and face."""
    output: nn.Module
    """(n, 4, 48, 48) -> regression (n, 4), landmarks (n, 10: 5 x, 5 y), probabilities (n, 2)."""


class ProposalNet(nn.Module):
    """P-Net without what is not needed everywhere: boxes are regressed for candidates only."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        parts = dict(original.named_children())
        names = ("conv1", "prelu1", "pool1", "conv2", "prelu2", "conv3", "prelu3")
        self.trunk = nn.Sequential(*(parts[name] for name in names))
        score, regression = _convolution(original, "conv4_1"), _convolution(original, "conv4_2")
        assert score.bias is not None  # noqa: S101 - tells mypy
        # the softmax of two scores is the sigmoid of their difference
        self.score = nn.Parameter((score.weight[1] - score.weight[0]).flatten())
        self.score_bias = nn.Parameter(score.bias[1] - score.bias[0])
        self.regression = nn.Linear(regression.in_channels, regression.out_channels)
        self.regression.load_state_dict(
            {"weight": regression.weight.flatten(1), "bias": regression.bias}
        )

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(b, 4, h, w) -> features (b, h', w', 32), probability of a face (b, h', w')."""
        features = self.trunk(images).permute(0, 2, 3, 1)
        return features, torch.sigmoid(features @ self.score + self.score_bias)

    def regress(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, 32) of candidates -> box regression (n, 4)."""
        regression: torch.Tensor = self.regression(features)
        return regression


def load_networks(device: torch.device) -> Networks:
    """Reads the weights out of the installed package; nothing is downloaded."""
    proposal, refinement, output = (
        _original(kind, name) for kind, name in ((PNet, "pnet"), (RNet, "rnet"), (ONet, "onet"))
    )
    return Networks(
        _ready(ProposalNet(proposal), device), _ready(refinement, device), _ready(output, device)
    )


def _original(kind: Callable[..., nn.Module], name: str) -> nn.Module:
    net = kind(pretrained=False)
    with files("facenet_pytorch").joinpath(f"data/{name}.pt").open("rb") as file:
        net.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    _fill_up(net)
    return net


def _ready(net: Net, device: torch.device) -> Net:
    return net.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _fill_up(net: nn.Module) -> None:
    """Widens the first layer in place, from 3 to 4 inputs and to whole vectors of outputs."""
    first, second = _convolution(net, "conv1"), _convolution(net, "conv2")
    slopes = net.get_parameter("prelu1.weight")
    wide = -(-first.out_channels // _VECTOR) * _VECTOR
    net.conv1 = _filled(first, CHANNELS, wide)
    net.prelu1 = nn.PReLU(wide)
    net.prelu1.load_state_dict({"weight": pad(slopes, (0, wide - len(slopes)))})
    net.conv2 = _filled(second, wide, second.out_channels)


def _filled(original: nn.Conv2d, inputs: int, outputs: int) -> nn.Conv2d:
    """The convolution with further inputs and outputs, all of whose weights are zero."""
    more_inputs, more_outputs = inputs - original.in_channels, outputs - original.out_channels
    assert original.bias is not None  # noqa: S101 - tells mypy
    height, width = original.weight.shape[2:]
    filled = nn.Conv2d(inputs, outputs, (height, width))
    weight = pad(original.weight, (0, 0, 0, 0, 0, more_inputs, 0, more_outputs))
    filled.load_state_dict({"weight": weight, "bias": pad(original.bias, (0, more_outputs))})
    return filled


def _convolution(net: nn.Module, name: str) -> nn.Conv2d:
    module = net.get_submodule(name)
    assert isinstance(module, nn.Conv2d)  # noqa: S101 - tells mypy
    return module
