"""`mien run` beside a naive loop over the same clips, in turn, in one process.

    python -m benchmarks.throughput CLIP... [--rounds 3] [--results FOLDER]
    python -m benchmarks.throughput meeting_720p.webm@1920x1080  # scaled first

Prints frames a second of each, and how that compares with real time and with the naive loop, which
looks at a face once or, as demos of networks for FER2013 do, at ten crops of it;
start-up and loading are counted for neither. The naive loop runs over clips of at most 480 lines,
for it takes very long over larger ones, or over all with --naive-lines.
Writes results/throughput_CLIP.json, where `benchmarks/charts.py` finds it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from benchmarks import naive
from benchmarks.clips import clip_facts, scaled
from benchmarks.machine import describe_machine
from mien.contract.outputs import OutputSettings
from mien.contract.requests import AnalysisRequest, RunRequest
from mien.embedded import run
from mien.pipelines import Pipelines

RESULTS = Path(__file__).parent / "results"
RATES: dict[str, Fraction | None] = {"--analyze-fps all": None, "default": Fraction(10)}

NAIVE = "naive"
NAIVE_TEN = "naive, ten crops"


@dataclass(frozen=True, slots=True)
class Record:
    """What a results file holds."""

    machine: str
    clip: str
    width: int
    height: int
    fps: float
    """Of the clip: frames a second that real time takes."""
    frames_per_s: dict[str, list[float]]
    """By what was measured, one figure a round."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Of one clip, with outputs in a folder."""

    clip: Path
    folder: Path
    pipelines: Pipelines
    encoder: str | None

    def record(self, rounds: int, naive_frames: int) -> Record:
        """All rounds; without `naive_frames` mien alone."""
        facts = clip_facts(self.clip)
        record = Record(describe_machine(), facts.name, facts.width, facts.height, facts.fps, {})
        self.mien_fps(Fraction(1))  # loads
        for _ in range(rounds):
            for label, ten_crops in ((NAIVE, False), (NAIVE_TEN, True)):
                if naive_frames:
                    target = self.folder / "naive.mp4"
                    frames, seconds = naive.annotate(
                        self.clip, target, naive_frames, ten_crops=ten_crops
                    )
                    record.frames_per_s.setdefault(label, []).append(frames / seconds)
            for label, rate in RATES.items():
                record.frames_per_s.setdefault(label, []).append(self.mien_fps(rate))
        return record

    def mien_fps(self, rate: Fraction | None) -> float:
        """Frames a second of one whole run, from the opened source to the file in place."""
        target = self.folder / "mien.mp4"
        output = OutputSettings(target, fps=None, encoder=self.encoder, overwrite=True)
        request = RunRequest(
            str(self.clip), AnalysisRequest(analyze_fps=rate), (output,), overwrite=True
        )
        outcome = run(request, pipelines=self.pipelines)
        return outcome.end.frame_count / outcome.seconds["wall"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", metavar="CLIP[@WIDTHxHEIGHT]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--naive-frames", type=int, default=60)
    parser.add_argument("--naive-lines", type=int, default=480)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    parser.add_argument("--device", default="cpu", help="cuda for the networks on a GPU")
    parser.add_argument("--encoder", metavar="NAME", help="such as h264_nvenc; x264 by default")
    arguments = parser.parse_args()
    pipelines = Pipelines(["default"], arguments.device)
    print(describe_machine())
    for name in arguments.clips:
        with tempfile.TemporaryDirectory(prefix="mien-throughput-") as folder:
            clip = wanted_clip(name, Path(folder))
            slow = clip_facts(clip).height > arguments.naive_lines
            naive_frames = 0 if slow else arguments.naive_frames
            measurement = Measurement(clip, Path(folder), pipelines, arguments.encoder)
            record = measurement.record(arguments.rounds, naive_frames)
        print_record(record)
        target = arguments.results / f"throughput_{clip.stem}.json"
        target.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")


def wanted_clip(name: str, folder: Path) -> Path:
    """The clip itself, or one made of it in `folder` where the name asks for another size."""
    path, _, size = name.partition("@")
    if not size:
        return Path(path)
    width, height = (int(side) for side in size.split("x"))
    target = folder / f"{Path(path).stem}_at_{height}p.mp4"
    scaled(Path(path), target, (width, height))
    return target


def print_record(record: Record) -> None:
    print(f"\n{record.clip}, {record.width}x{record.height}, {record.fps} frames/s")
    middle = {label: statistics.median(values) for label, values in record.frames_per_s.items()}
    for label, fps in middle.items():
        line = f"{label:<18} {fps:7.1f} frames/s   {fps / record.fps:5.2f} x real time"
        if NAIVE in middle:
            line += f"   {fps / middle[NAIVE]:5.1f} x naive"
            line += f"   {fps / middle[NAIVE_TEN]:5.1f} x naive, ten crops"
        print(line, flush=True)


if __name__ == "__main__":
    main()
