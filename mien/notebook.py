"""`mien.analyze`: the numbers of a source as a DataFrame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pandas

from mien.contract.analyses import DetectorName, Views
from mien.contract.errors import UsageError
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.embedded import run
from workers.results_table import Table


def analyze(
    source: str | Path,
    *,
    analyze_fps: float | str | None,
    detector: str,
    min_face: float | None,
    min_confidence: float,
    weights: str | Path,
    views: str,
    smoothing: float,
    device: str,
) -> pandas.DataFrame:
    """See `mien.analyze`."""
    every_frame = analyze_fps is None or analyze_fps == "all"
    analysis = AnalysisRequest(
        analyze_fps=None if every_frame else Fraction(str(analyze_fps)),
        detector=_one_of(detector, get_args(DetectorName), "detector"),
        min_face_px=min_face,
        min_confidence=min_confidence,
        weights=str(weights),
        views=_one_of(views, get_args(Views), "views"),
        smoothing_s=smoothing,
    )
    table = Table()
    run(RunRequest(str(source), analysis, output=None, device=device), results=table)
    return table.frame()


def _one_of(value: str, known: tuple[str, ...], name: str) -> Any:
    if value not in known:
        raise UsageError(f"{name} is one of {', '.join(known)}, not {value!r}")
    return value
