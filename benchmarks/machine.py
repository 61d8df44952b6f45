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
    """The processor's name and its widest vector unit."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    flags = {
        word for line in text.splitlines() if line.startswith("flags") for word in line.split()
    }
    known = ("avx512_bf16", "avx512f", "avx2")
    return f"{names[0] if names else platform.machine()} ({next(f for f in known if f in flags)})"
