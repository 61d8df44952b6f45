"""Moves training pictures about, a whole batch at a time and on its own device."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import affine_grid, grid_sample

from training.config import Augmentation


def augment(
    crops: torch.Tensor,
    size_px: int,
    settings: Augmentation,
    generator: torch.Generator,
    *,
    calm: bool = False,
) -> torch.Tensor:
    """Grey crops (n, 48, 48) uint8 -> (n, 1, size_px, size_px) float32 in [0, 1], not normalised.

    Mirror, turn, shift, scale and the change of size are one resampling, so that a picture is
    blurred once; or a window is cut, see `window_px`. `generator` must live on the crops' device;
    `calm` leaves the erasing out.
    """
    if settings.window_px:
        images = _windows(crops, settings.window_px, generator).unsqueeze(1) / 255.0
    else:
        images = _moved(crops.unsqueeze(1) / 255.0, size_px, settings, generator)
    if settings.brightness > 0 or settings.contrast > 0:
        images = _relight(images, settings, generator)
    if settings.erasing > 0 and not calm:
        images = _erase(images, settings.erasing, generator)
    return images


def mix(
    images: torch.Tensor, targets: torch.Tensor, alpha: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixup of a batch with its own reverse: images (n, 1, s, s), targets (n, 7).

    `generator` lives on the host, so that nobody waits for the device to tell the weight.
    Source: Zhang et al., arXiv:1710.09412; the weight is of Beta(alpha, alpha).
    """
    gammas = torch._standard_gamma(torch.tensor([alpha, alpha]), generator=generator)
    share = float(gammas[0] / gammas.sum().clamp_min(1e-12))
    return images.lerp(images.flip(0), 1 - share), targets.lerp(targets.flip(0), 1 - share)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return drawn * (high - low) + low


def _windows(crops: torch.Tensor, window_px: int, generator: torch.Generator) -> torch.Tensor:
    """(n, w, w) uint8: a window from anywhere within each crop, half of them mirrored."""
    count, side, device = len(crops), crops.shape[-1], crops.device
    corners = torch.randint(
        side - window_px + 1, (2, count, 1), generator=generator, device=generator.device
    )
    mirrored = _uniform(count, -1, 1, generator)[:, None] > 0
    steps = torch.arange(window_px, device=device)[None]
    rows = corners[0] + steps
    columns = corners[1] + torch.where(mirrored, window_px - 1 - steps, steps)
    which = torch.arange(count, device=device)[:, None, None]
    return crops[which, rows[:, :, None], columns[:, None, :]]


def _moved(
    pixels: torch.Tensor, size_px: int, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    matrices = _affine_matrices(len(pixels), settings, generator)
    grid = affine_grid(matrices, [len(pixels), 1, size_px, size_px], align_corners=False)
    return grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _affine_matrices(
    count: int, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """(n, 2, 3): where each output pixel is read, in grid_sample's coordinates of -1..1."""
    mirror = _uniform(count, -1, 1, generator).sign()
    angle = _uniform(count, -1, 1, generator) * math.radians(settings.rotation_deg)
    low, high = math.log(settings.scale_min), math.log(settings.scale_max)
    # a larger face reads from a smaller window
    window = torch.exp(-_uniform(count, low, high, generator))
    # the coordinates span 2, so a shift by a share of the side is twice that share
    right = _uniform(count, -2 * settings.shift, 2 * settings.shift, generator)
    down = _uniform(count, -2 * settings.shift, 2 * settings.shift, generator)
    cos, sin = torch.cos(angle) * window, torch.sin(angle) * window
    rows = [torch.stack([cos * mirror, -sin, right], 1), torch.stack([sin * mirror, cos, down], 1)]
    return torch.stack(rows, 1)


def _relight(
    images: torch.Tensor, settings: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    count = len(images)
    gain = _uniform(count, 1 - settings.brightness, 1 + settings.brightness, generator)
    contrast = _uniform(count, 1 - settings.contrast, 1 + settings.contrast, generator)
    bright = images * gain.view(-1, 1, 1, 1)
    mean = bright.mean(dim=(1, 2, 3), keepdim=True)
    return ((bright - mean) * contrast.view(-1, 1, 1, 1) + mean).clamp(0, 1)


def _erase(images: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Blanks a rectangle with the picture's own mean.

    Source: Zhong et al., arXiv:1708.04896.
    """
    count, side = len(images), images.shape[-1]
    chosen = _uniform(count, 0, 1, generator) < probability
    area = _uniform(count, 0.02, 0.25, generator)
    aspect = torch.exp(_uniform(count, math.log(0.4), math.log(2.5), generator))
    height = (area * aspect).sqrt().clamp(max=1.0)
    width = (area / aspect).sqrt().clamp(max=1.0)
    top = _uniform(count, 0, 1, generator) * (1 - height)
    left = _uniform(count, 0, 1, generator) * (1 - width)
    centres = (torch.arange(side, device=images.device) + 0.5) / side
    in_rows = (centres >= top[:, None]) & (centres < (top + height)[:, None])
    in_columns = (centres >= left[:, None]) & (centres < (left + width)[:, None])
    blank = chosen[:, None, None] & in_rows[:, :, None] & in_columns[:, None, :]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return torch.where(blank[:, None], mean, images)
