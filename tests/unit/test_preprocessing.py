"""One way from crops to the network, for training and inference."""

import pytest
import torch

from model.preprocessing import VIEW_COUNTS, VIEWS, Normalisation, average_views, prepare
from training.augment import augment
from training.config import Augmentation

_PLAIN = Normalisation(mean=0.0, std=1.0)


def _crops(count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 48, 48), dtype=torch.uint8, generator=generator)


def test_a_crop_of_the_right_size_keeps_its_pixels() -> None:
    crops = _crops()
    assert torch.equal(prepare(crops, 48, _PLAIN), crops[:, None].float() / 255)


def test_normalisation_takes_the_mean_off_and_divides_by_the_deviation() -> None:
    crops = torch.full((1, 48, 48), 255, dtype=torch.uint8)
    value = prepare(crops, 48, Normalisation(mean=0.5, std=0.25))
    assert torch.allclose(value, torch.full_like(value, 2.0))


@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("size_px", [32, 44, 48])
def test_views_of_a_crop_stand_together(views: str, size_px: int) -> None:
    crops = _crops(2)
    images = prepare(crops, size_px, _PLAIN, views)
    assert images.shape == (2 * VIEW_COUNTS[views], 1, size_px, size_px)
    alone = prepare(crops[1:], size_px, _PLAIN, views)
    assert torch.equal(images[VIEW_COUNTS[views] :], alone)


def test_flip_shows_the_mirror() -> None:
    images = prepare(_crops(1), 48, _PLAIN, "flip")
    assert torch.equal(images[1], images[0].flip(-1))


def test_ten_crop_at_44_px_cuts_the_corners_and_the_centre() -> None:
    crops = _crops(1)
    pixels = crops[0].float() / 255
    images = prepare(crops, 44, _PLAIN, "ten-crop")[:, 0]
    expected = [pixels[:44, :44], pixels[:44, 4:], pixels[4:, :44], pixels[4:, 4:]]
    expected.append(pixels[2:46, 2:46])
    for index, window in enumerate(expected):
        assert torch.equal(images[index], window)
        assert torch.equal(images[index + 5], window.flip(-1))


@pytest.mark.parametrize("size_px", [32, 40, 64])
def test_training_resamples_as_inference_does(size_px: int) -> None:
    crops = _crops(20)
    shown = prepare(crops, size_px, _PLAIN, "flip").view(20, 2, size_px, size_px)
    settled = Augmentation(
        rotation_deg=0, shift=0, scale_min=1, scale_max=1, brightness=0, contrast=0, erasing=0
    )
    learned = augment(crops, size_px, settled, torch.Generator().manual_seed(1))
    apart = (learned - shown).abs().amax(dim=(2, 3))
    assert apart.amin(dim=1).max() < 1e-5
    assert set(apart.argmin(dim=1).tolist()) == {0, 1}  # half of them are mirrored


def test_logits_are_averaged_over_the_views_of_each_crop() -> None:
    logits = torch.arange(4 * 7, dtype=torch.float32).reshape(4, 7)
    averaged = average_views(logits, "flip")
    assert torch.equal(averaged, torch.stack([logits[:2].mean(0), logits[2:].mean(0)]))
