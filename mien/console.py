"""What a person sees of a run: progress while it lasts, and a small table at its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from mien.contract.text import printable
from mien.standard_streams import say

if TYPE_CHECKING:
    from mien.contract.frames import SourceInfo
    from mien.contract.stage import Progress
    from mien.jobs.record import JobRecord
    from mien.stream import Outcome
    from workers.summary import TrackSummary

LINE_EVERY_S = 10.0
"""How often a line is written where there is no terminal."""

MOST_TRACKS = 12
"""Faces in the table; the longest seen come first, the rest is counted."""

GLIMPSE_NS = 200_000_000
"""What was seen for a shorter time is not listed: it is a glimpse, or was no face."""

Tell = Callable[["SourceInfo", "Progress"], None]


class Console:
    """Writes progress to standard error and the summary to standard output."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    @contextmanager
    def progress(self) -> Iterator[Tell | None]:
        """A function to be told how far the run is, or None where nobody wants to know."""
        if self._quiet:
            yield None
        elif sys.stderr.isatty():
            begin = time.monotonic()
            with _bar("opening") as move:
                yield lambda info, progress: move(
                    total=info.frame_count,
                    completed=progress.frames,
                    description=printable(state_line(info, progress, time.monotonic() - begin)),
                )
        else:
            yield _lines()

    @contextmanager
    def job_progress(self) -> Iterator[Callable[[JobRecord], None]]:
        """A function to be told how far a job elsewhere is."""
        if self._quiet:
            yield lambda record: None
        elif sys.stderr.isatty():
            with _bar("queued") as move:
                yield lambda record: move(
                    total=record.total,
                    completed=record.done,
                    description=printable(job_line(record)),
                )
        else:
            yield _job_lines()

    def summary(self, outcome: Outcome) -> None:
        """Which face showed what for how long, where the files are, how fast it went."""
        if self._quiet:
            return
        for line in summary_lines(outcome):
            say(line)


def state_line(info: SourceInfo, progress: Progress, passed_s: float) -> str:
    """'frame 240/472 · 1.8x real time · 3 s left · 240 detections'."""
    if progress.stopping:
        return "stopping ..."
    if not progress.frames:
        return "loading the networks"
    if progress.live is not None:
        return f"{_live(progress.frames, progress.live.as_dict())} · {progress.faces} detections"
    total = f"/{info.frame_count}" if info.frame_count else ""
    parts = [f"frame {progress.frames}{total}"]
    if progress.position_ns and passed_s > 0:
        speed = progress.position_ns / 1e9 / passed_s
        parts.append(f"{speed:.1f}x real time")
        if info.duration_ns and info.duration_ns > progress.position_ns:
            left_s = (info.duration_ns - progress.position_ns) / 1e9 / speed
            parts.append(f"{_span(left_s)} left")
    parts.append(f"{progress.faces} detections")
    return " · ".join(parts)


def job_line(record: JobRecord) -> str:
    """'running  frame 240/472 · 31.0 frames/s · 7.5 s left' or how the job has ended."""
    live = record.live or {}
    if record.state != "running":
        why = record.error or ("" if record.over else live.get("trouble"))
        for said in ("cancelled; ", "cancelled "):
            why = why and why.removeprefix(said)
        return f"{record.state}: {why}" if why else record.state
    if live:
        return f"running  {_live(record.done, live)}"
    total = f"/{record.total}" if record.total else ""
    parts = [f"frame {record.done}{total}"]
    if record.fps:
        parts.append(f"{record.fps} frames/s")
    if record.eta_s is not None:
        parts.append(f"{_span(record.eta_s)} left")
    return "running  " + " · ".join(parts)


def live_lines(record: JobRecord) -> list[str]:
    """What else there is to say of a camera's job: what it lost, and which outputs have trouble."""
    live = record.live or {}
    lines = []
    if live.get("drops"):
        drops = sorted(live["drops"].items(), key=lambda item: -item[1])
        lines.append("given up: " + ", ".join(f"{count} ({reason})" for reason, count in drops))
    names = {"outages": "outages", "reconnects": "reconnects", "size_changes": "changes of size"}
    if counts := [f"{name}: {live[key]}" for key, name in names.items() if live.get(key)]:
        lines.append(", ".join(counts))
    for output in live.get("outputs", []):
        if output["lost"] or not output["fine"]:
            state = "well again" if output["fine"] else f"in trouble: {output['reason']}"
            lines.append(f"{output['name']}: {state}, {sum(output['lost'].values())} pictures lost")
    return lines


