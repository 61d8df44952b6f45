"""Tells where one shot ends and another begins, so that no box is left over from the one before."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from mien.contract.analyses import Floats
from mien.contract.pictures import Picture

_SIZE = (32, 18)
_STRIDE = 4
_LEAST = 18.0
"""Mean difference of small pictures, in steps of 255, that two shots have at least ..."""
_SUDDEN = 3.0
"""... and how much more than any of the differences just before: pans and shakes last longer."""
_MEMORY = 5


class CutFinder:
    """Compares each picture of a stream with the one before, much reduced.

    What it takes for a cut by mistake (a flash of light, a gap in the stream) must do no harm:
    faces that are found on both sides of it are drawn all the same.
    """

    def __init__(self) -> None:
        self._before: Floats | None = None
        self._steps: deque[float] = deque(maxlen=_MEMORY)

    def is_cut(self, picture: Picture) -> bool:
        """Whether a picture begins a new shot; give all pictures, in order, as they come."""
        luma = np.ascontiguousarray(picture.planes()[0][::_STRIDE, ::_STRIDE])
        small = cv2.resize(luma, _SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, small
        if before is None:
            return False
        step = float(np.abs(small - before).mean())
        usual = max(self._steps, default=0.0)
        self._steps.append(step)
        return step >= _LEAST and step > _SUDDEN * usual
