"""Our MTCNN against facenet-pytorch's own, on real frames: what one finds, the other finds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from facenet_pytorch.models.mtcnn import MTCNN
from numpy.typing import NDArray

from mien.contract.analyses import Floats
from mien.contract.pictures import Pixels
from model.mtcnn import Mtcnn

MIN_FACE_PX = 24
LONGEST_PX = 640
FRAMES = 3
"""Of each clip, half a second apart."""
SURE = 0.95
CLEAR_PX = 40
"""Height from which a face must be found by both."""

CLIPS = (
    "crowd_1080p.mp4",
    "expressions_woman_360p.mp4",
    "film_bw_two_men_360p.mp4",
    "gallery6_1080p.mp4",
    "meeting_720p_vp9.webm",
    "noface_cups_720p.mp4",
    "portrait_rot90_h264.mp4",
    "selfie_rot90_hevc_two_streams.mp4",
    "speaker_mpeg1.mpg",
    "talking_head_540p_vfr_gaps.mp4",
    "two_people_walking_270p.gif",
)
PHOTOS = ("astronaut_512.png", "group17_astronauts.jpg", "family4_beach.jpg", "noface_cow.jpg")
CUTS = (np.s_[80:], np.s_[:158], np.s_[:, 200:], np.s_[:, :255])
"""Parts of the astronaut whose border goes through the face: its top, bottom, left, right."""


@dataclass(frozen=True, slots=True)
class Faces:
    """What one of the two found in an image."""

    boxes: Floats
    """(n, 4), clipped to the image."""
    confidences: Floats
    """(n,)"""


def frames(path: Path) -> Iterator[Pixels]:
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % 12 == 0:
                yield fitted(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90 % 4))
            if index >= 12 * (FRAMES - 1):
                return


def fitted(image: Pixels) -> Pixels:
    scale = min(1.0, LONGEST_PX / max(image.shape))
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


@pytest.fixture(scope="module")
def images(media: Path) -> list[Pixels]:
    found = [frame for clip in CLIPS for frame in frames(media / "video" / clip)]
    for name in PHOTOS:
        photo = cv2.imread(str(media / "photos" / name))
        assert photo is not None
        found.append(fitted(np.asarray(photo[..., ::-1], dtype=np.uint8)))
    astronaut = found[-len(PHOTOS)]
    return found + [np.ascontiguousarray(astronaut[part]) for part in CUTS]


@pytest.fixture(scope="module")
def ours(images: list[Pixels]) -> list[Faces]:
    detector = Mtcnn(MIN_FACE_PX, 0.0, torch.device("cpu"))
    answers = []
    for found in detector.detect(images):
        assert found.confidences is not None
        answers.append(Faces(found.boxes, found.confidences))
    return answers


@pytest.fixture(scope="module")
def theirs(images: list[Pixels]) -> list[Faces]:
    detector = MTCNN(keep_all=True, min_face_size=MIN_FACE_PX, post_process=False)
    answers = []
    for image in images:
        boxes, confidences = detector.detect(image)
        if boxes is None:
            boxes, confidences = np.zeros((0, 4)), np.zeros(0)
        height, width = image.shape[:2]
        clipped = np.clip(np.asarray(boxes, np.float32), 0, [width, height, width, height])
        answers.append(Faces(clipped.astype(np.float32), np.asarray(confidences, np.float32)))
    return answers


def overlaps(faces: Floats, others: Floats) -> NDArray[np.float64]:
    """For each face (n, 4) its best intersection over union with any of the others; 0 if none."""
    if not len(others):
        return np.zeros(len(faces))
    corner = np.maximum(faces[:, None, :2], others[None, :, :2])
    end = np.minimum(faces[:, None, 2:], others[None, :, 2:])
    inside = np.maximum(end - corner, 0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (faces, others)]
    shares = inside / (areas[0][:, None] + areas[1][None] - inside)
    best: NDArray[np.float64] = shares.max(axis=1).astype(np.float64)
    return best


def clear(faces: Faces) -> Floats:
    heights = faces.boxes[:, 3] - faces.boxes[:, 1]
    return faces.boxes[(faces.confidences >= SURE) & (heights >= CLEAR_PX)]


def test_clear_faces_are_found_by_both(ours: list[Faces], theirs: list[Faces]) -> None:
    pairs = list(zip(ours, theirs, strict=True))
    best = [overlaps(clear(one), other.boxes) for one, other in pairs]
    best += [overlaps(clear(other), one.boxes) for one, other in pairs]
    shares = np.concatenate(best)
    assert len(shares) > 100, "too few faces to say anything"
    assert (shares > 0.7).mean() >= 0.995
    assert (shares > 0.9).mean() >= 0.9


def test_faces_of_any_size_and_confidence_are_counted_alike(
    ours: list[Faces], theirs: list[Faces]
) -> None:
    found = [len(faces.boxes) for faces in ours]
    expected = [len(faces.boxes) for faces in theirs]
    assert sum(expected) > 50
    # a candidate that lies on a threshold may fall to either side of it
    assert sum(one != other for one, other in zip(found, expected, strict=True)) <= 1


def test_confidences_are_the_same(ours: list[Faces], theirs: list[Faces]) -> None:
    pairs = [
        (one, other)
        for one, other in zip(ours, theirs, strict=True)
        if len(one.boxes) == len(other.boxes)
    ]
    for one, other in pairs:
        found, expected = np.sort(one.confidences), np.sort(other.confidences)
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_face_that_the_border_cuts_is_found_and_clipped(
    images: list[Pixels], ours: list[Faces]
) -> None:
    for image, faces in list(zip(images, ours, strict=True))[-len(CUTS) :]:
        sure = faces.boxes[faces.confidences > 0.9]
        height, width = image.shape[:2]
        touching = (sure[:, :2] == 0).any(axis=1) | (sure[:, 2:] == [width, height]).any(axis=1)
        assert touching.sum() == 1
