"""What goes to an analyzer and what comes back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mien.contract.pictures import Picture

Floats = NDArray[np.float32]

DetectorName = Literal["mtcnn", "haar"]
Views = Literal["single", "flip", "ten-crop"]


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """Everything besides image and weights that an analysis depends on."""

    detector: DetectorName
    min_face_px: float
    """Smallest face looked for, in pixels of the analysis image."""
    min_confidence: float
    """Detections below it are left out; in [0, 1]; the Haar cascade has none and ignores it."""
    views: Views
    weights_sha256: str
    """`WeightsInfo.sha256`; an analyzer refuses weights or temperatures with another hash."""

    @property
    def sha256(self) -> str:
        """Of `to_json`; a batch holds only images with the same hash."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """As one line; equal settings give the same line."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class AnalysisImage:
    """The image of one frame that crosses the transport; the full-size frame does not."""

    stream: str
    """Id of the video stream."""
    index: int
    """Index of the frame it shows."""
    picture: Picture
    settings: AnalysisSettings


@dataclass(frozen=True, slots=True)
class FrameAnalysis:
    """The faces of one image; n may be 0. Values are quantised where they are made."""

    boxes: Floats
    """float32 (n, 4): x1, y1, x2, y2 in pixels of the analysed image, in steps of .1."""
    confidences: Floats | None
    """float32 (n,) in [0, 1] in steps of 1e-4; None from a detector that has none (Haar)."""
    probabilities: Floats
    """float32 (n, 7) in the order of EXPRESSIONS, in steps of 1e-4."""
    settings_sha256: str
    """Hash of the settings (weights included) that it was made with."""

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True)
class AnalysisRecord:
    """What the result feed holds: the analysis of one frame, or why there is none."""

    index: int
    """Index of the frame."""
    analysis: FrameAnalysis | None
    reason: str | None = None
    """Why the analysis was given up, where it was."""
