"""`mien run` beside a naive loop over the same clip, in turn, in one process.

    python -m benchmarks.throughput CLIP [--rounds 3] [--naive-frames 60] [--json OUT]

Prints frames a second of each and the ratios; start-up and loading are counted for neither.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from fractions import Fraction
from pathlib import Path

from benchmarks import naive
from benchmarks.machine import describe_machine
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.embedded import run
from mien.pipelines import Pipelines

RATES: dict[str, Fraction | None] = {"--analyze-fps all": None, "default": Fraction(10)}


def mien_fps(clip: Path, folder: Path, rate: Fraction | None, pipelines: Pipelines) -> float:
    """Frames a second of one whole run, from the opened source to the file in place."""
    output = OutputSettings(folder / "mien.mp4", fps=None, overwrite=True)
    request = RunRequest(str(clip), AnalysisRequest(analyze_fps=rate), (output,), overwrite=True)
    outcome = run(request, pipelines=pipelines)
    return outcome.end.frame_count / outcome.seconds["wall"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--naive-frames", type=int, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pipelines = Pipelines(["default"], "cpu")
    found: dict[str, list[float]] = {"naive": [], **{name: [] for name in RATES}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mien_fps(arguments.clip, folder, Fraction(1), pipelines)  # loads
        for _ in range(arguments.rounds):
            frames, seconds = naive.annotate(
                arguments.clip, folder / "naive.mp4", arguments.naive_frames
            )
            found["naive"].append(frames / seconds)
            for label, rate in RATES.items():
                found[label].append(mien_fps(arguments.clip, folder, rate, pipelines))
    middle = {label: statistics.median(values) for label, values in found.items()}
    print(describe_machine())
    print(f"clip {arguments.clip.name}, median of {arguments.rounds}")
    for label, fps in middle.items():
        print(f"{label:<18} {fps:7.1f} frames/s   {fps / middle['naive']:5.1f} x naive")
    if arguments.json:
        record = {"machine": describe_machine(), "clip": arguments.clip.name, "frames_per_s": found}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
