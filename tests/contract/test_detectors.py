"""What every detector promises, tried on both."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from mien.contract.analyses import AnalysisSettings, DetectorName
from mien.contract.pictures import Pixels
from model.detection import Detections, Detector
from model.detectors import make_detector

ASTRONAUT_FACE = np.array([180.0, 60.0, 270.0, 175.0])
"""x1, y1, x2, y2 as a person would draw it in the 512 px picture."""


def detector_of(name: DetectorName, min_face_px: float = 40.0) -> Detector:
    settings = AnalysisSettings(name, min_face_px, 0.9, "single", "")
    return make_detector(settings, torch.device("cpu"))


@pytest.fixture(scope="module", params=["mtcnn", "haar"])
def name(request: pytest.FixtureRequest) -> DetectorName:
    kind: DetectorName = request.param
    return kind


@pytest.fixture(scope="module")
def detector(name: DetectorName) -> Detector:
    return detector_of(name)


@pytest.fixture(scope="module")
def astronaut() -> Pixels:
    return np.ascontiguousarray(skimage.data.astronaut(), np.uint8)


def photo(media: Path, file: str) -> Pixels:
    pixels = cv2.imread(str(media / "photos" / file))
    assert pixels is not None
    return np.ascontiguousarray(pixels[..., ::-1], dtype=np.uint8)


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    inside = float(np.prod(np.maximum(sides, 0)))
    areas = [float(np.prod(b[2:] - b[:2])) for b in (box, other)]
    return inside / (sum(areas) - inside)


def check_types(found: Detections, image: Pixels) -> None:
    count = len(found)
    height, width = image.shape[:2]
    assert found.boxes.shape == (count, 4)
    assert found.boxes.dtype == np.float32
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [width, height, width, height]).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    if found.confidences is not None:
        assert found.confidences.shape == (count,)
        assert found.confidences.dtype == np.float32
        assert ((found.confidences >= 0.9) & (found.confidences <= 1)).all()
    if found.landmarks is not None:
        assert found.landmarks.shape == (count, 5, 2)
        assert found.landmarks.dtype == np.float32


def test_a_face_is_found_where_it_is(detector: Detector, astronaut: Pixels) -> None:
    (found,) = detector.detect([astronaut])
    assert len(found) == 1
    assert overlap(found.boxes[0], ASTRONAUT_FACE) > 0.6


def test_only_mtcnn_knows_how_sure_it_is(
    name: DetectorName, detector: Detector, astronaut: Pixels
) -> None:
    (found,) = detector.detect([astronaut])
    assert (found.confidences is None) == (name == "haar")
    assert (found.landmarks is None) == (name == "haar")


def test_every_answer_has_the_promised_shapes(detector: Detector, media: Path) -> None:
    files = ("group17_astronauts.jpg", "noface_coffee.png", "family4_beach.jpg")
    images = [photo(media, file) for file in files]
    for found, image in zip(detector.detect(images), images, strict=True):
        check_types(found, image)


def test_no_images_give_no_answers(detector: Detector) -> None:
    assert detector.detect([]) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 300, 3), (64, 64, 3)])
def test_an_image_without_room_or_content_has_no_face(
    detector: Detector, shape: tuple[int, int, int]
) -> None:
    image = np.full(shape, 127, np.uint8)
    (found,) = detector.detect([image])
    assert len(found) == 0
    check_types(found, image)


@pytest.mark.parametrize("picture", ["coffee", "cat"])
def test_what_is_no_human_face_is_left_alone(detector: Detector, picture: str) -> None:
    (found,) = detector.detect([getattr(skimage.data, picture)()])
    assert len(found) == 0


def test_a_cow_is_left_alone(detector: Detector, media: Path) -> None:
    (found,) = detector.detect([photo(media, "noface_cow.jpg")])
    assert len(found) == 0


def test_sizes_may_differ_and_answers_keep_the_order(detector: Detector, astronaut: Pixels) -> None:
    images = [
        astronaut,
        skimage.data.coffee(),
        np.ascontiguousarray(astronaut[:300, 100:400]),
        np.ascontiguousarray(astronaut[:, ::-1]),
    ]
    together = detector.detect(images)
    assert [len(found) for found in together] == [1, 0, 1, 1]
    for found, image in zip(together, images, strict=True):
        (alone,) = detector.detect([image])
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.5)
        if found.confidences is not None and alone.confidences is not None:
            np.testing.assert_allclose(found.confidences, alone.confidences, atol=0.005)


def test_faces_come_largest_first(detector: Detector, media: Path) -> None:
    (found,) = detector.detect([photo(media, "family3_sofa.jpg")])
    sizes = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    assert len(found) == 3
    assert (np.diff(sizes) <= 0).all()


def test_faces_below_the_smallest_size_are_not_looked_for(
    name: DetectorName, astronaut: Pixels
) -> None:
    (found,) = detector_of(name, 240.0).detect([astronaut])
    assert len(found) == 0


def test_images_are_only_read_and_may_be_views(detector: Detector, astronaut: Pixels) -> None:
    turned = np.rot90(astronaut)
    upright = np.rot90(turned, 3)
    upright.setflags(write=False)
    assert not upright.flags.c_contiguous or upright.base is not None
    (found,) = detector.detect([upright])
    (expected,) = detector.detect([astronaut])
    np.testing.assert_array_equal(found.boxes, expected.boxes)
