"""Small images and analyses for tests of what carries them."""

import numpy as np

from mien.contract.analyses import AnalysisImage, AnalysisRecord, AnalysisSettings, FrameAnalysis
from mien.contract.pictures import Colour, Picture

SETTINGS = AnalysisSettings("mtcnn", 24.0, 0.9, "single", "0" * 64)
OTHERS = AnalysisSettings("haar", 24.0, 0.9, "single", "1" * 64)


def image(
    stream: str,
    index: int,
    settings: AnalysisSettings = SETTINGS,
    size: tuple[int, int] = (4, 4),
) -> AnalysisImage:
    """An analysis image of a grey that tells its index."""
    width, height = size
    pixels = np.full((height * 3 // 2, width), index % 256, np.uint8)
    return AnalysisImage(stream, index, Picture(pixels, width, height, Colour()), settings)


def record(index: int, faces: int = 0) -> AnalysisRecord:
    """The analysis of a frame."""
    boxes = np.full((faces, 4), index, np.float32)
    probabilities = np.full((faces, 7), 0.5, np.float32)
    return AnalysisRecord(index, FrameAnalysis(boxes, None, probabilities, SETTINGS.sha256))
