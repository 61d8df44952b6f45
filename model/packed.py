"""Convolutions whose weights lie in memory as oneDNN multiplies them.

torch's own convolution keeps weights in their plain order, and oneDNN brings them into its own on
every call: for one face that takes as long as the network itself. The operators used here are those
that `torch.compile` makes of a frozen network; they need no compiler.
"""

from __future__ import annotations

from itertools import pairwise, product

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


class MatrixConvolution(nn.Module):
    """The same for maps so small that padding is most of what the kernel sees.

    At 2x2, five of the nine places of a 3x3 kernel lie outside. One matrix from all of a map to all
    of the next has no such places, and takes a third of the time for eight pictures.
    """

    def __init__(self, convolution: nn.Conv2d, shape: torch.Size, *, relu: bool) -> None:
        """shape: of a usual input; the number of pictures may be another, the rest may not.

        Raises:
            RuntimeError, AttributeError: this torch or this CPU cannot do that.
        """
        super().__init__()
        matrix, self._sides = _as_matrix(convolution, shape)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(matrix, shape[0])
        bias = convolution.bias
        places = self._sides[0] * self._sides[1]
        self._bias = None if bias is None else bias.detach().repeat(places)
        self._activation = "relu" if relu else "none"

    @staticmethod
    def pays(convolution: nn.Conv2d, shape: torch.Size) -> bool:
        """Whether the matrix has less than twice the kernel's weights."""
        (height, width), (rows, columns) = shape[2:], _sides_after(convolution, shape)
        down, across = convolution.kernel_size
        return convolution.groups == 1 and height * width * rows * columns < 2 * down * across

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """As the convolution's, channels last."""
        rows = images.permute(0, 2, 3, 1).flatten(1)
        passed: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self._weight, self._bias, self._activation, [], ""
        )
        maps = passed.view(len(images), *self._sides, -1)
        return maps.permute(0, 3, 1, 2)


@torch.inference_mode()
def packed(layers: nn.Sequential, usual: torch.Tensor) -> nn.Sequential:
    """The same layers with packed convolutions; the layers as given where that cannot be done.

    usual: an input as all are but for the number of pictures, which is that of most. What comes out
    is the same up to rounding.
    """
    ready: list[nn.Module] = []
    joins_relu = (PackedConvolution, MatrixConvolution)
    try:
        for layer, following in pairwise([*layers, nn.Identity()]):
            if isinstance(layer, nn.Conv2d):
                pays = MatrixConvolution.pays(layer, usual.shape)
                kind = MatrixConvolution if pays else PackedConvolution
                layer = kind(layer, usual.shape, relu=isinstance(following, nn.ReLU))
            elif isinstance(layer, nn.ReLU) and ready and isinstance(ready[-1], joins_relu):
                continue
            usual = layer(usual)
            ready.append(layer)
    except (RuntimeError, AttributeError):
        return layers
    return nn.Sequential(*ready)


def _as_matrix(convolution: nn.Conv2d, shape: torch.Size) -> tuple[torch.Tensor, tuple[int, int]]:
    """Weights (all of a map after, all of one before), channels last; rows and columns after."""
    weight = convolution.weight.detach()
    outputs, inputs, kernel_rows, kernel_columns = weight.shape
    height, width = shape[2:]
    rows, columns = _sides_after(convolution, shape)
    matrix = weight.new_zeros(rows, columns, outputs, height, width, inputs)
    for row, column, down, across in product(
        range(rows), range(columns), range(kernel_rows), range(kernel_columns)
    ):
        y, x = _place(convolution, 0, row, down), _place(convolution, 1, column, across)
        if 0 <= y < height and 0 <= x < width:
            matrix[row, column, :, y, x] = weight[:, :, down, across]
    return matrix.view(rows * columns * outputs, height * width * inputs), (rows, columns)


def _sides_after(convolution: nn.Conv2d, shape: torch.Size) -> tuple[int, int]:
    """Rows and columns of the map that comes out: those at which the whole kernel fits."""
    rows, columns = (
        (shape[2 + axis] - 1 + int(convolution.padding[axis])
         - _place(convolution, axis, 0, convolution.kernel_size[axis] - 1))
        // convolution.stride[axis] + 1
        for axis in (0, 1)
    )  # fmt: skip
    return rows, columns


def _place(convolution: nn.Conv2d, axis: int, after: int, kernel: int) -> int:
    """Where along the axis a place of the kernel lies, for a place of the map that comes out."""
    begin = after * convolution.stride[axis] - int(convolution.padding[axis])
    return begin + kernel * convolution.dilation[axis]
