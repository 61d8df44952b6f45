"""Prometheus' own checker, and which metrics a query asks for."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_METRIC = re.compile(r"\b(?:mien_\w+|mien(?::\w+)+)")


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run it; skips the test where it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("there is no promtool on this machine (Debian: apt install prometheus)")
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def metrics_in(query: str) -> set[str]:
    """Series of mien's that a query names, recorded ones too."""
    return set(_METRIC.findall(_TEXT.sub('""', query)))


def labels_in(query: str) -> dict[str, set[str]]:
    """Labels by which each metric is selected."""
    found: dict[str, set[str]] = {}
    for match in re.finditer(r"\b(mien_\w+)\{([^}]*)\}", query):
        names = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _TEXT.sub('""', match[2]))
        found.setdefault(match[1], set()).update(names)
    return found


def parsed(queries: list[str], folder: Path) -> str:
    """What promtool says of queries that it cannot parse; empty where it can."""
    path = folder / "queries.yml"
    rules = "".join(
        f"      - record: query:{number}\n        expr: |\n          {' '.join(query.split())}\n"
        for number, query in enumerate(queries)
    )
    path.write_text(f"groups:\n  - name: queries\n    rules:\n{rules}")
    done = promtool("check", "rules", path)
    return "" if done.returncode == 0 else done.stdout + done.stderr
