"""The expression on a face crop, as probabilities."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mien.contract.analyses import Floats, Views
from mien.contract.expressions import EXPRESSIONS
from mien.contract.pictures import Pixels
from model.packed import packed
from model.preprocessing import VIEW_COUNTS, Normalisation, average_views, prepare
from model.transfer import to_device
from model.vgg import VGG
from model.weights_file import WeightsInfo

_CHUNK = {"cpu": 64, "cuda": 1024}
"""Pictures in one pass of the network, views counted; more gain nothing."""

_BFLOAT16_CAPABILITY = (8, 0)
"""Ampere's: the first GPUs that multiply in bfloat16; older ones emulate it, slowly."""

_USUAL = 8
"""Pictures that come at a time, about."""


class Classifier:
    """A VGG made ready for inference; its answers are calibrated.

    Channels last, by default in the type that the device multiplies fastest; batch norm is folded
    into the convolutions, which changes rounding only. The network it is given is taken over.
    """

    dtype: torch.dtype
    """Of the network's weights and activations."""
    temperature: float
    """What logits are divided by before the softmax."""

    def __init__(
        self,
        network: VGG,
        info: WeightsInfo,
        views: Views,
        device: torch.device,
        dtype: torch.dtype | None = None,
        chunk: int | None = None,
    ) -> None:
        """chunk: pictures in one pass, views counted; None is what suits the device."""
        self._device = device
        self._views: Views = views
        self._size_px = info.input_size_px
        self._normalisation = Normalisation(info.mean, info.std)
        self.temperature = float(info.temperatures.get(views, 1.0))
        self._chunk = _CHUNK[device.type] if chunk is None else chunk
        self.dtype = dtype or fastest_dtype(device)
        _fold_batch_norm(network)
        self._network = network.to(device, self.dtype).to(memory_format=torch.channels_last)
        if device.type == "cpu":
            side = self._size_px
            usual = torch.zeros(_USUAL, 1, side, side, dtype=self.dtype)
            network.features = packed(
                network.features, usual.contiguous(memory_format=torch.channels_last)
            )

    @torch.inference_mode()
    def classify(self, crops: Pixels) -> Floats:
        """Crops uint8 (m, 48, 48) -> probabilities float32 (m, 7) in the order of EXPRESSIONS."""
        probabilities = torch.softmax(self._all(crops) / self.temperature, dim=1)
        answers: NDArray[np.float32] = probabilities.cpu().numpy()
        return answers

    @torch.inference_mode()
    def logits(self, crops: Pixels) -> Floats:
        """Crops uint8 (m, 48, 48) -> mean logits of the views, float32 (m, 7), not calibrated."""
        answers: NDArray[np.float32] = self._all(crops).cpu().numpy()
        return answers

    def _all(self, crops: Pixels) -> torch.Tensor:
        count = max(1, self._chunk // VIEW_COUNTS[self._views])
        parts = [
            self._of_chunk(crops[start : start + count]) for start in range(0, len(crops), count)
        ]
        return torch.cat(parts) if parts else torch.zeros((0, len(EXPRESSIONS)))

    def _of_chunk(self, crops: Pixels) -> torch.Tensor:
        pixels = to_device(crops, self._device)
        images = prepare(pixels, self._size_px, self._normalisation, self._views).to(self.dtype)
        images = images.contiguous(memory_format=torch.channels_last)
        return average_views(self._network(images).to(torch.float32), self._views)


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU or a CPU that has instructions for it, else float32.

    bfloat16 takes half the time there: of PublicTest's 3589 faces 2533 are told right instead of
    2534 (single view of vgg19). Detectors stay in float32.
    """
    if device.type == "cuda":
        # `is_bf16_supported` counts emulation, too
        made_for_it = torch.cuda.get_device_capability(device) >= _BFLOAT16_CAPABILITY
        return torch.bfloat16 if made_for_it else torch.float32
    # older versions of torch do not tell what the CPU can do
    able = getattr(torch.cpu, "get_capabilities", dict[str, bool])()
    native = able.get("avx512_bf16") or able.get("amx_bf16")
    # ATEN_CPU_CAPABILITY keeps torch from instructions that the CPU has
    allowed = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.bfloat16 if native and allowed else torch.float32


def _fold_batch_norm(network: VGG) -> None:
    """Replaces each pair of convolution and batch norm by one convolution, in place."""
    network.eval()
    folded: list[nn.Module] = []
    for module in network.features:
        if isinstance(module, nn.BatchNorm2d):
            convolution = folded.pop()
            assert isinstance(convolution, nn.Conv2d)  # noqa: S101 - tells mypy
            module = fuse_conv_bn_eval(convolution, module)
        folded.append(module)
    network.features = nn.Sequential(*folded)
