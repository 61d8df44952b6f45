"""mien finds the faces in videos, reads the expression on each and gives back the numbers.

import mien
table = mien.analyze("clip.mp4")       # a pandas.DataFrame, one row a face
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

__all__ = ["analyze"]


def analyze(
    source: str | Path,
    *,
    analyze_fps: float | str | None = 10,
    analyze_size: int = 1280,
    detector: str = "mtcnn",
    min_face: float | None = None,
    min_confidence: float = 0.9,
    weights: str | Path = "default",
    views: str = "single",
    smoothing: float = 0.5,
    abstain: float | None = None,
    device: str = "auto",
) -> pandas.DataFrame:
    """The faces of a video or photo, with the options of `mien run`.

    Gives a row a face of every analysed frame, and one row with empty face columns for a frame
    without faces. Columns: frame, time_s, track, x1, y1, x2, y2 (pixels of the upright picture),
    confidence, expression, shown, the seven probabilities by name, uncertain (with `abstain`),
    reason.

    Args:
        source: Path or URL.
        analyze_fps: Analyses a second of source time; "all" or None for every frame.
        abstain: Faces whose likeliest expression is less probable are marked in a column
            `uncertain`.

    On a GPU, cuDNN's TensorFloat-32 is off from then on, in the whole process: it moves boxes.

    Raises:
        mien.contract.errors.MienError: says in one sentence what is wrong.
    """
    from mien.notebook import analyze as analyze_now

    return analyze_now(
        source,
        analyze_fps=analyze_fps,
        analyze_size=analyze_size,
        detector=detector,
        min_face=min_face,
        min_confidence=min_confidence,
        weights=weights,
        views=views,
        smoothing=smoothing,
        abstain=abstain,
        device=device,
    )
