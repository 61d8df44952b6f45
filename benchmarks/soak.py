"""Cameras watched for ten minutes or a night: latency, rate and memory from beginning to end.

    python -m benchmarks.soak CLIP                                   # one camera, real analyzer
    python -m benchmarks.soak CLIP --cameras 8 --size 320x180 --image-ms 5
    python -m benchmarks.soak CLIP --minutes 480 --outage-every 30 --results night.json

Everything is real and a process of its own, as `mien attach` has it: an RTSP server a camera that
plays CLIP, a Valkey server, one stream worker with as many jobs as cameras, one analyzer (with
--image-ms one that takes a fixed time a picture and finds nothing). With --outage-every the RTSP
servers are killed and started again five seconds later. The report says what became worse; the exit
code is 1 where something did.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import redis

from benchmarks.cameras import CameraServer, make_camera_clip
from benchmarks.machine import describe_machine
from benchmarks.server import own_server
from benchmarks.soak_report import report_lines, verdicts
from mien.jobs.queue import Jobs

MIEN = Path(sys.executable).with_name("mien")
SAMPLE_S = 5.0
AWAY_S = 5.0
KEEP_EVERY = 60
"""Samples between two writings of the result."""


@dataclass(slots=True)
class Soak:
    """What was measured, as it stands in the result's JSON."""

    machine: str
    about: dict[str, Any]
    memory_mb: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """By process and for the server: seconds from the start, and megabytes (10^6)."""
    cameras: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By job: what `mien status` said, with `at_s`."""
    outages_s: list[float] = field(default_factory=list)
    """When the cameras' server was there again, from the start."""
    ended: dict[str, str] = field(default_factory=dict)
    """By job: its last state."""
    played: dict[str, int] = field(default_factory=dict)
    """By recording: pictures that a player sees."""


def main() -> None:
    arguments = _arguments()
    about = vars(arguments) | {"clip": arguments.clip.name}
    del about["results"]
    soak = Soak(describe_machine(), about)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        width, height = map(int, arguments.size.split("x"))
        make_camera_clip(arguments.clip, folder, (width, height), arguments.fps)
        with own_server() as url, _workers(url, arguments) as pids, ExitStack() as stack:
            # a server for each: one for all falls silent now and then
            cameras = [stack.enter_context(CameraServer(folder)) for _ in range(arguments.cameras)]
            _watch(soak, arguments, url, cameras, pids, folder)
        for path in sorted(folder.glob("cam*-*.mkv")):
            soak.played[path.name] = _pictures(path)
    _keep(soak, arguments.results)
    for line in report_lines(asdict(soak)):
        print(line)
    sys.exit(any(verdicts(asdict(soak))))


def _keep(soak: Soak, results: Path | None) -> None:
    """As it stands: a night must not be lost to what happens in the morning."""
    if results:
        text = json.dumps(asdict(soak), separators=(",", ":")) + "\n"
        results.write_text(text, encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, help="what the cameras show")
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--size", default="640x360", metavar="WxH")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--image-ms", type=float, help="an analyzer of fixed time")
    parser.add_argument("--analyze-fps", default="10")
    parser.add_argument("--outage-every", type=float, metavar="MIN")
    parser.add_argument("--results", type=Path, metavar="OUT.json")
    return parser.parse_args()


@contextmanager
def _workers(url: str, arguments: argparse.Namespace) -> Iterator[dict[str, int]]:
    """An analyzer and a stream worker: their processes by name."""
    analyzer = [str(MIEN), "worker", "analyzer", "--redis-url", url]
    if arguments.image_ms is not None:
        seconds = str(arguments.image_ms / 1000)
        analyzer = [sys.executable, "-m", "benchmarks.fixed_analyzer", url, seconds]
    stream = [str(MIEN), "worker", "stream", "--redis-url", url, "-c", str(arguments.cameras)]
    started = [subprocess.Popen(command, stderr=subprocess.DEVNULL)
               for command in (analyzer, stream)]  # fmt: skip
    try:
        time.sleep(8)  # the networks are loaded
        yield {"analyzer": started[0].pid, "stream worker": started[1].pid}
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def _watch(
    soak: Soak, arguments: argparse.Namespace, url: str, cameras: Sequence[CameraServer],
    pids: dict[str, int], folder: Path,
) -> None:  # fmt: skip
    names = [f"cam{number}" for number in range(arguments.cameras)]
    for name, camera in zip(names, cameras, strict=True):
        command = [str(MIEN), "attach", camera.url, "-o", str(folder / f"{name}.mkv"), "--results",
                   str(folder / f"{name}.jsonl"), "--id", name, "--redis-url", url,
                   "--segment", "12h", "--analyze-fps", arguments.analyze_fps]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    client = redis.Redis.from_url(url, protocol=2)
    with Jobs(url) as jobs:
        begin = time.monotonic()
        end, outage = begin + 60 * arguments.minutes, _next_outage(arguments, begin)
        while time.monotonic() < end:
            time.sleep(SAMPLE_S)
            _sample(soak, time.monotonic() - begin, jobs, names, client, pids)
            if len(soak.memory_mb["server"]) % KEEP_EVERY == 0:
                _keep(soak, arguments.results)
            if time.monotonic() > outage:
                for camera in cameras:
                    camera.kill()
                time.sleep(AWAY_S)
                for camera in cameras:
                    camera.start()
                soak.outages_s.append(round(time.monotonic() - begin, 1))
                outage = _next_outage(arguments, time.monotonic())
        for name in names:
            jobs.cancel(name)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not all(jobs.find(name).over for name in names):
            time.sleep(0.5)
        soak.ended = {name: jobs.find(name).state for name in names}
    client.close()


def _next_outage(arguments: argparse.Namespace, now_s: float) -> float:
    every_min: float | None = arguments.outage_every
    return now_s + 60 * every_min if every_min else float("inf")


def _sample(
    soak: Soak, at_s: float, jobs: Jobs, names: Sequence[str], client: redis.Redis,
    pids: dict[str, int],
) -> None:  # fmt: skip
    at_s = round(at_s, 1)
    for name in names:
        record = jobs.find(name)
        live = {key: value for key, value in (record.live or {}).items() if key != "outputs"}
        soak.cameras.setdefault(name, []).append(
            {"at_s": at_s, "state": record.state, "frames": record.done, **live}
        )
    info: Any = client.info("memory")
    memory = {"server": info["used_memory"] / 1e6}
    for what, pid in pids.items():
        for process in _family(pid):
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended just now
                memory[what if process == pid else f"{what}, {process}"] = _resident_mb(process)
    for what, megabytes in memory.items():
        soak.memory_mb.setdefault(what, []).append((at_s, round(megabytes, 1)))


def _family(pid: int) -> list[int]:
    """A process and all its descendants, in the order of their birth."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(one for child in text.split() for one in _family(int(child)))]


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _pictures(path: Path) -> int:
    import av

    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


if __name__ == "__main__":
    main()
