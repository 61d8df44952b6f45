"""How long `mien --help` takes, as a whole process, and what it imports in that time.

python benchmarks/startup.py            # prints the median of 15 runs, in seconds
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import describe_machine

RUNS = 15


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    script = Path(sys.executable).with_name("mien")
    begin = time.perf_counter()
    subprocess.run([str(script), *arguments], check=True, capture_output=True)
    return time.perf_counter() - begin


def main() -> None:
    print(describe_machine())
    for arguments in (["--help"], ["--version"], ["run", "--help"]):
        seconds(arguments)  # a warm disk cache
        taken = [seconds(arguments) for _ in range(RUNS)]
        middle, least, most = statistics.median(taken), min(taken), max(taken)
        print(f"mien {' '.join(arguments):<12} {middle:.2f} s ({least:.2f} to {most:.2f})")


if __name__ == "__main__":
    main()
