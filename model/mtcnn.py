"""MTCNN: faces found by three networks in turn, each looking closer at what the last one left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mien.contract.pictures import Pixels
from model.detection import Detections, clipped, largest_first
from model.mtcnn_area import AreaTables, area_tables
from model.mtcnn_candidates import (
    cell_boxes,
    kept_by_smaller,
    not_empty,
    pixel_windows,
    placed_landmarks,
    pyramid_scales,
    regressed,
    squared,
)
from model.mtcnn_nets import load_networks
from model.nms import batched_nms, load_operators

THRESHOLDS = (0.6, 0.7, 0.7)
"""Probability from which a candidate passes P-Net, R-Net and O-Net."""
FACTOR = 0.709
"""From one level of the pyramid to the next: half the area."""

_LEVEL_OVERLAP, _FRAME_OVERLAP = 0.5, 0.7
_CHUNK = {"cpu": 64, "cuda": 4096}
"""Candidates in one pass of R-Net or O-Net: what a CPU's cache holds, and what keeps a GPU busy."""
_BATCH_PX = {"cpu": 2_000_000, "cuda": 64_000_000}
"""Pixels of all images in one pass: bounds the memory that large photos take."""


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Of all images of a batch, on the networks' device."""

    frames: torch.Tensor
    """int64 (n,): index of the image."""
    boxes: torch.Tensor
    """float32 (n, 4)."""
    scores: torch.Tensor
    """float32 (n,)."""
    extras: torch.Tensor
    """float32 (n, k): what the networks said of each besides."""

    def __getitem__(self, chosen: torch.Tensor) -> _Candidates:
        parts = (self.frames, self.boxes, self.scores, self.extras)
        return _Candidates(*(part[chosen] for part in parts))

    def without_overlaps(self, limit: float) -> _Candidates:
        return self[batched_nms(self.boxes, self.scores, self.frames, limit)]


