"""docker-compose files as Docker reads them: variables filled in, anchors merged."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<kind>:-|:\?)(?P<rest>[^}]*))?\})"
)


class MissingVariableError(Exception):
    """A variable without which the file cannot be used."""


def filled_in(text: str, variables: Mapping[str, str]) -> str:
    """Text after interpolation, as the Compose specification has it."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        given = variables.get(match["name"], "")
        if not given and match["kind"] == ":?":
            raise MissingVariableError(match["name"])
        return given or (match["rest"] if match["kind"] == ":-" else "")

    return _VARIABLE.sub(value, text)


def variables_of(text: str) -> set[str]:
    return {match["name"] for match in _VARIABLE.finditer(text) if match["name"]}


def load(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    document: dict[str, Any] = yaml.safe_load(filled_in(path.read_text(), variables))
    return document


def overridden(under: Any, over: Any) -> Any:
    """What two files give together, for the parts that ours override."""
    if isinstance(under, dict) and isinstance(over, dict):
        merged = {key: overridden(under[key], value) for key, value in over.items() if key in under}
        return {**under, **over, **merged}
    return over
