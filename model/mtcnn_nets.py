"""The three networks of MTCNN with facenet-pytorch's weights, laid out so that they run fast.

Their results are those of the originals up to rounding. What differs is the layout: inputs have a
fourth channel that is ignored (four channels are read faster than three), and the 10 and 28
channels of the first layers of P-Net and R-Net are filled up with zeros to whole vectors.
Weights are read without importing the package: it brings torchvision and sympy, which take longer
to load than everything else that a run needs, and 90 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn
from torch.nn.functional import pad

from model.pooling import HalvingPool

CHANNELS = 4
"""Of every input: red, green, blue, and one that is ignored."""

_VECTOR = 16

Net = TypeVar("Net", bound=nn.Module)

Weights = Mapping[str, torch.Tensor]
"""By the original's names: conv1.weight, prelu1.weight, dense4.bias, ..."""


@dataclass(frozen=True, slots=True)
class Networks:
    """In evaluation mode, single precision, channels last."""

    proposal: ProposalNet
    refinement: CandidateNet
    """R-Net: (n, 4, 24, 24); its answers are box regression (n, 4) and probabilities (n, 2)."""
    output: CandidateNet
    """O-Net: (n, 4, 48, 48); landmarks (n, 10: 5 x, 5 y) lie between the two."""


class ProposalNet(nn.Module):
    """P-Net without what is not needed everywhere: boxes are regressed for candidates only."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _convolution(weights, 1), _prelu(weights, 1), HalvingPool(2),
            _convolution(weights, 2), _prelu(weights, 2),
            _convolution(weights, 3), _prelu(weights, 3),
        )  # fmt: skip
        # the softmax of two scores is the sigmoid of their difference
        score, bias = weights["conv4_1.weight"], weights["conv4_1.bias"]
        self.score = nn.Parameter((score[1] - score[0]).flatten())
        self.score_bias = nn.Parameter(bias[1] - bias[0])
        self.regression = _linear(weights["conv4_2.weight"].flatten(1), weights["conv4_2.bias"])

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(b, 4, h, w) -> features (b, h', w', 32), probability of a face (b, h', w')."""
        features = self.trunk(images).permute(0, 2, 3, 1)
        return features, torch.sigmoid(features @ self.score + self.score_bias)

    def regress(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, 32) of candidates -> box regression (n, 4)."""
        regression: torch.Tensor = self.regression(features)
        return regression


class CandidateNet(nn.Module):
    """R-Net or O-Net: looks at one candidate's pixels."""

    def __init__(self, trunk: nn.Sequential, weights: Weights, dense: int, heads: int) -> None:
        """dense: number of the layer that joins everything; heads: how many questions it answers,
        the first whether it is a face."""
        super().__init__()
        self.trunk = trunk
        self.joined = nn.Sequential(_dense(weights, f"dense{dense}"), _prelu(weights, dense))
        names = [f"dense{dense + 1}_{head + 1}" for head in range(heads)]
        self.heads = nn.ModuleList([_dense(weights, name) for name in names])

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the other heads say, in their order, and probabilities (n, 2) of none and face."""
        seen = self.trunk(pixels).permute(0, 3, 2, 1).flatten(1)  # the order of the weights
        scores, *others = (head(self.joined(seen)) for head in self.heads)
        return *others, torch.softmax(scores, dim=1)


def load_networks(device: torch.device) -> Networks:
    """Reads the weights out of the installed package; nothing is downloaded."""
    refinement, output = _weights("rnet"), _weights("onet")
    return Networks(
        _ready(ProposalNet(_weights("pnet")), device),
        _ready(CandidateNet(_trunk(refinement, (3, 3, 0)), refinement, 4, 2), device),
        _ready(CandidateNet(_trunk(output, (3, 3, 2, 0)), output, 5, 3), device),
    )


def _trunk(weights: Weights, poolings: tuple[int, ...]) -> nn.Sequential:
    """Convolutions, each followed by a pooling over so many pixels (by 2) where it is not 0."""
    modules: list[nn.Module] = []
    for number, size in enumerate(poolings, 1):
        modules += [_convolution(weights, number), _prelu(weights, number)]
        if size:
            modules.append(HalvingPool(size))
    return nn.Sequential(*modules)


def _weights(name: str) -> dict[str, torch.Tensor]:
    spec = find_spec("facenet_pytorch")  # which does not import it
    assert spec is not None  # noqa: S101 - it is a dependency
    assert spec.submodule_search_locations is not None  # noqa: S101 - and a package
    path = Path(spec.submodule_search_locations[0]) / "data" / f"{name}.pt"
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return _filled_up(weights)


def _ready(net: Net, device: torch.device) -> Net:
    return net.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _filled_up(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The first layer from 3 to 4 inputs and to whole vectors of outputs; the rest is zero."""
    first, second = weights["conv1.weight"], weights["conv2.weight"]
    more = -len(first) % _VECTOR
    return weights | {
        "conv1.weight": pad(first, (0, 0, 0, 0, 0, CHANNELS - first.shape[1], 0, more)),
        "conv1.bias": pad(weights["conv1.bias"], (0, more)),
        "prelu1.weight": pad(weights["prelu1.weight"], (0, more)),
        "conv2.weight": pad(second, (0, 0, 0, 0, 0, more)),
    }


def _convolution(weights: Weights, number: int) -> nn.Conv2d:
    weight, bias = weights[f"conv{number}.weight"], weights[f"conv{number}.bias"]
    outputs, inputs, height, width = weight.shape
    convolution = nn.Conv2d(inputs, outputs, (height, width))
    convolution.load_state_dict({"weight": weight, "bias": bias})
    return convolution


def _prelu(weights: Weights, number: int) -> nn.PReLU:
    slopes = weights[f"prelu{number}.weight"]
    prelu = nn.PReLU(len(slopes))
    prelu.load_state_dict({"weight": slopes})
    return prelu


def _dense(weights: Weights, name: str) -> nn.Linear:
    return _linear(weights[f"{name}.weight"], weights[f"{name}.bias"])


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.load_state_dict({"weight": weight, "bias": bias})
    return linear
