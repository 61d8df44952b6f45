"""Non-maximum suppression: torchvision's operator, without the package around it.

Importing torchvision takes a second and 90 MB, since it brings sympy; its operators lie in a
library of their own, which torch can load.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, limit: float
) -> torch.Tensor:
    """Indices of the boxes (n, 4) that stay, highest score first.

    A box goes where one of its own group (int64 (n,)) with a higher score overlaps it by more than
    `limit` of their union.
    """
    if boxes.numel() == 0:
        return torch.zeros(0, dtype=torch.int64, device=boxes.device)
    # groups are moved apart, so that none overlaps another
    apart = groups.to(boxes) * (boxes.max() - boxes.min() + 1)
    kept: torch.Tensor = torch.ops.torchvision.nms(boxes + apart[:, None], scores, limit)
    return kept


def load_operators() -> None:
    """Make torchvision's operators known to torch; does nothing where they are already."""
    if hasattr(torch.ops.torchvision, "nms"):
        return
    spec = find_spec("torchvision")  # which does not import it
    folders = spec.submodule_search_locations if spec is not None else None
    libraries = [path for folder in folders or [] for path in Path(folder).glob("_C*.so")]
    for library in libraries:
        torch.ops.load_library(str(library))
    if not libraries:
        import torchvision.ops  # type: ignore[import-untyped]  # noqa: F401 - it knows where
