"""Which detector the settings ask for."""

from __future__ import annotations

import torch

from mien.contract.analyses import AnalysisSettings
from model.detection import Detector
from model.haar import Haar
from model.mtcnn import Mtcnn


def make_detector(settings: AnalysisSettings, device: torch.device) -> Detector:
    """The detector of these settings, its networks on `device`; the cascade stays on the CPU."""
    if settings.detector == "haar":
        return Haar(settings.min_face_px)
    return Mtcnn(settings.min_face_px, settings.min_confidence, device)
