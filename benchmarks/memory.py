"""How much memory `mien run` takes on long and on large clips, told by the kernel.

    python -m benchmarks.memory MEDIA half-hour      # 30 minutes of 360p with one face
    python -m benchmarks.memory MEDIA crowd          # 3 minutes of 1080p with six faces
    python -m benchmarks.memory MEDIA 4k             # 10 s of 4K at 60 fps, window of 64 MB
    python -m benchmarks.memory MEDIA 4k --length 2  # shorter, to try

`mien run` is a process of its own, of which resident memory is read twice a second. Writes
benchmarks/results/memory_CASE.json, where `benchmarks/charts.py` finds it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from benchmarks.clips import clip_facts, looped, scaled
from benchmarks.machine import describe_machine

INTERVAL_S = 0.5
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Case:
    label: str
    """What a reader of the chart is told."""
    clip: str
    """Below the folder of media."""
    length_s: float
    scaled_to: tuple[int, int] | None = None
    """Width and height that the clip is encoded anew at; None leaves it as it is."""
    fps: Fraction | None = None
    options: tuple[str, ...] = ()
    """Of `mien run`."""


CASES = {
    "half-hour": Case("360p, one face", "video/expressions_woman_360p.mp4", 1800),
    "crowd": Case("1080p, six faces", "video/gallery6_1080p.mp4", 180),
    "4k": Case(
        "4K at 60 fps, --window-mb 64",
        "video/gallery6_1080p.mp4",
        10,
        (3840, 2160),
        Fraction(60),
        ("--analyze-fps", "1", "--window-mb", "64"),
    ),
}


@dataclass(frozen=True, slots=True)
class Watched:
    """What became of a process."""

    code: int
    seconds: float
    samples: list[tuple[float, float]]
    """Seconds from its start, and megabytes (10^6) resident then."""
    peak_mb: float
    """Most megabytes that were resident, between samples too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media", type=Path, help="the folder of test media")
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--length", type=float, metavar="S", help="seconds, instead of the case's")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    arguments = parser.parse_args()
    case = CASES[arguments.case]
    with tempfile.TemporaryDirectory(prefix="mien-memory-") as name:
        record = measure(case, arguments.media, arguments.length or case.length_s, Path(name))
    print(f"{record['label']}: {record['peak_mb']} MB at most; {record['frames']}")
    target = arguments.results / f"memory_{arguments.case}.json"
    target.write_text(dumped(record), encoding="utf-8")
    if record["exit_code"]:
        sys.exit(f"mien run ended with {record['exit_code']}")


def measure(case: Case, media: Path, length_s: float, folder: Path) -> dict[str, object]:
    """The record of one run over the case's clip, made in `folder`."""
    clip, report = folder / "clip.mp4", folder / "report.json"
    if case.scaled_to is None:
        length_s = looped(media / case.clip, clip, length_s)
    else:
        scaled(media / case.clip, clip, case.scaled_to, fps=case.fps, length_s=length_s)
    options = ["-o", str(folder / "out.mp4"), "--report", str(report), *case.options]
    watched = watch([sys.executable, "-m", "mien.cli", "run", str(clip), *options])
    account = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    shown = ("-o", "out.mp4", *case.options)
    return {
        "label": case.label,
        "machine": describe_machine(),
        "command": f"mien run {Path(case.clip).name} {' '.join(shown)}",
        "clip": asdict(clip_facts(clip)) | {"name": Path(case.clip).name, "length_s": length_s},
        "exit_code": watched.code,
        "wall_s": watched.seconds,
        "frames": {state: n for state, n in account.get("frames", {}).items() if n},
        "peak_mb": watched.peak_mb,
        "samples": watched.samples,
    }


def watch(command: Sequence[str]) -> Watched:
    """Run a command to its end and note how much memory it holds meanwhile."""
    samples: list[tuple[float, float]] = []
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while True:
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
            seconds = round(time.perf_counter() - begin, 2)
            if done:
                break
            samples.append((seconds, _resident_mb(process.pid)))
            time.sleep(INTERVAL_S)
        process.returncode = os.waitstatus_to_exitcode(status)  # it was not Popen who waited
    peak_mb = round(usage.ru_maxrss * 1024 / 1e6, 1)  # Linux counts in KiB
    return Watched(process.returncode, seconds, samples, peak_mb)


def _resident_mb(process: int) -> float:
    """VmRSS; 0 once the process has given its memory back."""
    text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return round(int(fields.get("VmRSS", "0 kB").split()[0]) * 1024 / 1e6, 1)


def dumped(record: dict[str, object]) -> str:
    """JSON with a line a key: samples are many and small."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
