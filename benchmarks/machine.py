"""What a figure was measured on, to stand beside it."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path


def describe_machine() -> str:
    """Processor, cores, versions and commit, in one line."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return (
        f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"torch {metadata.version('torch')}, mien {commit or metadata.version('mien')}"
    )


def _processor() -> str:
    """The processor's name, family and widest vector unit.

    The family tells generations apart where a host hides the model.
    """
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    first = text.partition("\n\n")[0]
    facts = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in first.splitlines())
    }
    known = ("avx512_bf16", "avx512f", "avx2")
    flags = facts.get("flags", "").split()
    unit = next((one for one in known if one in flags), "no avx2")
    name = facts.get("model name", platform.machine())
    return f"{name} (family {facts.get('cpu family', 'unknown')}, {unit})"
