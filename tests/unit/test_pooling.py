"""Pooling by 2 gives what torch's own gives."""

import pytest
import torch
from torch.nn.functional import max_pool2d

from model.pooling import HalvingPool


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("shape", [(3, 3), (4, 5), (5, 4), (22, 23), (47, 46)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_torchs_own_with_shorter_windows_at_the_end(
    size: int, shape: tuple[int, int], layout: torch.memory_format
) -> None:
    images = torch.randn(2, 5, *shape, generator=torch.Generator().manual_seed(sum(shape)))
    pooled = HalvingPool(size)(images.contiguous(memory_format=layout))
    assert torch.equal(pooled, max_pool2d(images, size, 2, ceil_mode=True))


def test_pictures_as_small_as_the_window_have_one_answer() -> None:
    images = torch.arange(4.0).reshape(1, 1, 2, 2)
    assert HalvingPool(2)(images).tolist() == [[[[3.0]]]]
