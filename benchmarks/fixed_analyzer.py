"""An analyzer that takes a fixed time a picture and finds nothing: what is measured is the rest.

python -m benchmarks.fixed_analyzer URL SECONDS
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mien.analyzer_worker import THREADS
from mien.contract.analyses import AnalysisSettings, FrameAnalysis
from mien.contract.pictures import Pixels
from mien.contract.stage import StageClock
from mien.transport.redis import RedisTransport
from workers.analyzer import Analyzer


class FixedPipeline:
    """A `workers.analyzer.Pipeline` as slow as it is told to be."""

    numerics: Mapping[str, str] = {}

    def __init__(self, picture_s: float, settings_sha256: str, device: threading.Lock) -> None:
        self._picture_s = picture_s
        self._settings_sha256 = settings_sha256
        self._device = device

    def analyze(
        self, images: Sequence[Pixels], on_step: Callable[[str, float], None] | None = None
    ) -> list[FrameAnalysis]:
        with self._device:
            time.sleep(self._picture_s * len(images))
        nothing = (
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros((0, 7), np.float32),
        )
        return [FrameAnalysis(*nothing, self._settings_sha256) for _ in images]


def main() -> None:
    url, picture_s = sys.argv[1], float(sys.argv[2])

    device = threading.Lock()

    def pipeline_for(settings: AnalysisSettings) -> FixedPipeline:
        return FixedPipeline(picture_s, settings.sha256, device)

    transport, clock = RedisTransport(url), StageClock()
    for _ in range(THREADS):
        analyzer = Analyzer(transport.work(), pipeline_for, batch=1, clock=clock)
        threading.Thread(target=analyzer.run).start()


if __name__ == "__main__":
    main()
