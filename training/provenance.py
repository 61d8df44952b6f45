"""Which code made the weights."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def commit() -> str:
    """The commit of the checkout that this package stands in, else the installed version.

    A checkout with changes that were not committed has `-dirty` behind it.
    """
    root = Path(__file__).resolve().parent.parent
    if (root / ".git").exists():
        try:
            found = subprocess.run(
                [
                    "git",
                    "-C",
                    str(root),
                    "describe",
                    "--always",
                    "--dirty",
                    "--abbrev=40",
                    "--exclude=*",
                ],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            return "unknown"
        return found.stdout.strip()
    try:
        return version("mien")
    except PackageNotFoundError:
        return "unknown"
