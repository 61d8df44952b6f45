"""How similar two pictures are, whatever their light: what tells copies of one photo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

NEAR = 0.96
"""Correlation from which two pictures count as the same photo, cut, lit or compressed in another
way. Seen by eye on FER2013: from here up pairs are one photo; at .95 the first different people
appear."""

ROWS_AT_ONCE = 512
"""Of one matrix product."""


def signatures(images: npt.NDArray[np.uint8], block_px: int) -> torch.Tensor:
    """(n, s, s) -> (n, k) float32 of unit length, whose products are correlations.

    A picture in means of blocks, their own mean taken off. A plain one becomes zeros: it resembles
    nothing.
    """
    side = images.shape[-1] // block_px
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    blocks = pixels.reshape(len(images), side, block_px, side, block_px)
    means = blocks.to(torch.float32).mean(dim=(2, 4)).flatten(1)
    centred = means - means.mean(1, keepdim=True)
    lengths: torch.Tensor = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    return centred / lengths.clamp_min(1.0)
