"""OpenCV's cascade of Haar features: frontal faces only, no confidence, no network to load."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.resources import files

import cv2
import numpy as np

from mien.contract.pictures import Pixels
from model.detection import Detections, clipped, largest_first

SCALE_FACTOR = 1.2
"""From one window size to the next."""
MIN_NEIGHBORS = 5
"""Windows that must agree on a face. On clips and photos with 151 faces that MTCNN is sure of, 1.2
and 5 found 114 of them and 4 things that are none; 1.1 and 6 found 119 and 6 at twice the time."""


class Haar:
    """Frontal faces by Viola and Jones. Turned or tilted faces are missed.

    With several threads of its own OpenCV groups what it finds in any order, which can move a box
    by a pixel; `mien.cores` gives it one.

    Source: Viola and Jones, CVPR 2001.
    """

    def __init__(self, min_face_px: float) -> None:
        self._own = threading.local()  # a cascade keeps what it works on
        self._min_size = (max(1, round(min_face_px)),) * 2

    def detect(self, images: Sequence[Pixels]) -> list[Detections]:
        """See `Detector`."""
        return [self._detect_one(image) for image in images]

    def _cascade(self) -> cv2.CascadeClassifier:
        """This thread's own."""
        if not hasattr(self._own, "cascade"):
            path = files("cv2").joinpath("data/haarcascade_frontalface_default.xml")
            self._own.cascade = cv2.CascadeClassifier(str(path))
        cascade: cv2.CascadeClassifier = self._own.cascade
        return cascade

    def _detect_one(self, image: Pixels) -> Detections:
        height, width = image.shape[:2]
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        found = self._cascade().detectMultiScale(
            grey, scaleFactor=SCALE_FACTOR, minNeighbors=MIN_NEIGHBORS, minSize=self._min_size
        )
        # an empty tuple where there is none
        rectangles = np.array(found, dtype=np.float32).reshape(-1, 4)
        corners = rectangles[:, :2]
        boxes = clipped(np.hstack([corners, corners + rectangles[:, 2:]]), width, height)
        return Detections(boxes[largest_first(boxes)], None, None)
