"""Counters and gauges of one attempt at a stream, as its work horse sends them to the exporter.

Counters are of the whole attempt: a message that is lost or repeated changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mien.contract.histogram import HistogramCounts
from mien.contract.live import AWAY, BUSY, LATE, SLOW_DECODER, SLOW_ENCODER

REASONS = frozenset({LATE, BUSY, AWAY, SLOW_ENCODER, SLOW_DECODER})
GIVEN_UP = "given up"
"""The image was handed out again and again, and every analyzer that took it died."""
FAILED = "analysis failed"
"""Every other reason of a frame without an analysis."""


@dataclass(frozen=True, slots=True)
class StreamStats:
    """Counters since the attempt began, and gauges as they are now."""

    frames: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By state and reason; the reason is empty where nothing was lost."""
    faces: Mapping[str, int] = field(default_factory=dict)
    """Detections by expression."""
    reconnects: Mapping[str, int] = field(default_factory=dict)
    """By why the connection to the source was lost."""
    stages: Mapping[str, HistogramCounts] = field(default_factory=dict)
    """Seconds by step."""
    latency: HistogramCounts | None = None
    """Seconds from a live picture's arrival until it was handed to the encoder."""
    up: bool = False
    """Whether pictures come."""
    fps: float = 0.0
    window_bytes: int = 0
    outputs: tuple[bool, ...] = ()
    """Of a live stream, in the order of its request: whether each is written."""

    def to_json(self) -> dict[str, object]:
        return {
            "frames": [[*key, count] for key, count in self.frames.items()],
            "faces": dict(self.faces),
            "reconnects": dict(self.reconnects),
            "stages": {step: [counts.counts, counts.total] for step, counts in self.stages.items()},
            "latency": None if self.latency is None else [self.latency.counts, self.latency.total],
            "up": self.up,
            "fps": self.fps,
            "window_bytes": self.window_bytes,
            "outputs": self.outputs,
        }


def stats_from_json(plain: Mapping[str, Any]) -> StreamStats:
    """The stats again; raises `ValueError`, `KeyError` or `TypeError` where they are none."""
    latency = plain["latency"]
    return StreamStats(
        frames={(state, reason): count for state, reason, count in plain["frames"]},
        faces=plain["faces"],
        reconnects=plain["reconnects"],
        stages={step: _counts(*counts) for step, counts in plain["stages"].items()},
        latency=None if latency is None else _counts(*latency),
        up=plain["up"],
        fps=plain["fps"],
        window_bytes=plain["window_bytes"],
        outputs=tuple(plain["outputs"]),
    )


def short_reason(reason: str | None) -> str:
    """Why a frame was lost, as one of few words: a label must not hold whatever an error says."""
    if reason is None or reason in REASONS:
        return reason or ""
    return GIVEN_UP if reason.startswith(GIVEN_UP) else FAILED


def _counts(counts: list[int], total: float) -> HistogramCounts:
    return HistogramCounts(tuple(counts), total)
