"""What the analyzers of a stream ran with, as one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

BETWEEN = " | "
"""Separates values where analyzers ran with different ones."""


def to_line(numerics: Mapping[str, str]) -> str:
    """As one line; equal numerics give the same line, and none give an empty one."""
    return json.dumps(dict(numerics), sort_keys=True, separators=(",", ":")) if numerics else ""


def merged(lines: Iterable[str]) -> dict[str, str]:
    """What all lines say, by name; each value once, in order."""
    values: dict[str, set[str]] = {}
    for line in filter(None, lines):
        for name, value in json.loads(line).items():
            values.setdefault(name, set()).add(value)
    return {name: BETWEEN.join(sorted(said)) for name, said in sorted(values.items())}
