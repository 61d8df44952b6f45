"""`mien.analyze`: the numbers of a source as a DataFrame."""

from __future__ import annotations

from numbers import Real
from pathlib import Path
from typing import Any, get_args

import pandas

from mien.contract.analyses import DetectorName, Views
from mien.contract.errors import Interrupted, UsageError
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.embedded import run
from mien.rates import parse_rate
from workers.results_table import Table


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
    every_frame = analyze_fps is None or analyze_fps == "all"
    try:
        rate = None if every_frame else parse_rate(str(analyze_fps))
    except ValueError as error:
        raise UsageError(f"analyze_fps: {error}") from None
    analysis = AnalysisRequest(
        analyze_fps=rate,
        analyze_size_px=_number(analyze_size, "analyze_size"),
        detector=_one_of(detector, get_args(DetectorName), "detector"),
        min_face_px=None if min_face is None else _number(min_face, "min_face"),
        min_confidence=_number(min_confidence, "min_confidence"),
        weights=str(weights),
        views=_one_of(views, get_args(Views), "views"),
        smoothing_s=_number(smoothing, "smoothing"),
        abstain=None if abstain is None else _number(abstain, "abstain"),
    )
    table = Table(abstains=abstain is not None)
    try:
        run(RunRequest(str(source), analysis, device=device), results=table)
    except Interrupted:
        raise KeyboardInterrupt from None  # what a notebook expects of its stop button
    return table.frame()


def _number(value: Any, name: str) -> Any:
    if not isinstance(value, Real):  # numpy's numbers are real ones, too
        raise UsageError(f"{name} is a number, not {value!r}")
    return value


def _one_of(value: str, known: tuple[str, ...], name: str) -> Any:
    if value not in known:
        raise UsageError(f"{name} is one of {', '.join(known)}, not {value!r}")
    return value
