"""How much memory the frames of one stream may take while they wait for their analyses."""

from __future__ import annotations

import math
from fractions import Fraction

from mien.contract.frames import SourceInfo
from mien.contract.geometry import AnalysisGeometry
from mien.contract.requests import MEGABYTE_BYTES, RunRequest
from producer.window import CROWDED_SHARE

USUAL_WINDOW_BYTES = 128 * MEGABYTE_BYTES
MOST_BYTES = 512 * MEGABYTE_BYTES
"""However large the pictures, rare the analyses and long the wait: a window grows no further by
itself."""

USUAL_FPS = Fraction(30)
"""Assumed where a source does not tell its rate; only the window's size depends on it."""


class WindowBudget:
    """Bytes that one request for one source gets for its window, and what follows from them."""

    def __init__(self, request: RunRequest, info: SourceInfo, geometry: AnalysisGeometry) -> None:
        self._request = request
        self._fps = info.source_fps or USUAL_FPS
        self._picture_bytes = Fraction(info.width * info.height * 3, 2)
        is_shrunk = (geometry.width, geometry.height) != (info.width, info.height)
        self._image_bytes = Fraction(geometry.width * geometry.height * 3, 2) * is_shrunk
        self._is_live = info.kind == "live"
        self.window_bytes = request.window_bytes or self._wanted_bytes()
        """As asked for, or enough to interpolate between analyses and, live, to wait for them."""

    @property
    def must_hold(self) -> bool:
        """Whether one interval of analysis and one batch would not fit into the window."""
        if not self._request.outputs or self._request.analysis.analyze_fps is None:
            return False
        return self._interval_bytes() > self.window_bytes

    @property
    def longest_wait_s(self) -> float:
        """How long a live picture can wait before the window has no bytes left for the next."""
        usable_bytes = CROWDED_SHARE * self.window_bytes
        return usable_bytes / float(self._second_bytes()) if self._request.outputs else math.inf

    def _wanted_bytes(self) -> int:
        wanted = 5 * self._interval_bytes() / 4
        if self._is_live:  # two more: one that has just come, and one that is being written
            waiting = self._second_bytes() * Fraction(self._request.max_latency_s)
            wanted = max(wanted, (waiting + 2 * self._picture_bytes) / Fraction(CROWDED_SHARE))
        return max(USUAL_WINDOW_BYTES, min(MOST_BYTES, math.ceil(wanted)))

    def _interval_bytes(self) -> Fraction:
        """Bytes of the frames of one interval of analysis and one batch."""
        rate = self._request.analysis.analyze_fps
        interval = Fraction(1) if rate is None else self._fps / rate
        return (interval + self._request.batch) * self._picture_bytes

    def _second_bytes(self) -> Fraction:
        """Bytes of the frames of a second, and of their analysis images."""
        shown = min([self._fps, *(output.fps or self._fps for output in self._request.outputs)])
        analysed = min(self._fps, self._request.analysis.analyze_fps or self._fps)
        return shown * self._picture_bytes + analysed * self._image_bytes
