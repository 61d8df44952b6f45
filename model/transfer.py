"""Arrays on their way to the device of the networks."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """The array as a tensor there. A CPU's tensor shares its memory.

    On CUDA it is copied from pinned memory, so that the copy runs beside the networks.
    """
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
