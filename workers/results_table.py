"""Results as a table: a row a face, and one row for a frame without faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from mien.contract.expressions import EXPRESSIONS
from mien.contract.frames import Capture, Gap
from mien.contract.utc import utc_text
from workers.faces import FaceSnapshot, TrackedFace

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION = 1
"""Of a line of JSON."""

_FACE_COLUMNS = ("track", "x1", "y1", "x2", "y2", "confidence", "expression", "shown", *EXPRESSIONS)
_LIVE = ("utc", "epoch", "outage_s")

Cell = int | float | str | None
Row = dict[str, Cell]
"""Cells by their columns; those that are not there are empty."""

_DTYPES = {
    "frame": "int64",
    "time_s": "float64",
    "track": "Int64",
    "expression": "string",
    "shown": "string",
    "uncertain": "boolean",
    "reason": "string",
} | dict.fromkeys(("x1", "y1", "x2", "y2", "confidence", *EXPRESSIONS), "Float64")


class Origin(Protocol):
    """Where numbers come from; asked only where a file stores it, since it reads the source."""

    def about(self) -> Mapping[str, object]: ...


def columns(*, live: bool = False, abstains: bool = False) -> tuple[str, ...]:
    """Names in order. live: with a camera's. abstains: with `uncertain`."""
    doubt = ("uncertain",) if abstains else ()
    return ("frame", "time_s", *_FACE_COLUMNS, *doubt, "reason", *(_LIVE if live else ()))


def cells(row: Row, names: Sequence[str]) -> tuple[Cell, ...]:
    """The row's cells in the order of the columns."""
    return tuple(map(row.get, names))


def seconds(time_ns: int) -> float:
    """Seconds in 6 decimals, as all results state them."""
    return round(time_ns / 1e9, 6)


def utc(time_ns: int) -> str:
    """Wall-clock time since 1970 as ISO 8601 with milliseconds."""
    return utc_text(time_ns // 1_000_000 / 1000)


def snapshot_rows(snapshot: FaceSnapshot) -> list[Row]:
    """The rows of an analysed frame: one a face, or one without."""
    place: Row = {"frame": snapshot.index, "time_s": seconds(snapshot.time_ns)}
    return [{**place, **_face_cells(face)} for face in snapshot.found] or [place]


def lost_row(index: int, time_ns: int, reason: str) -> Row:
    """The row of a frame whose analysis was given up."""
    return {"frame": index, "time_s": seconds(time_ns), "reason": reason}


def box_cells(face: TrackedFace) -> list[float]:
    """x1, y1, x2, y2 in source pixels, one decimal."""
    return [round(float(side), 1) for side in face.box]


def probability_cells(face: TrackedFace) -> list[float]:
    """In the order of EXPRESSIONS, four decimals."""
    return [round(float(p), 4) for p in face.probabilities]


def expression_of(face: TrackedFace) -> str:
    """The likeliest expression of this frame alone."""
    return EXPRESSIONS[int(face.probabilities.argmax())]


def confidence_of(face: TrackedFace) -> float | None:
    """The detector's, four decimals; None where it has none."""
    return None if face.confidence is None else round(face.confidence, 4)


def _face_cells(face: TrackedFace) -> Row:
    known: tuple[Cell, ...] = (
        face.track,
        *box_cells(face),
        confidence_of(face),
        expression_of(face),
        EXPRESSIONS[face.steady.shown],
        *probability_cells(face),
    )
    row = dict(zip(_FACE_COLUMNS, known, strict=True))
    return row if face.uncertain is None else {**row, "uncertain": face.uncertain}


class Table:
    """Collects the rows of a stream for a DataFrame; grows with the number of faces."""

    def __init__(self, *, abstains: bool = False) -> None:
        """abstains: with the column `uncertain`."""
        self._columns = columns(abstains=abstains)
        self._rows: list[tuple[Cell, ...]] = []

    def write(self, snapshot: FaceSnapshot, capture: Capture | None = None) -> None:
        self._add(snapshot_rows(snapshot))

    def lost(self, index: int, time_ns: int, reason: str, capture: Capture | None = None) -> None:
        self._add([lost_row(index, time_ns, reason)])

    def outage(self, gap: Gap, length_ns: int) -> None:
        """It has no row: a table is of frames."""

    def finish(self, origin: Origin) -> None:
        """Nothing is written."""

    def commit(self) -> None:
        """Nothing was written."""

    def abort(self) -> None:
        """Nothing was written."""

    def frame(self) -> pandas.DataFrame:
        """The rows so far, with types that keep empty cells empty."""
        import pandas

        names = list(self._columns)
        table = pandas.DataFrame(self._rows, columns=names)
        return table.astype({name: _DTYPES[name] for name in names})

    def _add(self, rows: Sequence[Row]) -> None:
        self._rows += [cells(row, self._columns) for row in rows]