class Mtcnn:
    """facenet-pytorch's networks and conventions, driven for many frames at once.

    Frames of one size share passes of P-Net and, over the candidates of them all, of R-Net and
    O-Net. It finds what facenet-pytorch's own `MTCNN.detect` finds.
    """

    def __init__(self, min_face_px: float, min_confidence: float, device: torch.device) -> None:
        self._min_face_px = min_face_px
        self._min_confidence = min_confidence
        self._device = device
        load_operators()
        self._networks = load_networks(device)

    @torch.inference_mode()
    def detect(self, images: Sequence[Pixels]) -> list[Detections]:
        """See `Detector`. An image too small for a face of the smallest size has none."""
        found: dict[int, Detections] = {}
        for indices in self._batches(images):
            batch = [images[index] for index in indices]
            found.update(zip(indices, self._detect_equal(batch), strict=True))
        return [found[index] for index in range(len(images))]

    def _batches(self, images: Sequence[Pixels]) -> Iterator[list[int]]:
        """Indices of images of one size, as many as the memory for one pass allows."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, image in enumerate(images):
            groups.setdefault(image.shape, []).append(index)
        for (height, width, _), indices in groups.items():
            count = max(1, _BATCH_PX[self._device.type] // max(1, height * width))
            yield from (indices[start : start + count] for start in range(0, len(indices), count))

    def _detect_equal(self, images: list[Pixels]) -> list[Detections]:
        height, width = images[0].shape[:2]
        scales = pyramid_scales(height, width, self._min_face_px, FACTOR)
        if not scales:
            return [self._chosen(_no_faces(), width, height) for _ in images]
        tables = area_tables(images, self._device)
        candidates = self._proposed(tables, scales, height, width)
        candidates = self._refined(tables, candidates, height, width)
        faces = self._settled(tables, candidates, height, width)
        frames = faces.frames.cpu().numpy()
        boxes = faces.boxes.cpu().numpy()
        scores = faces.scores.cpu().numpy()
        landmarks = faces.extras.unflatten(1, (5, 2)).cpu().numpy()
        found = []
        for frame in range(len(images)):
            own = np.flatnonzero(frames == frame)
            own = own[kept_by_smaller(boxes[own], scores[own], _FRAME_OVERLAP)]
            faces_of_frame = Detections(boxes[own], scores[own], landmarks[own])
            found.append(self._chosen(faces_of_frame, width, height))
        return found

    def _proposed(
        self, tables: AreaTables, scales: list[float], height: int, width: int
    ) -> _Candidates:
        """P-Net over the pyramid."""
        net, levels = self._networks.proposal, []
        for scale in scales:
            passes = []
            for first, images in tables.level(int(height * scale + 1), int(width * scale + 1)):
                features, scores = net(images)
                places = (scores >= THRESHOLDS[0]).nonzero()
                at = places.unbind(1)
                boxes, shifts = cell_boxes(places[:, 1:], scale), net.regress(features[at])
                passes.append(_Candidates(places[:, 0] + first, boxes, scores[at], shifts))
            levels.append(_joined(passes).without_overlaps(_LEVEL_OVERLAP))
        joined = _joined(levels).without_overlaps(_FRAME_OVERLAP)
        boxes = squared(regressed(joined.boxes, joined.extras, 0))
        return _Candidates(joined.frames, boxes, joined.scores, joined.extras)

    def _refined(
        self, tables: AreaTables, candidates: _Candidates, height: int, width: int
    ) -> _Candidates:
        """R-Net over the candidates that P-Net left."""
        windows = pixel_windows(candidates.boxes, height, width)
        kept = []
        for part, pixels in _crops(tables, candidates, windows, 24):
            shifts, probabilities = self._networks.refinement(pixels)
            seen = _Candidates(part.frames, part.boxes, probabilities[:, 1], shifts)
            kept.append(seen[seen.scores > THRESHOLDS[1]])
        if not kept:
            return _no_candidates(candidates.boxes, 4)
        joined = _joined(kept).without_overlaps(_FRAME_OVERLAP)
        boxes = squared(regressed(joined.boxes, joined.extras, 1))
        return _Candidates(joined.frames, boxes, joined.scores, joined.extras)

    def _settled(
        self, tables: AreaTables, candidates: _Candidates, height: int, width: int
    ) -> _Candidates:
        """O-Net over the candidates that R-Net left; extras (n, 10) are the landmarks' x, y."""
        windows = pixel_windows(candidates.boxes, height, width)
        kept = [_no_candidates(candidates.boxes, 10)]
        for part, pixels in _crops(tables, candidates, windows, 48):
            shifts, points, probabilities = self._networks.output(pixels)
            landmarks = placed_landmarks(part.boxes, points).flatten(1)
            boxes = regressed(part.boxes, shifts, 1)
            seen = _Candidates(part.frames, boxes, probabilities[:, 1], landmarks)
            kept.append(seen[seen.scores > THRESHOLDS[2]])
        return _joined(kept)

    def _chosen(self, faces: Detections, width: int, height: int) -> Detections:
        """Confident ones, clipped to the image, largest first."""
        assert faces.confidences is not None  # noqa: S101 - tells mypy
        assert faces.landmarks is not None  # noqa: S101
        boxes = clipped(faces.boxes, width, height)
        visible = np.all(boxes[:, 2:] - boxes[:, :2] >= 1, axis=1)
        chosen = np.flatnonzero(visible & (faces.confidences >= self._min_confidence))
        chosen = chosen[largest_first(boxes[chosen])]
        return Detections(boxes[chosen], faces.confidences[chosen], faces.landmarks[chosen])


def _crops(
    tables: AreaTables, candidates: _Candidates, windows: torch.Tensor, size_px: int
) -> Iterator[tuple[_Candidates, torch.Tensor]]:
    """Candidates that show a pixel, in chunks, with their pixels at the network's size."""
    visible = not_empty(windows)
    candidates, windows = candidates[visible], windows[visible]
    most = _CHUNK[windows.device.type]
    for start in range(0, len(windows), most):
        chunk = slice(start, start + most)
        part = _Candidates(
            candidates.frames[chunk],
            candidates.boxes[chunk],
            candidates.scores[chunk],
            candidates.extras[chunk],
        )
        yield part, tables.crops(part.frames, windows[chunk], size_px)


def _joined(parts: list[_Candidates]) -> _Candidates:
    return _Candidates(
        torch.cat([part.frames for part in parts]),
        torch.cat([part.boxes for part in parts]),
        torch.cat([part.scores for part in parts]),
        torch.cat([part.extras for part in parts]),
    )


def _no_candidates(like: torch.Tensor, extras: int) -> _Candidates:
    return _Candidates(
        like.new_zeros(0, dtype=torch.int64),
        like.new_zeros((0, 4)),
        like.new_zeros(0),
        like.new_zeros((0, extras)),
    )


def _no_faces() -> Detections:
    return Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
    )
