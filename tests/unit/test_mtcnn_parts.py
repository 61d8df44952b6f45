"""MTCNN's parts, each against the original that it stands in for."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from facenet_pytorch.models.utils import detect_face as original
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from mien.contract.pictures import Pixels
from model.mtcnn_area import AreaTables, CpuAreaTables, TorchAreaTables
from model.mtcnn_candidates import (
    cell_boxes,
    kept_by_smaller,
    not_empty,
    pixel_windows,
    pyramid_scales,
    regressed,
    squared,
)
from model.mtcnn_nets import Networks, load_networks

Tables = Callable[[list[Pixels]], AreaTables]
TABLES: list[Tables] = [
    CpuAreaTables,
    lambda images: TorchAreaTables(images, torch.device("cpu")),
]
CPU = torch.device("cpu")


def noise(count: int, height: int, width: int) -> list[Pixels]:
    generator = np.random.default_rng(height * 1000 + width)
    return list(generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def as_original(images: list[Pixels], size: tuple[int, int]) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(torch.float32)
    return (interpolate(pixels, size=size, mode="area") - 127.5) * 0.0078125


def random_boxes(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 160 - 30
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 90], dim=1)


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(CPU)


def original_net(kind: type[torch.nn.Module]) -> torch.nn.Module:
    return kind().eval()


@pytest.mark.parametrize("tables", TABLES, ids=["cpu", "torch"])
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    level=st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
@settings(max_examples=60, deadline=None)
def test_a_pyramid_level_is_torchs_area_resampling(
    tables: Tables, size: tuple[int, int], level: tuple[int, int]
) -> None:
    images = noise(2, *size)
    found = torch.cat([pixels for _, pixels in tables(images).level(*level)])
    torch.testing.assert_close(found[:, :3], as_original(images, level), atol=1e-5, rtol=0)


@pytest.mark.parametrize("tables", TABLES, ids=["cpu", "torch"])
@pytest.mark.parametrize("size_px", [24, 48])
def test_crops_are_torchs_area_resampling_of_the_windows(tables: Tables, size_px: int) -> None:
    images = noise(3, 70, 110)
    windows = [(0, 0, 110, 70), (5, 6, 6, 7), (100, 60, 110, 70), (3, 9, 60, 40), (0, 1, 24, 25)]
    frames = [0, 2, 1, 1, 0]
    found = tables(images).crops(torch.tensor(frames), torch.tensor(windows), size_px)
    for pixels, frame, (x1, y1, x2, y2) in zip(found, frames, windows, strict=True):
        expected = as_original([images[frame][y1:y2, x1:x2]], (size_px, size_px))[0]
        torch.testing.assert_close(pixels[:3], expected, atol=1e-5, rtol=0)


def test_the_proposal_net_says_what_the_original_says(networks: Networks) -> None:
    images = torch.randn(2, 4, 50, 70, generator=torch.Generator().manual_seed(0))
    shifts, probabilities = original_net(PNet)(images[:, :3])
    features, scores = networks.proposal(images)
    torch.testing.assert_close(scores, probabilities[:, 1], atol=1e-5, rtol=0)
    found = networks.proposal.regress(features.flatten(0, 2))
    torch.testing.assert_close(found, shifts.permute(0, 2, 3, 1).flatten(0, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kind", "size_px"), [(RNet, 24), (ONet, 48)])
def test_the_other_nets_say_what_the_originals_say(
    networks: Networks, kind: type[torch.nn.Module], size_px: int
) -> None:
    ours = networks.refinement if kind is RNet else networks.output
    images = torch.randn(5, 4, size_px, size_px, generator=torch.Generator().manual_seed(0))
    expected = original_net(kind)(images[:, :3])
    for found, wanted in zip(ours(images), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [0.5, 0.6 * 0.709**3, 1.7])
def test_cells_lie_where_the_original_puts_them(scale: float) -> None:
    probabilities = torch.rand(2, 40, 60, generator=torch.Generator().manual_seed(0))
    shifts = torch.zeros(2, 4, 40, 60)
    expected, _ = original.generateBoundingBox(shifts, probabilities, scale, 0.6)
    cells = (probabilities >= 0.6).nonzero()[:, 1:]
    torch.testing.assert_close(cell_boxes(cells, scale), expected[:, :4], atol=0, rtol=0)


def test_boxes_are_moved_and_squared_as_in_the_original() -> None:
    boxes, shifts = random_boxes(50), torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    moved = original.bbreg(boxes.clone(), shifts)
    torch.testing.assert_close(regressed(boxes, shifts, 1), moved)
    torch.testing.assert_close(squared(boxes), original.rerec(boxes.clone()))


def test_windows_are_cut_to_the_image_as_in_the_original() -> None:
    boxes = random_boxes(200)
    top, bottom, left, right = original.pad(boxes.clone(), 120, 90)
    expected = np.stack([left - 1, top - 1, right, bottom], axis=1)
    windows = pixel_windows(boxes, 90, 120)
    np.testing.assert_array_equal(windows.numpy(), expected)
    wanted = (bottom > top - 1) & (right > left - 1)
    assert 0 < wanted.sum() < len(wanted)
    np.testing.assert_array_equal(not_empty(windows).numpy(), wanted)


def test_a_box_inside_another_is_suppressed_as_in_the_original() -> None:
    for seed in range(5):
        boxes = random_boxes(60, seed).numpy()
        scores = np.random.default_rng(seed).random(60).astype(np.float32)
        expected = original.nms_numpy(boxes, scores, 0.7, "Min")
        kept = kept_by_smaller(boxes, scores, 0.7)
        assert len(kept) < 60
        np.testing.assert_array_equal(kept, expected)


def test_nothing_is_suppressed_among_nothing() -> None:
    kept = kept_by_smaller(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.7)
    assert kept.shape == (0,)


def test_the_pyramid_starts_at_the_smallest_face_and_ends_at_the_image() -> None:
    scales = pyramid_scales(360, 640, 24, 0.709)
    assert scales[0] == 0.5
    assert 360 * scales[-1] >= 12 > 360 * scales[-1] * 0.709
    assert pyramid_scales(23, 640, 24, 0.709) == []
