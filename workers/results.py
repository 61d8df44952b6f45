"""The numbers: one record an analysed frame, written beside the target and put in place whole."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from mien.contract.atomic import AtomicFile, check_target, writing
from mien.contract.errors import UsageError
from mien.contract.expressions import EXPRESSIONS
from workers.faces import FaceSnapshot, TrackedFace
from workers.results_table import (
    COLUMNS,
    Origin,
    Row,
    Table,
    box_cells,
    confidence_of,
    expression_of,
    lost_row,
    probability_cells,
    seconds,
    snapshot_rows,
)

SCHEMA_VERSION = 1


class Results(Protocol):
    """Takes the analysed frames of a stream in order."""

    def write(self, snapshot: FaceSnapshot) -> None: ...

    def lost(self, index: int, time_ns: int, reason: str) -> None:
        """A frame whose analysis was given up."""

    def finish(self, origin: Origin) -> None:
        """Put the file in place; `origin` says where the numbers come from.

        Raises:
            OutputError: it cannot be written.
        """

    def abort(self) -> None:
        """Leave nothing behind."""


def check_results(path: Path | None, *, overwrite: bool) -> None:
    """Refuse early what `open_results` would refuse.

    Raises:
        UsageError: the extension is unknown, the folder is missing, the file exists and must not
            be replaced, or Parquet is asked for without pyarrow.
    """
    if path is None:
        return
    if path.suffix.lower() not in _KINDS:
        raise UsageError(
            f"results cannot be written as '{path.name}': use one of {', '.join(_KINDS)}"
        )
    if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow, which mien's extra 'parquet' brings")
    check_target(path, overwrite)


def open_results(path: Path | None, *, overwrite: bool) -> Results:
    """The writer for a path, by its extension; without a path nothing is kept.

    Raises:
        UsageError: as `check_results`.
        OutputError: the file cannot be created.
    """
    if path is None:
        return NoResults()
    check_results(path, overwrite=overwrite)
    return _KINDS[path.suffix.lower()](AtomicFile(path, overwrite))


class NoResults:
    """For those who want the picture alone."""

    def write(self, snapshot: FaceSnapshot) -> None: ...

    def lost(self, index: int, time_ns: int, reason: str) -> None: ...

    def finish(self, origin: Origin) -> None: ...

    def abort(self) -> None: ...


class JsonLines:
    """One line an analysed frame, faces or none; the same numbers give the same bytes."""

    def __init__(self, file: AtomicFile) -> None:
        self._file = file
        with writing(file.path):
            self._out = file.partial.open("w", encoding="utf-8", newline="\n")

    def write(self, snapshot: FaceSnapshot) -> None:
        faces = [_face_record(face) for face in snapshot.found]
        self._line(snapshot.index, snapshot.time_ns, {"faces": faces})

    def lost(self, index: int, time_ns: int, reason: str) -> None:
        self._line(index, time_ns, {"faces": None, "reason": reason})

    def finish(self, origin: Origin) -> None:
        with writing(self._file.path):
            self._out.close()
        self._file.commit()

    def abort(self) -> None:
        self._file.abort()
        with suppress(OSError):  # what it still held has nowhere to go
            self._out.close()

    def _line(self, index: int, time_ns: int, rest: Mapping[str, object]) -> None:
        record = {"v": SCHEMA_VERSION, "frame": index, "time_s": seconds(time_ns), **rest}
        with writing(self._file.path):
            self._out.write(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n")


class CsvRows:
    """A row a face, under one line of column names."""

    def __init__(self, file: AtomicFile) -> None:
        self._file = file
        with writing(file.path):
            self._out = file.partial.open("w", encoding="utf-8", newline="")
            self._csv = csv.writer(self._out, lineterminator="\n")
            self._csv.writerow(COLUMNS)

    def write(self, snapshot: FaceSnapshot) -> None:
        self._add(snapshot_rows(snapshot))

    def lost(self, index: int, time_ns: int, reason: str) -> None:
        self._add([lost_row(index, time_ns, reason)])

    def finish(self, origin: Origin) -> None:
        with writing(self._file.path):
            self._out.close()
        self._file.commit()

    def abort(self) -> None:
        self._file.abort()
        with suppress(OSError):  # what it still held has nowhere to go
            self._out.close()

    def _add(self, rows: list[Row]) -> None:
        with writing(self._file.path):
            self._csv.writerows(rows)


class ParquetRows(Table):
    """As CSV, typed, with the origin in the file's metadata under the key 'mien'."""

    def __init__(self, file: AtomicFile) -> None:
        super().__init__()
        self._file = file

    def finish(self, origin: Origin) -> None:
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.Table.from_pandas(self.frame(), preserve_index=False)
        metadata = {**(table.schema.metadata or {}), b"mien": json.dumps(origin.about()).encode()}
        with writing(self._file.path):
            pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), self._file.partial)
        self._file.commit()

    def abort(self) -> None:
        self._file.abort()


_KINDS: dict[str, type[JsonLines | CsvRows | ParquetRows]] = {
    ".jsonl": JsonLines,
    ".csv": CsvRows,
    ".parquet": ParquetRows,
}


def _face_record(face: TrackedFace) -> dict[str, object]:
    return {
        "track": face.track,
        "box": box_cells(face),
        "confidence": confidence_of(face),
        "expression": expression_of(face),
        "shown": EXPRESSIONS[face.steady.shown],
        "probabilities": dict(zip(EXPRESSIONS, probability_cells(face), strict=True)),
    }
