"""Augmentation moves pictures about and leaves their shape and range alone."""

import pytest
import torch

from training.augment import augment, mix
from training.config import Augmentation

_STILL = Augmentation(0.0, 0.0, 1.0, 1.0, brightness=0.0, contrast=0.0, erasing=0.0)


def _crops(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 48, 48), dtype=torch.uint8, generator=generator)


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size_px", [32, 40, 44, 48, 64])
def test_shape_and_range_hold(size_px: int) -> None:
    wild = Augmentation(40.0, 0.3, 0.5, 2.0, brightness=0.9, contrast=0.9, erasing=1.0)
    images = augment(_crops(64), size_px, wild, _seeded())
    assert images.shape == (64, 1, size_px, size_px)
    assert images.dtype == torch.float32
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1


def test_the_same_seed_moves_alike_and_another_does_not() -> None:
    crops, settings = _crops(8), Augmentation()
    first = augment(crops, 44, settings, _seeded(1))
    assert torch.equal(first, augment(crops, 44, settings, _seeded(1)))
    assert not torch.equal(first, augment(crops, 44, settings, _seeded(2)))


def test_without_any_movement_only_the_mirror_is_left() -> None:
    crops = _crops(64)
    images = augment(crops, 48, _STILL, _seeded())[:, 0]
    originals = crops.float() / 255
    same = (images - originals).abs().amax(dim=(1, 2)) < 1e-4
    mirrored = (images - originals.flip(-1)).abs().amax(dim=(1, 2)) < 1e-4
    assert bool((same | mirrored).all())
    assert 16 < int(mirrored.sum()) < 48


def test_a_shift_moves_by_no_more_than_its_share() -> None:
    crops = torch.zeros(200, 48, 48, dtype=torch.uint8)
    crops[:, 23:25, 23:25] = 255
    settings = Augmentation(0.0, 0.25, 1.0, 1.0, brightness=0.0, contrast=0.0, erasing=0.0)
    images = augment(crops, 48, settings, _seeded())[:, 0]
    places = torch.arange(48) + 0.5
    columns = (images.sum(1) * places).sum(1) / images.sum((1, 2)) - 24
    assert float(columns.abs().max()) <= 12.1
    assert float(columns.abs().max()) > 10


def test_erasing_blanks_a_share_of_the_picture_but_not_in_calm_epochs() -> None:
    settings = Augmentation(0.0, 0.0, 1.0, 1.0, brightness=0.0, contrast=0.0, erasing=1.0)
    crops = _crops(64)
    calm = augment(crops, 48, settings, _seeded(), calm=True)
    erased = augment(crops, 48, settings, _seeded())
    share = (calm != erased).float().mean(dim=(1, 2, 3))
    assert float(share.min()) > 0.005
    assert float(share.max()) < 0.3


def test_mixup_keeps_targets_summing_to_one() -> None:
    images, targets = torch.rand(6, 1, 8, 8), torch.eye(7)[:6]
    mixed, wanted = mix(images, targets, 0.2, _seeded())
    assert mixed.shape == images.shape
    assert torch.allclose(wanted.sum(1), torch.ones(6))
    share = float(wanted[0, 0])
    assert torch.allclose(mixed[0], share * images[0] + (1 - share) * images[5], atol=1e-6)
