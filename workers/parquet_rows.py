"""Results as Parquet. Whoever imports this needs pyarrow."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import suppress

import pyarrow
import pyarrow.parquet

from mien.contract.atomic import AtomicFile, writing
from workers.results_table import Origin, Row, Table

_GROUP_ROWS = 20_000
"""Rows that wait in memory, some 30 MB with what writing them takes; fewer make the file larger."""


class ParquetRows(Table):
    """As CSV, typed, with the origin in the file's metadata under the key 'mien'.

    Rows are written as they come, a row group at a time: memory does not grow with their number.
    """

    def __init__(self, file: AtomicFile, *, abstains: bool) -> None:
        super().__init__(abstains=abstains)
        self._file = file
        with writing(file.path):
            self._out = file.partial.open("wb")
        self._schema = self._typed().schema
        self._writer = pyarrow.parquet.ParquetWriter(self._out, self._schema)

    def finish(self, origin: Origin) -> None:
        self._write_group()
        with writing(self._file.path):
            self._writer.add_key_value_metadata(self._metadata(origin))
            self._writer.close()
            self._out.close()
        self._file.settle()

    def commit(self) -> None:
        self._file.commit()

    def abort(self) -> None:
        self._file.abort()
        with suppress(OSError):  # what they still held has nowhere to go
            self._writer.close()
        with suppress(OSError):
            self._out.close()

    def _add(self, rows: Sequence[Row]) -> None:
        super()._add(rows)
        if len(self._rows) >= _GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        with writing(self._file.path):
            self._writer.write_table(self._typed())
        self._rows.clear()

    def _metadata(self, origin: Origin) -> dict[str, bytes]:
        """Known at the end alone; Arrow reads its own copy of the schema, with what is there."""
        about = json.dumps(origin.about()).encode()
        schema = self._schema.with_metadata({**self._schema.metadata, b"mien": about})
        return {"mien": about, "ARROW:schema": base64.b64encode(schema.serialize())}

    def _typed(self) -> pyarrow.Table:
        return pyarrow.Table.from_pandas(self.frame(), preserve_index=False)