def _live(frames: int, live: Mapping[str, Any]) -> str:
    """'frame 1500 · 25.0 frames/s · latency 0.11 s, p95 0.15 s · up 1:00 min'."""
    parts = [f"frame {frames}", f"{live['fps']:.1f} frames/s"]
    if live["latency_p50_s"] is not None:
        parts.append(f"latency {live['latency_p50_s']:.2f} s, p95 {live['latency_p95_s']:.2f} s")
    parts.append(f"up {_span(live['uptime_s'])}")
    if live.get("trouble"):
        parts.append(f"no picture: {live['trouble']}")
    return " · ".join(parts)


def summary_lines(outcome: Outcome) -> list[str]:
    """The summary as plain text."""
    lines = [*_track_lines(outcome), ""]
    for what, path in (
        *(("annotated", output.path) for output in outcome.outputs),
        ("results", outcome.results),
        ("report", outcome.report),
    ):
        if path is not None:
            lines.append(f"{what:<10} {path}")
    lines.append(f"{'took':<10} {_speed(outcome)}")
    notes = [note for output in outcome.outputs for note in output.notes]
    for output in outcome.outputs:
        notes += [f"sound: {what}" for what in output.audio if "transcoded" in what]
    if outcome.end.corrupt:
        notes.append(f"{outcome.end.corrupt} damaged packets gave no picture")
    if outcome.missing_ns:
        missing = _span(outcome.missing_ns / 1e9)
        notes.append(f"the file is damaged: about {missing} of it are missing")
    if outcome.end.reason not in ("end of file", "stopped"):
        notes.append(f"the source ended early: {outcome.end.reason}")
    return lines + [f"{'note':<10} {note}" for note in notes]


def _track_lines(outcome: Outcome) -> list[str]:
    if not outcome.tracks:
        return ["no face was found"]
    tracks = sorted(outcome.tracks, key=lambda t: (-t.shown_ns.total(), t.track))
    shown = [track for track in tracks if track.shown_ns.total() >= GLIMPSE_NS] or tracks
    if outcome.info.kind == "photo":
        shown = tracks
        lines = ["face  shows"]
        lines += [f"{t.track:>4}  {next(iter(t.shown_ns), '')}" for t in shown[:MOST_TRACKS]]
    else:
        lines = ["face  seen     showed"]
        lines += [_track_line(track) for track in shown[:MOST_TRACKS]]
    if hidden := len(tracks) - min(len(shown), MOST_TRACKS):
        lines.append(f"      and {hidden} more, seen for a shorter time")
    return lines


def _track_line(track: TrackSummary) -> str:
    span = _span(track.shown_ns.total() / 1e9)
    return f"{track.track:>4}  {span:<8} {_shares(track.shown_ns)}"


def _shares(shown_ns: dict[str, int]) -> str:
    parts = sorted(shown_ns.items(), key=lambda item: -item[1])
    lasting = [part for part in parts if part[1] >= GLIMPSE_NS] or parts[:1]
    return ", ".join(f"{name} {_span(ns / 1e9)}" for name, ns in lasting)


def _speed(outcome: Outcome) -> str:
    frames, wall_s = outcome.end.frame_count, max(outcome.seconds["wall"], 1e-3)
    if outcome.info.kind == "photo":
        return _span(wall_s)
    rate, speed = frames / wall_s, outcome.end.end_ns / 1e9 / wall_s
    return f"{_span(wall_s)} for {frames} frames: {rate:.1f} frames/s, {speed:.1f}x real time"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02} min"


def _lines() -> Tell:
    begin = last = time.monotonic()

    def tell(info: SourceInfo, progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            with suppress(OSError):  # nobody reads it; the run goes on
                say(state_line(info, progress, now - begin), err=True)

    return tell


def _job_lines() -> Callable[[JobRecord], None]:
    last, state = -LINE_EVERY_S, ""

    def tell(record: JobRecord) -> None:
        nonlocal last, state
        now = time.monotonic()
        if record.state != state or now - last >= LINE_EVERY_S:
            last, state = now, record.state
            with suppress(OSError):
                say(job_line(record), err=True)

    return tell


@contextmanager
def _bar(description: str) -> Iterator[Callable[..., None]]:
    """A bar on the terminal; gives what sets its `total`, `completed` and `description`."""
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as bar:
        yield partial(bar.update, bar.add_task(description, total=None))
