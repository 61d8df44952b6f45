"""The status of a camera in its job's record: rates, latencies, losses, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST_REASON_BYTES = 200


def live_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """`Stream.live_status` with its sentences cut to a length that a record can hold."""
    outputs = [{**one, "reason": _short(one["reason"])} for one in status.get("outputs", [])]
    return {**status, "trouble": _short(status["trouble"]), "outputs": outputs}


def waiting_status(trouble: str) -> dict[str, Any]:
    """Of a source that has given no picture yet."""
    return {"trouble": _short(trouble)}


def largest_status(outputs: Sequence[str]) -> dict[str, Any]:
    """The largest status that outputs of these names can have."""
    reason, number = "?" * LONGEST_REASON_BYTES, 1e6 + 0.1234
    lost = {f"{cause:<20}": 10**9 for cause in range(8)}
    names = ("fps", "latency_p50_s", "latency_p95_s", "latency_p99_s", "uptime_s")
    counts = ("outages", "reconnects", "size_changes")
    return {
        **dict.fromkeys(names, number),
        **dict.fromkeys(counts, 10**9),
        "drops": lost,
        "trouble": reason,
        "outputs": [
            {"name": name, "fine": False, "lost": lost, "reconnects": 10**9, "reason": reason}
            for name in outputs
        ],
    }


def shortened(sentence: str, most_bytes: int) -> str:
    """The sentence on one line, cut to at most so many bytes as JSON."""
    sentence = " ".join(sentence.split())
    shown = sentence
    while len(json.dumps(shown, ensure_ascii=False).encode("utf-8", "replace")) > most_bytes:
        sentence = sentence[: len(sentence) * 9 // 10]
        shown = f"{sentence}…"
    return shown


def _short(sentence: str | None) -> str | None:
    return sentence and shortened(sentence, LONGEST_REASON_BYTES)
