"""Stand-ins for the networks where a test is about the stages around them."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mien.contract.analyses import FrameAnalysis
from mien.contract.pictures import Pixels


class OneFace:
    """Finds one happy face in the middle third of every image; the port is the real one's."""

    numerics: Mapping[str, str] = {}

    def __init__(self, fail_after: int | None = None) -> None:
        """fail_after: so many images are analysed, then it breaks."""
        self.images = 0
        self._fail_after = fail_after

    def analyze(
        self, images: Sequence[Pixels], on_step: Callable[[str, float], None] | None = None
    ) -> list[FrameAnalysis]:
        self.images += len(images)
        if self._fail_after is not None and self.images > self._fail_after:
            raise RuntimeError("the graphics card fell off the bus")
        return [self._analysis(*image.shape[:2]) for image in images]

    def _analysis(self, height: int, width: int) -> FrameAnalysis:
        box = [[width / 3, height / 3, width * 2 / 3, height * 2 / 3]]
        probabilities = np.full((1, 7), 0.02, np.float32)
        probabilities[0, 3] = 0.88
        return FrameAnalysis(
            np.array(box, np.float32), np.ones(1, np.float32), probabilities, "0" * 64
        )


class FixedTime(OneFace):
    """Takes the same time for every image, as a machine of a known speed would."""

    def __init__(self, seconds_s: float) -> None:
        super().__init__()
        self._seconds_s = seconds_s

    def analyze(
        self, images: Sequence[Pixels], on_step: Callable[[str, float], None] | None = None
    ) -> list[FrameAnalysis]:
        time.sleep(self._seconds_s * len(images))
        return super().analyze(images)


class Gate(OneFace):
    """Analyses nothing while it is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.open.set()

    def analyze(
        self, images: Sequence[Pixels], on_step: Callable[[str, float], None] | None = None
    ) -> list[FrameAnalysis]:
        self.open.wait()
        return super().analyze(images)


class NoFace(OneFace):
    """Looks at every image and finds nobody."""

    def _analysis(self, height: int, width: int) -> FrameAnalysis:
        return FrameAnalysis(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, 7), np.float32),
            "0" * 64,
        )
