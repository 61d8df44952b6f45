"""`mien.analyze`: the numbers of a source as a DataFrame."""

from __future__ import annotations

import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import pandas

from mien.contract.analyses import DetectorName, Views
from mien.contract.errors import Interrupted, UsageError
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.embedded import run
from mien.rates import parse_rate
from workers.results_table import Table


def analyze(
    source: str | os.PathLike[str],
    *,
    analyze_fps: float | str | None = 10,
    analyze_size: int = 1280,
    detector: DetectorName = "mtcnn",
    min_face: float | None = None,
    min_confidence: float = 0.9,
    weights: str | Path = "default",
    views: Views = "single",
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
    if not isinstance(source, str | os.PathLike):
        raise UsageError(f"source is a path or a URL, not a {type(source).__name__}")
    every_frame = analyze_fps is None or analyze_fps == "all"
    try:
        rate = None if every_frame else parse_rate(str(analyze_fps))
    except ValueError as error:
        raise UsageError(f"analyze_fps: {error}") from None
    analysis = AnalysisRequest(
        analyze_fps=rate,
        analyze_size_px=_plain(analyze_size),
        detector=detector,
        min_face_px=_plain(min_face),
        min_confidence=_plain(min_confidence),
        weights=str(weights),
        views=views,
        smoothing_s=_plain(smoothing),
        abstain=_plain(abstain),
    )
    table = Table(abstains=abstain is not None)
    try:
        run(RunRequest(os.fspath(source), analysis, device=str(device)), results=table)
    except Interrupted:
        raise KeyboardInterrupt from None  # what a notebook expects of its stop button
    return table.frame()


def _plain(number: Any) -> Any:
    """A number as JSON takes it, which knows neither numpy's nor fractions."""
    if isinstance(number, Integral):
        return int(number)
    return float(number) if isinstance(number, Real) else number
