"""Reads a written video back, before it gets its final name."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from mien.contract.errors import OutputError
from mien.contract.frames import SECOND_NS

_ROUNDED_NS = 2_000_000
"""A container's own ticks, of up to a millisecond, move start and end by so much at most."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a written video has to hold."""

    frames: int
    duration_ns: int
    """From the first picture's start to the last one's end."""
    longest_frame_ns: int
    """How far the duration may be off: some containers do not say how long the last one lasts."""
    audio_streams: int
    """Those with any sound; silent ones may be there or not."""


def verify_video(partial: Path, path: Path, expected: Expected) -> None:
    """Demux all of it (nothing is decoded) and compare.

    Args:
        partial: The file as it lies there.
        path: The name that the user knows.

    Raises:
        OutputError: It does not open or holds something else.
    """
    try:
        frames, duration_ns, audio_streams = _read(partial)
    except (OSError, IndexError, av.error.FFmpegError) as error:
        raise OutputError(f"{path} was written but cannot be read back") from error
    if frames != expected.frames:
        raise OutputError(f"{path} holds {frames} pictures instead of {expected.frames}")
    if abs(duration_ns - expected.duration_ns) > expected.longest_frame_ns + _ROUNDED_NS:
        lasts_s, wanted_s = duration_ns / SECOND_NS, expected.duration_ns / SECOND_NS
        raise OutputError(f"{path} lasts {lasts_s:.3f} s instead of {wanted_s:.3f} s")
    if audio_streams < expected.audio_streams:
        raise OutputError(
            f"{path} holds {audio_streams} audio streams instead of {expected.audio_streams}"
        )


def _read(path: Path) -> tuple[int, int, int]:
    with av.open(str(path)) as file:
        video = file.streams.video[0]
        frames = 0
        first: Fraction | None = None
        end = Fraction(0)
        for packet in file.demux(video):
            if not packet.size:
                continue  # the flush at the end, and the fillers in an .avi
            frames += 1
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None:
                continue
            start = stamp * packet.time_base
            first = start if first is None else min(first, start)
            end = max(end, start + (packet.duration or 0) * packet.time_base)
        length = end - first if first is not None else Fraction(0)
        return frames, round(length * SECOND_NS), len(file.streams.audio)
