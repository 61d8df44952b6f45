"""What a soak's figures say: a line each, and what became worse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]

SETTLED_S = 60.0
"""Memory still grows in the first minute: networks, buffers and windows fill."""
GROWTH_MB = 10.0
"""Between the settled beginning and the end; less is the allocator's."""
SLOWER = 1.5
"""Latency of the last minute against the first whole one; less is the machine's."""
RARER = 0.9
"""Frames a second of the last minute against the first whole one."""
LOST = 0.01
"""Share of the pictures that decoder and encoder were too slow for."""
BACK_S = 15.0
"""From the server's return to a sample that sees pictures: ten seconds, and one sample."""


def report_lines(soak: Record) -> Iterator[str]:
    """The report as text."""
    yield soak["machine"]
    yield ", ".join(f"{name} {value}" for name, value in soak["about"].items() if value is not None)
    yield "camera  minute   frames/s  p50 s   p95 s   p99 s   given up"
    for name, samples in soak["cameras"].items():
        for label, sample in (("first", first_minute(samples)), ("last", samples[-1])):
            if sample["state"] != "running":
                yield f"{name:<7} {label:<8} {sample['state']}"
                continue
            yield (
                f"{name:<7} {label:<8} {sample['fps']:>8.2f}  {_figure(sample['latency_p50_s'])}"
                f"   {_figure(sample['latency_p95_s'])}   {_figure(sample['latency_p99_s'])}"
                f"   {sample['drops'] or 'nothing'}"
            )
    yield "memory            settled MB   last MB   most MB"
    for name, points in soak["memory_mb"].items():
        yield (
            f"{name:<17} {settled(points):>10.1f} {points[-1][1]:>9.1f} "
            f"{max(mb for _, mb in points):>9.1f}"
        )
    for back_s, seconds in zip(soak["outages_s"], returns(soak), strict=True):
        yield f"server back at {back_s:.0f} s; pictures again after at most {seconds:.0f} s"
    yield f"jobs {soak['ended']}, pictures in the recordings {soak['played']}"
    worse = list(verdicts(soak))
    yield from (f"WORSE: {line}" for line in worse)
    if not worse:
        yield "nothing became worse"


def verdicts(soak: Record) -> Iterator[str]:
    """What became worse, a sentence each."""
    for name, samples in soak["cameras"].items():
        first, last = first_minute(samples), samples[-1]
        if last["state"] != "running":
            yield f"{name} is {last['state']} at the end"
            continue
        yield from (f"{name}: {line}" for line in _slower(first, last))
        if share_lost(last) > LOST:
            yield f"{name}: {100 * share_lost(last):.1f} % of its pictures were not written"
    for name, points in soak["memory_mb"].items():
        if points[-1][1] > settled(points) + GROWTH_MB:
            yield f"{name} grew from {settled(points)} to {points[-1][1]} MB"
    for seconds in returns(soak):
        if seconds > BACK_S:
            yield f"a camera took {seconds:.0f} s to come back"


def _slower(first: Record, last: Record) -> Iterator[str]:
    """Of a camera that runs; one that wrote nothing in a minute has no latency of it."""
    before_s, after_s = first["latency_p95_s"], last["latency_p95_s"]
    for minute, p95_s in (("first", before_s), ("last", after_s)):
        if p95_s is None:
            yield f"no picture was written in its {minute} minute"
    if before_s is None or after_s is None:
        return
    if after_s > SLOWER * before_s + 0.05:
        yield f"p95 was {before_s} s and is {after_s} s"
    if last["fps"] < RARER * first["fps"]:
        yield f"{first['fps']} frames/s were written and are {last['fps']}"


def _figure(seconds: float | None) -> str:
    return f"{'none':>5}" if seconds is None else f"{seconds:.3f}"


def first_minute(samples: list[Record]) -> Record:
    """The last sample of the first minute with pictures; its figures are of that minute."""
    running = [sample for sample in samples if sample["state"] == "running"]
    if not running:
        return samples[-1]
    whole = [sample for sample in running if sample["at_s"] <= running[0]["at_s"] + SETTLED_S]
    return whole[-1]


def share_lost(sample: Record) -> float:
    """Of the pictures that came; analyses that were given up cost no picture."""
    lost: int = sum(sample["drops"].get(f"{what} behind", 0) for what in ("encoder", "decoder"))
    return lost / max(1, lost + sample["frames"])


def settled(points: list[tuple[float, float]]) -> float:
    """Megabytes a minute after the process was first seen."""
    return next((mb for at_s, mb in points if at_s >= points[0][0] + SETTLED_S), points[-1][1])


def returns(soak: Record) -> list[float]:
    """Seconds from each return of the server until every camera gave pictures, to a sample."""
    found = []
    for back_s in soak["outages_s"]:
        at_s = max(
            next(
                (s["at_s"] for s in samples if s["at_s"] >= back_s and not s.get("trouble")),
                float("inf"),
            )
            for samples in soak["cameras"].values()
        )
        found.append(at_s - back_s)
    return found
