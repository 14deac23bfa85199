"""Samples of an archive as histories, and histories as samples: :mod:`hsframe.frame.tidy` says what a row is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hsframe.archive.delta import SampleTable
from hsframe.archive.layout import ROWS_SCHEMA
from hsframe.archive.parquet_file import END_US, START_US, instants, runs_of
from hsframe.archive.samples import read_samples
from hsframe.codecs.zinc import parse_value
from hsframe.columns import BoolColumn, NumberColumn, StrColumn
from hsframe.errors import CodecError
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.frame.tidy import OF_OTHER_KIND, texts_are_strs, tidy_table
from hsframe.frame.tracks import tracks_of
from hsframe.kinds import NA, Number


def rows_of(histories: Iterable[History]) -> pa.Table:
    """The samples of some points, sorted by id and ts; of several at one instant the last one."""
    histories = [replace(history, sparse=True) for history in histories]  # null is no sample, also of a single read
    points = {history.point.id: history.point for history in histories}  # a track takes its kind from values too
    tracks = [replace(one, point=points[one.point.id]) for one in tracks_of(histories, drop_null=True, flags=True)]
    table = tidy_table(tracks, [*points])
    return table.select(ROWS_SCHEMA.names).cast(ROWS_SCHEMA)


def read_histories(
    table: SampleTable, points: Sequence[Point], start_us: int | None, end_us: int | None, most: int | None = None
) -> list[History]:
    """The history of each point in a half-open window; IncompleteError where they have more than `most` samples."""
    window = START_US if start_us is None else start_us, END_US if end_us is None else end_us
    return histories_of(read_samples(table, [point.id for point in points], *window, most=most), points)


def histories_of(rows: pa.Table, points: Sequence[Point]) -> list[History]:
    """The history of each point in rows that are sorted by id and ts; empty where it has none."""
    rows = rows.combine_chunks()
    ts_us, runs = instants(rows), {ident: slice(begin, end) for ident, begin, end in runs_of(rows)}
    own = [(point, runs.get(point.id, slice(0, 0))) for point in points]
    return [
        History(point, ts_us[run], _values(rows.slice(run.start, run.stop - run.start), point)) for point, run in own
    ]


def _values(rows: pa.Table, point: Point) -> Sequence[Any]:
    value, text, unit = (rows.column(name).combine_chunks() for name in ("value", "text", "unit"))
    absent = pc.and_(value.is_null(), text.is_null())
    na = absent if pc.any(absent).as_py() else None
    # What stands beside NA means nothing, and one Python object a sample is many times slower.
    units = pc.unique(unit if na is None else unit.filter(pc.invert(na))).to_pylist() or [None]
    if len(units) == 1 and text.null_count == len(text):
        if units[0] == (None if point.kind == "Bool" else OF_OTHER_KIND):
            return BoolColumn(pc.not_equal(value, 0.0), na)
        return NumberColumn(value, units[0] or None, na)
    if len(units) == 1 and value.null_count == len(value) and (units[0] == OF_OTHER_KIND) != texts_are_strs(point.kind):
        return StrColumn(text, na)
    return [
        cell_of(*cell, point.kind) for cell in zip(value.to_pylist(), text.to_pylist(), unit.to_pylist(), strict=True)
    ]


def cell_of(value: float | None, text: str | None, unit: str | None, kind: str | None) -> Any:
    """The value that a row has, of a point of some kind."""
    if text is not None:
        if (unit == OF_OTHER_KIND) != texts_are_strs(kind):
            return text
        try:
            return parse_value(text)
        except CodecError:  # another program wrote it
            return text
    if value is None:
        return NA
    return bool(value) if unit == (None if kind == "Bool" else OF_OTHER_KIND) else Number(value, unit or None)
