"""Requests as JSON: how they travel to the process that carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from mien.contract.outputs import OutputSettings, parse_target
from mien.contract.plain import as_plain
from mien.contract.requests import AnalysisRequest, RunRequest


def request_to_json(request: RunRequest) -> dict[str, Any]:
    """Plain values only; paths and rates become text. The source may hold a password."""
    plain: dict[str, Any] = as_plain(request)
    return plain


def request_from_json(plain: Mapping[str, Any]) -> RunRequest:
    """The request again.

    Raises:
        ValueError: this is no request of this version of mien.
        UsageError: it asks for what makes no sense.
    """
    try:
        return _request(plain)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("it is no request of this version of mien") from error


def _request(plain: Mapping[str, Any]) -> RunRequest:
    analysis = plain["analysis"]
    return RunRequest(
        source=plain["source"],
        analysis=AnalysisRequest(**{**analysis, "analyze_fps": _rate(analysis["analyze_fps"])}),
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


def _output(plain: Mapping[str, Any]) -> OutputSettings:
    target, fps = parse_target(plain["target"]), _rate(plain["fps"])
    return OutputSettings(**{**plain, "target": target, "fps": fps})


def _rate(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
