"""How analyses a second grow with the number of analyzers, each of which takes a fixed time.

    python -m benchmarks.scaling [--frames 400] [--json OUT]

One stream offers small pictures, made beforehand, with 64 of them on their way; every analyzer is a
process and takes 20 ms a picture, one at a time. So all that is lost is the transport's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.server import own_server
from mien.contract.analyses import AnalysisImage, AnalysisSettings
from mien.contract.pictures import Colour, Picture
from mien.transport.ports import StreamPort
from mien.transport.redis import RedisTransport

PICTURE_S = 0.02
ON_THEIR_WAY = 64
SETTINGS = AnalysisSettings("mtcnn", 24.0, 0.9, "single", "0" * 64)


def images(count: int) -> list[AnalysisImage]:
    """Pictures of 320x180, which a decoder would have made."""
    pixels = np.random.default_rng(0).integers(0, 256, (270, 320), np.uint8)
    picture = Picture(pixels, 320, 180, Colour())
    return [AnalysisImage("scaling", index, picture, SETTINGS) for index in range(count)]


def analyses_per_s(port: StreamPort, work: list[AnalysisImage], warm_up: int) -> float:
    """Speed from the answer after `warm_up` to the last."""
    offered = answered = 0
    begin = 0.0
    while answered < len(work):
        while offered < len(work) and offered - answered < ON_THEIR_WAY:
            port.offer(work[offered])
            offered += 1
        before, answered = answered, answered + len(port.read(answered, 5.0))
        if before < warm_up <= answered:
            begin, warm_up = time.perf_counter(), answered
    return (len(work) - warm_up) / (time.perf_counter() - begin)


def measure(url: str, analyzers: int, frames: int) -> float:
    """Speed with so many analyzers; all are up before the clock starts."""
    command = [sys.executable, "-m", "benchmarks.fixed_analyzer", url, str(PICTURE_S)]
    processes = [subprocess.Popen(command) for _ in range(analyzers)]
    try:
        time.sleep(1.5 + 0.4 * analyzers)  # Python's start
        transport = RedisTransport(url)
        port = transport.stream("scaling", SETTINGS)
        speed = analyses_per_s(port, images(frames * analyzers), 20 * analyzers)
        port.close()
        transport.close()
        return speed
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=400, help="pictures for each analyzer")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for analyzers in (1, 2, 4, 8):
        with own_server() as url:  # a new one, which knows no earlier analyses
            found[analyzers] = measure(url, analyzers, arguments.frames)
        ideal = analyzers / PICTURE_S
        share = found[analyzers] / ideal
        print(f"{analyzers} analyzers {found[analyzers]:6.1f} frames/s, {share:.2f} of {ideal:.0f}")
    if arguments.json:
        record = {"machine": describe_machine(), "picture_s": PICTURE_S, "frames_per_s": found}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
