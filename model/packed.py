"""Convolutions whose weights lie in memory as oneDNN multiplies them.

torch's own convolution keeps weights in their plain order, and oneDNN brings them into its own on
every call: for one face that takes as long as the network itself. The operators used here are those
that `torch.compile` makes of a frozen network; they need no compiler.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


class PackedConvolution(nn.Module):
    """A convolution, and the ReLU behind it where there is one, in one call on a CPU."""

    def __init__(self, convolution: nn.Conv2d, shape: torch.Size, *, relu: bool) -> None:
        """shape: of a usual input, for which the order is chosen; it is right for any other.

        Raises:
            RuntimeError, AttributeError: this torch or this CPU cannot do that.
        """
        super().__init__()
        self._geometry = (
            convolution.padding, convolution.stride, convolution.dilation, convolution.groups,
        )  # fmt: skip
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(
            convolution.weight.detach(), *self._geometry, list(shape)
        )
        self._bias = None if convolution.bias is None else convolution.bias.detach()
        self._activation = "relu" if relu else "none"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """As the convolution's, channels last."""
        passed: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            images, self._weight, self._bias, *self._geometry, self._activation, [], ""
        )
        return passed


@torch.inference_mode()
def packed(layers: nn.Sequential, usual: torch.Tensor) -> nn.Sequential:
    """The same layers with packed convolutions; the layers as given where that cannot be done.

    usual: an input as most are. What comes out is the same up to rounding.
    """
    ready: list[nn.Module] = []
    try:
        for layer, following in pairwise([*layers, nn.Identity()]):
            if isinstance(layer, nn.Conv2d):
                relu = isinstance(following, nn.ReLU)
                layer = PackedConvolution(layer, usual.shape, relu=relu)
            elif isinstance(layer, nn.ReLU) and ready and isinstance(ready[-1], PackedConvolution):
                continue
            usual = layer(usual)
            ready.append(layer)
    except (RuntimeError, AttributeError):
        return layers
    return nn.Sequential(*ready)
