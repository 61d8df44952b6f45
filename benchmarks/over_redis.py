"""`mien run` beside the same clip as a job over Redis, with one analyzer, in turn on one machine.

    python -m benchmarks.over_redis CLIP [--rounds 3] [--json OUT]

Loading is counted for neither: both have done the clip once before.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.server import own_server
from benchmarks.throughput import Measurement
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.jobs.following import follow
from mien.jobs.queue import Jobs
from mien.pipelines import Pipelines

RATES: dict[str, Fraction | None] = {"default": Fraction(10), "--analyze-fps all": None}
WIRES = ("raw", "jpeg")


def job_fps(jobs: Jobs, clip: Path, folder: Path, rate: Fraction | None) -> float:
    """Frames a second of one job, from its attempt's begin to the file in place."""
    output = OutputSettings(folder / "job.mp4", fps=None, overwrite=True)
    request = RunRequest(str(clip), AnalysisRequest(analyze_fps=rate), (output,), overwrite=True)
    record = follow(jobs, jobs.submit(request).record.id, lambda record: None)
    if record.state != "finished" or record.started_s is None or record.ended_s is None:
        raise RuntimeError(f"the job {record.state}: {record.error}")
    return record.done / (record.ended_s - record.started_s)


def workers(url: str, wire: str) -> list[subprocess.Popen[bytes]]:
    """One stream worker and one analyzer."""
    environment = {**os.environ, "MIEN_REDIS_URL": url, "MIEN_WIRE": wire}
    mien = [sys.executable, "-m", "mien", "worker"]
    return [subprocess.Popen([*mien, kind], env=environment) for kind in ("stream", "analyzer")]


def measure(clip: Path, folder: Path, wire: str, rounds: int) -> dict[str, list[float]]:
    """Frames a second by what ran."""
    alone = Measurement(clip, folder, Pipelines(["default"], "cpu"), encoder=None)
    found: dict[str, list[float]] = {}
    with own_server() as url:
        processes = workers(url, wire)
        try:
            jobs = Jobs(url)
            alone.mien_fps(Fraction(1))
            job_fps(jobs, clip, folder, Fraction(1))
            for _ in range(rounds):
                for name, rate in RATES.items():
                    found.setdefault(f"mien run, {name}", []).append(alone.mien_fps(rate))
                    over = job_fps(jobs, clip, folder, rate)
                    found.setdefault(f"over Redis ({wire}), {name}", []).append(over)
        finally:
            for process in processes:
                process.kill()
                process.wait()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wire", choices=WIRES, default="raw")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.clip, Path(folder), arguments.wire, arguments.rounds)
    print(describe_machine())
    middle = {name: statistics.median(values) for name, values in found.items()}
    for name, fps in middle.items():
        print(f"{name:<40} {fps:6.1f} frames/s")
    for rate in RATES:
        share = middle[f"over Redis ({arguments.wire}), {rate}"] / middle[f"mien run, {rate}"]
        print(f"{rate}: {share:.2f} of mien run")
    if arguments.json:
        record = {
            "machine": describe_machine(),
            "clip": arguments.clip.name,
            "frames_per_s": found,
        }
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
