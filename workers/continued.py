"""Results of a camera that go on in a file which an earlier run or attempt has left."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mien.contract.frames import SECOND_NS, Capture, Gap
from workers.faces import FaceSnapshot
from workers.results_port import Results
from workers.results_table import SCHEMA_VERSION, Origin


@dataclass(frozen=True, slots=True)
class LastMoment:
    """Where a file of results ends."""

    frame: int
    """Index of its last frame."""
    time_ns: int
    """Time of the last moment in it."""
    utc_ns: int
    """The same moment since 1970."""
    epoch: int


def last_moment(lines: Iterable[str], names: Sequence[str] | None = None) -> LastMoment | None:
    """From the lines of a file, the last one first; None where they tell nothing of a camera.

    It reads no further than to the last line of a frame. names: of the columns of a CSV.
    """
    frame, end = None, None
    for line in lines:
        record = _record(line, names)
        try:
            if end is None and record.get("utc"):
                end = _end_of(record)
            if record.get("frame") not in (None, ""):
                frame = int(record["frame"])
                break
        except (KeyError, TypeError, ValueError):
            break
    return None if end is None else LastMoment(-1 if frame is None else frame, *end)


def is_camera_line(line: str) -> bool:
    """Whether a line of JSON is one of a camera's results; a file's own tell no time of day."""
    is_ours = _record(line, None).get("v") == SCHEMA_VERSION
    return is_ours and last_moment([line]) is not None


def _record(line: str, names: Sequence[str] | None) -> Mapping[str, Any]:
    """Of a line of JSON, or of a CSV with columns of these names."""
    if names is not None:
        return next(csv.DictReader(io.StringIO(line), names), {})
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _end_of(record: Mapping[str, Any]) -> tuple[int, int, int]:
    """Time, time since 1970 and epoch of the moment that a line ends at."""
    length_ns = round(float(record.get("length_s") or record.get("outage_s") or 0) * SECOND_NS)
    time_ns = round(float(record["time_s"]) * SECOND_NS) + length_ns
    milliseconds = round(datetime.fromisoformat(record["utc"]).timestamp() * 1000)
    return time_ns, milliseconds * 1_000_000 + length_ns, int(record["epoch"])


class Continued:
    """Continues frames, time and epochs from where the file ends; the time between is an outage.

    So time never runs backwards within a file. Tracks are counted anew, since it is not known who
    left and who stayed meanwhile.
    """

    def __init__(self, results: Results, after: LastMoment) -> None:
        self._results = results
        self._after = after
        self._shift_ns: int | None = None

    def write(self, snapshot: FaceSnapshot, capture: Capture | None = None) -> None:
        time_ns = self._later(snapshot.time_ns, capture)
        moved = replace(snapshot, index=self._index(snapshot.index), time_ns=time_ns)
        self._results.write(moved, self._epoch(capture))

    def lost(self, index: int, time_ns: int, reason: str, capture: Capture | None = None) -> None:
        time_ns = self._later(time_ns, capture)
        self._results.lost(self._index(index), time_ns, reason, self._epoch(capture))

    def outage(self, gap: Gap, length_ns: int) -> None:
        since_ns = self._later(gap.since_ns, Capture(gap.utc_ns, 0, gap.epoch))
        epoch = self._after.epoch + 1 + gap.epoch
        self._results.outage(replace(gap, since_ns=since_ns, epoch=epoch), length_ns)

    def finish(self, origin: Origin) -> None:
        self._results.finish(origin)

    def commit(self) -> None:
        self._results.commit()

    def abort(self) -> None:
        self._results.abort()

    def _index(self, index: int) -> int:
        return self._after.frame + 1 + index

    def _epoch(self, capture: Capture | None) -> Capture | None:
        return capture and replace(capture, epoch=self._after.epoch + 1 + capture.epoch)

    def _later(self, time_ns: int, capture: Capture | None) -> int:
        if self._shift_ns is None:
            away_ns = max((capture.utc_ns if capture else 0) - self._after.utc_ns, 1)
            self._shift_ns = self._after.time_ns + away_ns - time_ns
            after = self._after
            now_ns = after.time_ns + away_ns
            gap = Gap(now_ns, after.time_ns, after.utc_ns, after.epoch, over=True)
            self._results.outage(gap, away_ns)
        return time_ns + self._shift_ns
