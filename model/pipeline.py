"""From images to analyses: detect, crop, classify, all faces of all images together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mien.contract.analyses import AnalysisSettings, Floats, FrameAnalysis
from mien.contract.errors import UsageError, WeightsError
from mien.contract.pictures import Pixels
from mien.contract.requests import check_device_name
from model.classifier import Classifier
from model.crops import GEOMETRY, face_crops
from model.detection import Detections
from model.detectors import make_detector
from model.out_of_memory import out_of_memory_as_usage_error
from model.weights_file import WeightsInfo, load_weights

_log = logging.getLogger(__name__)

STEPS = ("detection", "crops", "classification")

_LESS = "a smaller --batch or --analyze-size"

OnStep = Callable[[str, float], None]
"""Is told a step and the seconds that it took."""


class ExpressionPipeline:
    """Everything that an analysis needs, loaded once; any number of threads may share it.

    What it answers depends on the images, the settings, the weights and `numerics` alone.
    """

    info: WeightsInfo
    """Of the weights in use."""
    device: torch.device
    """Where the networks run."""
    numerics: dict[str, str]
    """What besides settings and weights has a say in the last digits: device kind, dtypes,
    versions. It names no machine."""

    def __init__(
        self,
        settings: AnalysisSettings,
        *,
        weights: str | Path = "default",
        device: str = "auto",
        like: ExpressionPipeline | None = None,
    ) -> None:
        """Loads the networks; the classifier is that of `like` where it is the same.

        Raises:
            UsageError: there is no such device, or no room on it.
            WeightsError: the weights are missing, damaged, or others than the settings name.
        """
        self.device = choose_device(device)
        self._views = settings.views
        self._classifier: Classifier
        if like is not None and like._shares_with(settings, self.device):
            self.info, self._classifier = like.info, like._classifier
        else:
            with out_of_memory_as_usage_error(self.device, _LESS):
                self.info, self._classifier = _load(settings, weights, self.device)
        self._settings_sha256 = settings.sha256
        self._geometry = GEOMETRY[settings.detector]
        self._detector = make_detector(settings, self.device)
        self.numerics = {
            "device": self.device.type,
            "detector_dtype": "float32" if settings.detector == "mtcnn" else "uint8",
            "classifier_dtype": str(self._classifier.dtype).removeprefix("torch."),
            "torch": torch.__version__,
        }

    def analyze(
        self, images: Sequence[Pixels], on_step: OnStep | None = None
    ) -> list[FrameAnalysis]:
        """One analysis an image, in order. Images are uint8 RGB (H, W, 3); sizes may differ.

        `on_step` is told the wall seconds of detection, crops and classification.

        Raises:
            UsageError: there is no room for so much on the device.
        """
        times = [time.perf_counter()]
        with out_of_memory_as_usage_error(self.device, _LESS):
            found = self._detector.detect(images)
        times.append(time.perf_counter())
        boxes = [np.round(faces.boxes, 1) for faces in found]
        crops = face_crops(images, boxes, self._geometry)
        times.append(time.perf_counter())
        with out_of_memory_as_usage_error(self.device, _LESS):
            probabilities = np.round(self._classifier.classify(crops), 4)
        times.append(time.perf_counter())
        if on_step is not None:
            for step, seconds in zip(STEPS, np.diff(times).tolist(), strict=True):
                on_step(step, seconds)
        ends = np.cumsum([len(faces) for faces in found])[:-1]
        shares = np.split(probabilities, ends) if found else []
        return [
            self._analysis(faces, quantised, share)
            for faces, quantised, share in zip(found, boxes, shares, strict=True)
        ]

    def _shares_with(self, settings: AnalysisSettings, device: torch.device) -> bool:
        mine = (self.info.sha256, self._views, self.device)
        return mine == (settings.weights_sha256, settings.views, device)

    def _analysis(self, faces: Detections, boxes: Floats, probabilities: Floats) -> FrameAnalysis:
        confidences = faces.confidences
        return FrameAnalysis(
            boxes=boxes,
            confidences=None if confidences is None else np.round(confidences, 4),
            probabilities=probabilities,
            settings_sha256=self._settings_sha256,
        )


def _load(
    settings: AnalysisSettings, weights: str | Path, device: torch.device
) -> tuple[WeightsInfo, Classifier]:
    network, info = load_weights(weights, device)
    if info.sha256 != settings.weights_sha256:
        raise WeightsError(
            f"the settings ask for weights {settings.weights_sha256[:12]}, "
            f"but {weights} holds {info.sha256[:12]}"
        )
    return info, Classifier(network, info, settings.views, device)


def choose_device(name: str) -> torch.device:
    """`auto` is the first CUDA device, or the CPU where there is none that torch can compute on.

    From then on float32 is float32 on CUDA as well: by default cuDNN rounds what convolutions read
    to ten bits, which moves boxes.

    Raises:
        UsageError: there is no device of that name, not on this machine, or torch cannot compute
            on it.
    """
    check_device_name(name)
    torch.backends.cudnn.allow_tf32 = False
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cuda" and (trouble := _trouble_with(name)):
            _log.warning("torch cannot compute on this GPU (%s); the CPU is used", trouble)
            name = "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"this machine has no {name}")
    if device.type == "cuda" and (trouble := _trouble_with(name)):
        raise UsageError(f"torch cannot compute on {name}: {trouble}")
    return device


@cache
def _trouble_with(name: str) -> str:
    """Why torch cannot compute on a CUDA device, in its words; empty where it can.

    One that is older than torch was built for is there all the same, until the first kernel. One
    that others have filled, or hold for themselves, is no trouble that lasts: whoever needs it
    fails, and may be started again.
    """
    try:
        (torch.zeros(1, device=name) + 1).item()
    except torch.OutOfMemoryError:
        return ""
    except RuntimeError as error:
        if "busy" in str(error):
            return ""
        return str(error).strip().partition("\n")[0].rstrip(".")
    return ""
