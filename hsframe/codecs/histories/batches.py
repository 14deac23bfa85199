"""Columns of a history to Arrow record batches of one schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from hsframe.codecs.formats import NeedsExactParserError
from hsframe.codecs.histories.cells import ABSENT, boxed, column_of
from hsframe.codecs.histories.stamps import instant_us
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import CodecError
from hsframe.grid import Col, Grid
from hsframe.kinds import Ref
from hsframe.zones import haystack_name, zone, zone_key

_TYPES: Final = {"Number": pa.float64(), "Bool": pa.bool_(), "Str": pa.string()}
_SCHEMA: Final = {"hsframe": '{"version": 1}'}


class BatchMaker:
    """Makes batches; the first one decides their types. See :class:`~hsframe.codecs.histories.HistoryStream`."""

    def __init__(
        self, source: str, kinds: Mapping[str, str], units: Mapping[str, str | None], *, na_columns: bool
    ) -> None:
        self._source = source
        self._hints = {name: (kind, units.get(name)) for name, kind in kinds.items()}
        self._hints |= {name: ("Number", unit) for name, unit in units.items() if name not in kinds}
        self._na_columns = na_columns
        self._types: list[tuple[str, str | None]] = []
        self._seen: list[bool] = []
        self._tz = ""

    @property
    def is_open(self) -> bool:
        """Whether the types are not decided yet."""
        return not self._types

    def is_undecided(self, columns: Sequence[ArrowColumn]) -> bool:
        """Whether a column has no value yet, and no record says what it will hold."""
        return self.is_open and any(_is_silent(column) for column in columns[1:])

    def batch(self, grid: Grid, columns: Sequence[ArrowColumn]) -> pa.RecordBatch:
        """The batch of these columns; `grid` has the names and the tags.

        CodecError where a column changed its unit, its kind or the zone.
        """
        times = columns[0]
        assert isinstance(times, TimeColumn)
        first = not self._types
        if first:
            self._tz = times.tz
        elif zone(times.tz) is not zone(self._tz):
            raise self._changed("ts", f"the zone {self._tz}", f"the zone {times.tz}")
        stamp = pa.timestamp("us", tz=zone_key(self._tz))
        fields = [pa.field("ts", stamp, metadata={"hsframe:tz": self._tz})]
        arrays: list[pa.Array] = [times.values.cast(stamp)]
        for place, (col, column) in enumerate(zip(grid.cols[1:], columns[1:], strict=True)):
            kind, unit = self._decide(place, col.name, column, first)
            known = {"kind": kind, "unit": unit, "tz": self._tz, **_point(grid, col)}
            metadata = {f"hsframe:{name}": value for name, value in known.items() if value}
            fields.append(pa.field(col.name, _TYPES[kind], metadata=metadata))
            arrays.append(_values(column, kind))
            if self._na_columns:
                fields.append(pa.field(f"{col.name}.na", pa.bool_(), nullable=False))
                arrays.append(pa.array(np.zeros(len(column), bool)) if column.na is None else column.na)
        return pa.record_batch(arrays, pa.schema(fields, metadata=_SCHEMA))

    def _decide(self, place: int, name: str, column: ArrowColumn, first: bool) -> tuple[str, str | None]:
        """The kind and unit of a column: what it shows, what it showed before, what the records say."""
        silent = _is_silent(column)
        shown = (_kind(column), column.unit if isinstance(column, NumberColumn) else None)
        if first:
            self._types.append(self._hints.get(name, shown) if silent else shown)
            self._seen.append(not silent)
            return self._types[place]
        before = self._types[place]
        if silent or shown == before:
            return before
        if before[0] == "Number" and shown == ("Number", None) and not np.isfinite(column.values.to_numpy(False)).any():
            return before  # infinities have no unit
        if before == ("Number", None) and shown[0] == "Number" and not self._seen[place]:
            # Until now the column was double without a value that has a unit.
            self._types[place], self._seen[place] = shown, True
            return shown
        raise self._changed(name, _told(*before), _told(*shown))

    def _changed(self, name: str, before: str, now: str) -> CodecError:
        return CodecError(
            f"column {name!r} changes from {before} to {now}, and one Arrow column cannot hold both",
            expected="one kind, one unit and one zone per column; his_read keeps each value as it was written",
            source=self._source,
        )


def _told(kind: str, unit: str | None) -> str:
    return kind if kind != "Number" else f"numbers in {unit}" if unit else "numbers without a unit"


def _kind(column: ArrowColumn) -> str:
    return "Bool" if isinstance(column, BoolColumn) else "Str" if isinstance(column, StrColumn) else "Number"


def _is_silent(column: ArrowColumn) -> bool:
    """Whether a column has no value yet; such a column is one of numbers."""
    return isinstance(column, NumberColumn) and column.values.null_count == len(column)


def _values(column: ArrowColumn, kind: str) -> pa.Array:
    if _kind(column) != kind:
        return pa.nulls(len(column), _TYPES[kind])
    return column.values.cast(pa.string()) if kind == "Str" else column.values


def _point(grid: Grid, col: Col) -> dict[str, str]:
    """The id and display name of a column's point: its own tag ``id``, or the grid's."""
    ref = col.meta.get("id", grid.meta.get("id"))
    return {"id": ref.val, "dis": ref.dis or ""} if isinstance(ref, Ref) else {}


def columns_of_grid(grid: Grid, source: str) -> list[ArrowColumn]:
    """Arrow columns for a grid of Python objects.

    CodecError where it is not a history, or a column holds several units or kinds.
    """
    if len(grid.cols) < 2 or grid.cols[0].name != "ts":
        raise CodecError(
            f"this answer is not a history: its columns are {', '.join(grid.col_names) or '(none)'}",
            expected="a column ts and one column per point",
            source=source,
        )
    if not len(grid):
        return []
    label = getattr(grid.columns[0][0], "tzinfo", None)
    instants = [instant_us(time, label) for time in grid.columns[0]] if isinstance(label, ZoneInfo) else [None]
    if None in instants:
        row = instants.index(None)
        raise CodecError(
            f"row {row} has no timestamp in the zone of the others: {grid.columns[0][row]!r}",
            expected="timestamps of one zone; his_read keeps each value as it was written",
            source=source,
        )
    assert label is not None
    columns: list[ArrowColumn] = [TimeColumn(pa.array(instants, pa.int64()), haystack_name(label))]
    for col, cells in zip(grid.cols[1:], grid.columns[1:], strict=True):
        values: list[Any] = [None]
        numbers = np.empty(len(cells), np.int64)
        for row, cell in enumerate(cells):
            numbers[row] = ABSENT if cell is None else len(values)
            if cell is not None:
                values.append(cell)
        try:
            columns.append(column_of(boxed(numbers), values, None))
        except NeedsExactParserError:
            raise CodecError(
                f"column {col.name!r} holds several units or kinds, and one Arrow column cannot hold them",
                expected="one kind and one unit; his_read keeps each value as it was written",
                source=source,
            ) from None
    return columns
