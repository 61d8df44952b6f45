"""From grey face crops to the network's input: the one way that training and inference share."""

from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate

from mien.contract.analyses import Views

CROP_PX = 48
"""Side of every face crop, as FER2013 has it."""

VIEWS: tuple[Views, ...] = ("single", "flip", "ten-crop")
"""`single`: the whole crop. `flip`: the crop and its mirror. `ten-crop`: five windows of 44 px
(corners and centre) and their mirrors. The logits, not the probabilities, are averaged."""

VIEW_COUNTS = {"single": 1, "flip": 2, "ten-crop": 10}
"""Images that the network sees for one crop."""

_WINDOW_PX = 44
_WINDOW_CORNERS = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What is taken off the pixels and what they are divided by, after scaling to [0, 1]."""

    mean: float = 0.5077
    """In [0, 1]; FER2013's Training split has .5077."""
    std: float = 0.2550
    """Above 0; FER2013's Training split has .2550."""


def prepare(
    crops: torch.Tensor, size_px: int, normalisation: Normalisation, views: str = "single"
) -> torch.Tensor:
    """Grey crops (n, 48, 48) uint8 -> (n * v, 1, size_px, size_px) float32 on the same device.

    The v images of a crop stand together, in the order that `average_views` expects.
    """
    pixels = crops.unsqueeze(1).to(torch.float32)
    shown = [_resized(view, size_px) for view in _cut(pixels, views)]
    stacked = torch.stack(shown, dim=1).flatten(0, 1)
    return normalise(stacked / 255.0, normalisation)


def normalise(images: torch.Tensor, normalisation: Normalisation) -> torch.Tensor:
    """Images in [0, 1], any shape -> the range that the network was trained on."""
    return (images - normalisation.mean) / normalisation.std


def average_views(logits: torch.Tensor, views: str) -> torch.Tensor:
    """Logits (n * v, 7) of `prepare`'s images -> mean logits (n, 7)."""
    return logits.reshape(-1, VIEW_COUNTS[views], logits.shape[-1]).mean(dim=1)


def _cut(pixels: torch.Tensor, views: str) -> list[torch.Tensor]:
    if views == "single":
        return [pixels]
    if views == "flip":
        return [pixels, pixels.flip(-1)]
    windows = [
        pixels[..., top : top + _WINDOW_PX, left : left + _WINDOW_PX]
        for top, left in _WINDOW_CORNERS
    ]
    return windows + [window.flip(-1) for window in windows]


def _resized(pixels: torch.Tensor, size_px: int) -> torch.Tensor:
    if pixels.shape[-1] == size_px:
        return pixels
    # without antialiasing, as `training.augment` resamples
    return interpolate(pixels, size=(size_px, size_px), mode="bilinear", align_corners=False)
