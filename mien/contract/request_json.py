"""Requests as JSON: how they travel to the process that carries them out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from mien.contract.analyses import DetectorName, Views
from mien.contract.outputs import OutputSettings, parse_target
from mien.contract.requests import AnalysisRequest, RunRequest


def request_to_json(request: RunRequest) -> dict[str, Any]:
    """Plain values only; paths and rates become text. The source may hold a password."""
    return {
        field.name: _plain(getattr(request, field.name)) for field in dataclasses.fields(request)
    }


def request_from_json(plain: Mapping[str, Any]) -> RunRequest:
    """The request again.

    Raises:
        KeyError, TypeError, ValueError: this is no request.
        UsageError: it asks for what makes no sense.
    """
    analysis: dict[str, Any] = dict(plain["analysis"])
    detector: DetectorName = analysis.pop("detector")
    views: Views = analysis.pop("views")
    rate = analysis.pop("analyze_fps")
    return RunRequest(
        source=plain["source"],
        analysis=AnalysisRequest(
            analyze_fps=_rate(rate), detector=detector, views=views, **analysis
        ),
        outputs=tuple(map(_output, plain["outputs"])),
        results=_path(plain["results"]),
        report=_path(plain["report"]),
        overwrite=plain["overwrite"],
        window_bytes=plain["window_bytes"],
        device=plain["device"],
        batch=plain["batch"],
        max_latency_s=plain["max_latency_s"],
        give_up_after_s=plain["give_up_after_s"],
        attached=plain["attached"],
    )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path | Fraction) else value


def _output(plain: Mapping[str, Any]) -> OutputSettings:
    target, fps = parse_target(plain["target"]), _rate(plain["fps"])
    return OutputSettings(**{**plain, "target": target, "fps": fps})


def _rate(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
