"""The numbers: one record an analysed frame, in the form that the file's name asks for."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mien.contract.atomic import AtomicFile, check_target
from mien.contract.errors import UsageError
from mien.contract.expressions import EXPRESSIONS
from mien.contract.frames import Capture, Gap
from workers.continued import Continued, last_moment
from workers.faces import FaceSnapshot, TrackedFace
from workers.found_results import check_found, check_ours
from workers.line_files import GrowingFile, LineFile, WholeFile
from workers.results_port import Results
from workers.results_table import (
    SCHEMA_VERSION,
    Origin,
    Row,
    box_cells,
    cells,
    columns,
    confidence_of,
    expression_of,
    lost_row,
    probability_cells,
    seconds,
    snapshot_rows,
    utc,
)


def check_results(path: Path | None, *, overwrite: bool, live: bool | None = False) -> None:
    """Refuse early what `open_results` would refuse.

    live: None is not known yet; results of a live source go on where the last ones ended.

    Raises:
        UsageError: the extension is unknown or does not fit the source, the folder is missing, the
            file exists and must not be replaced, nor added to where a live source's results would
            be, or Parquet is asked for without pyarrow.
    """
    if path is None:
        return
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise UsageError(
            f"results cannot be written as '{path.name}': its ending is none of {' '.join(_KINDS)}"
        )
    if kind == ".parquet" and live:
        raise UsageError(
            "Parquet cannot be read before its end, and a live source has none: use .jsonl"
        )
    if kind == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow, which mien's extra 'parquet' brings")
    check_target(path, overwrite or live is not False)
    if live and not overwrite:
        check_found(path)


def open_results(
    path: Path | None, *, overwrite: bool, live: bool = False, abstains: bool = False
) -> Results:
    """The writer for a path, by its extension; without a path nothing is kept.

    live: lines are added to what is there, and can be read at once.
    abstains: faces are told to be uncertain or not; tables have a column for it.

    Raises:
        UsageError: as `check_results`, or what is there has other columns.
        OutputError: the file cannot be created.
    """
    if path is None:
        return NoResults()
    check_results(path, overwrite=overwrite, live=live)
    if path.suffix.lower() == ".parquet":
        from workers.parquet_rows import ParquetRows

        return ParquetRows(AtomicFile(path, overwrite), abstains=abstains)
    names = columns(live=live, abstains=abstains)
    if not live:
        whole = WholeFile(AtomicFile(path, overwrite))
        return JsonLines(whole) if path.suffix.lower() == ".jsonl" else CsvRows(whole, names)
    return _live_results(GrowingFile(path, overwrite=overwrite), path, names)


def _live_results(growing: GrowingFile, path: Path, names: Sequence[str]) -> Results:
    """Append to what is there; another program's file is left as it is."""
    is_csv = path.suffix.lower() == ".csv"
    try:
        check_ours(growing.found, path, [names])
        growing.drop_half_line()
        after = last_moment(growing.found.backwards(), names if is_csv else None)
        results = CsvRows(growing, names) if is_csv else JsonLines(growing)
    except BaseException:
        growing.abort()
        raise
    return results if after is None else Continued(results, after)


class NoResults:
    """For runs without a results file."""

    def write(self, snapshot: FaceSnapshot, capture: Capture | None = None) -> None: ...

    def lost(
        self, index: int, time_ns: int, reason: str, capture: Capture | None = None
    ) -> None: ...

    def outage(self, gap: Gap, length_ns: int) -> None: ...

    def finish(self, origin: Origin) -> None: ...

    def commit(self) -> None: ...

    def abort(self) -> None: ...


class _Lines:
    """Results that go to a file line by line."""

    def __init__(self, file: LineFile) -> None:
        self._file = file

    def finish(self, origin: Origin) -> None:
        self._file.finish()

    def commit(self) -> None:
        self._file.commit()

    def abort(self) -> None:
        self._file.abort()


class JsonLines(_Lines):
    """One line an analysed frame, faces or none; the same numbers give the same bytes."""

    def write(self, snapshot: FaceSnapshot, capture: Capture | None = None) -> None:
        faces = [_face_record(face) for face in snapshot.found]
        self._frame(snapshot.index, snapshot.time_ns, capture, {"faces": faces})

    def lost(self, index: int, time_ns: int, reason: str, capture: Capture | None = None) -> None:
        self._frame(index, time_ns, capture, {"faces": None, "reason": reason})

    def outage(self, gap: Gap, length_ns: int) -> None:
        self._line(
            {
                "event": "outage",
                "time_s": seconds(gap.since_ns),
                "length_s": seconds(length_ns),
                "utc": utc(gap.utc_ns),
                "epoch": gap.epoch,
            }
        )

    def _frame(
        self, index: int, time_ns: int, capture: Capture | None, rest: Mapping[str, object]
    ) -> None:
        self._line({"frame": index, "time_s": seconds(time_ns), **_moment(capture), **rest})

    def _line(self, fields: Mapping[str, object]) -> None:
        record = {"v": SCHEMA_VERSION, **fields}
        self._file.write(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n")


class CsvRows(_Lines):
    """A row a face, under one line of column names; with live columns, one an outage as well."""

    def __init__(self, file: LineFile, names: Sequence[str]) -> None:
        super().__init__(file)
        self._names = names
        self._csv = csv.writer(file, lineterminator="\n")
        if file.is_new:
            self._csv.writerow(names)

    def write(self, snapshot: FaceSnapshot, capture: Capture | None = None) -> None:
        self._add(snapshot_rows(snapshot), capture)

    def lost(self, index: int, time_ns: int, reason: str, capture: Capture | None = None) -> None:
        self._add([lost_row(index, time_ns, reason)], capture)

    def outage(self, gap: Gap, length_ns: int) -> None:
        row = {**lost_row(0, gap.since_ns, "outage"), "frame": None}
        row |= {"utc": utc(gap.utc_ns), "epoch": gap.epoch, "outage_s": seconds(length_ns)}
        self._csv.writerow(cells(row, self._names))

    def _add(self, rows: list[Row], capture: Capture | None) -> None:
        moment = _moment(capture)
        self._csv.writerows(cells({**row, **moment}, self._names) for row in rows)


_KINDS = (".jsonl", ".csv", ".parquet")


def _moment(capture: Capture | None) -> Row:
    """What only a camera's results say: when a frame came, and over which connection."""
    return {"utc": utc(capture.utc_ns), "epoch": capture.epoch} if capture else {}


def _face_record(face: TrackedFace) -> dict[str, object]:
    marks = {"uncertain": True} if face.uncertain else {}
    return {
        "track": face.track,
        "box": box_cells(face),
        "confidence": confidence_of(face),
        "expression": expression_of(face),
        "shown": EXPRESSIONS[face.steady.shown],
        **marks,
        "probabilities": dict(zip(EXPRESSIONS, probability_cells(face), strict=True)),
    }
