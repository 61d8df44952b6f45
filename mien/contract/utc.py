"""How points in time are written."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(since_1970_s: float) -> str:
    """ISO 8601 in UTC with milliseconds, such as `2026-01-31T12:00:00.250Z`."""
    moment = datetime.fromtimestamp(since_1970_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
