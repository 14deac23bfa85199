"""The histories in the answer of a hisRead: for each point its instants and its values, as they came.

Single answers, batches, and the old forms of batches become the same thing, :class:`History`. Nothing is sorted,
joined or copied here; :mod:`hsframe.frame.trend` makes frames of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from hsframe.arrays import Instants, Places
from hsframe.columns import ArrowColumn, TimeColumn
from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.points import Point
from hsframe.grid import Col, Grid
from hsframe.kinds import Ref
from hsframe.spans import epoch_us
from hsframe.zones import haystack_name

NAT_US: Final = int(np.iinfo(np.int64).min)
"""No instant: what NumPy and pandas take for ``NaT``."""

_VALUE: Final = re.compile(r"val|v\d+")


@dataclass(frozen=True, slots=True, eq=False)
class OverIntervals:
    """What values over intervals are, beside the values of a point.

    `point` is the point of the samples, and `ends_us` are the ends of the intervals. A point may have several such
    columns: `levels` has the names of the levels that tell them apart (``agg``, ``state``), each with what stands
    there; `agg` is the aggregation in any case. `dtype` is that of the column in a frame, where its values have it not
    by themselves. `spikes` is how many false readings of a meter were left out, and `doubtful_us` are the instants of
    those that may be false. `ended` is how many of the intervals were over at the present of the read, None for all.
    """

    point: Point
    ends_us: Instants
    levels: tuple[tuple[str, str], ...] = ()
    dtype: str | None = None
    spikes: int = 0
    doubtful_us: tuple[int, ...] = ()
    agg: str = ""
    ended: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The samples of one point in one answer: epoch microseconds, in the order of the answer, and as many cells.

    The cells are a column of a grid, Arrow-backed or a plain sequence of kinds. The histories of one batch share one
    array of instants, and are `sparse`: null means 'no sample' there, because a batch is an outer join on time.
    Values over intervals have `over`, and their instants are the starts of the intervals. `span_us` is the span of the
    read, half-open and not beyond its present, of which no sample is missing.
    """

    point: Point
    ts_us: Instants
    values: Sequence[Any]
    sparse: bool = False
    over: OverIntervals | None = None
    span_us: tuple[int, int] | None = None

    def clip(self, start_us: int | None, end_us: int | None) -> History:
        """The samples in the half-open window [start, end), in the same order; None is open."""
        ts = self.ts_us
        if bool(np.all(ts[1:] >= ts[:-1])):
            first = 0 if start_us is None else int(np.searchsorted(ts, start_us, side="left"))
            last = len(ts) if end_us is None else int(np.searchsorted(ts, end_us, side="left"))
            if first == 0 and last == len(ts):
                return self
            return History(self.point, ts[first:last], self.values[first : max(first, last)], self.sparse)
        inside = (ts >= (NAT_US if start_us is None else start_us)) & (True if end_us is None else ts < end_us)
        values = self.values
        if isinstance(values, ArrowColumn):
            na = None if values.na is None else values.na.filter(inside)
            values = values.sliced(values.values.filter(inside), na)
        else:
            values = [values[place] for place in np.flatnonzero(inside).tolist()]
        return History(self.point, ts[inside], values, self.sparse)


def or_nat(instants: Iterable[int | None]) -> Instants:
    """Instants of which some are not known."""
    return np.array([NAT_US if us is None else us for us in instants], np.int64)


def union_of(times: Iterable[Instants]) -> Instants:
    """All instants of several increasing arrays, once each and in order: the rows of a batch or of a frame."""
    parts = list({id(part): part for part in times}.values())
    if len(parts) == 1:
        return parts[0]
    # Of ordered runs it is a merge, three times as fast as np.unique.
    ts_us = np.sort(np.concatenate([np.empty(0, np.int64), *parts]), kind="stable")
    union: Instants = ts_us[np.diff(ts_us, prepend=ts_us[:1] - 1) != 0]
    return union


def places_in(union: Instants, ts_us: Instants) -> Places | None:
    """For each instant of the union its place in `ts_us`, -1 where it is not there; None where both are equal."""
    if len(union) == len(ts_us):
        return None
    places = np.full(len(union), -1, dtype=np.intp)
    places[np.searchsorted(union, ts_us)] = np.arange(len(ts_us), dtype=np.intp)
    return places


def is_history(grid: Grid) -> bool:
    """Whether a grid is the answer of a hisRead, single or batch, or is shaped like one.

    Its first column is ``ts``, with DateTimes in it, and the others are ``val``, ``v0``, ``v1``, ..., or have an
    ``id`` in their meta; or the grid's meta has ``hisStart``.
    """
    if not grid.cols or grid.cols[0].name != "ts" or len(grid.cols) < 2:
        return False
    named = all(_VALUE.fullmatch(col.name) or col.meta.get("id") is not None for col in grid.cols[1:])
    times = grid.columns[0]
    return (named or grid.meta.get("hisStart") is not None) and (
        isinstance(times, TimeColumn) or all(isinstance(cell, datetime) for cell in times)
    )


def grid_histories(
    grid: Grid, points: Mapping[str, Point] | None = None, *, ids: Sequence[str] | None = None
) -> list[History]:
    """The histories in the answer of a hisRead, in the order of its columns.

    The answer is a single one (meta ``id``, columns ``ts``, ``val``), a batch (an ``id`` in the meta of each column),
    or an old batch (``id0``, ``id1``, ... in the grid's meta). `points` are those that are known, by id; of others only
    what the grid tells is known. `ids` are those that were asked for, in order: for columns without an id in the
    answer. A column whose id is not known has a point with an empty id.

    MetadataError for a row without a timestamp, or where there is no column ``ts``; ZoneError for a timestamp without a
    zone.
    """
    known = points or {}
    if not grid.cols:
        # Some servers answer so where there are no samples.
        asked = list(ids) if ids else [ref.val for ref in [grid.meta.get("id")] if isinstance(ref, Ref)]
        return [History(known.get(ident, Point(ident, ident)), np.empty(0, np.int64), ()) for ident in asked]
    times = grid.column("ts")
    ts_us = _instants(times)
    tz = _zone_name(times, grid)
    value_cols = [(col, column) for col, column in zip(grid.cols, grid.columns, strict=True) if col.name != "ts"]
    single = len(value_cols) == 1 and value_cols[0][0].name == "val"
    return [
        History(_point_of(grid, col, place, known, ids, tz), ts_us, column, sparse=not single)
        for place, (col, column) in enumerate(value_cols)
    ]


def _point_of(
    grid: Grid, col: Col, place: int, known: Mapping[str, Point], ids: Sequence[str] | None, tz: str | None
) -> Point:
    candidates = [col.meta.get("id"), grid.meta.get(f"id{place}"), grid.meta.get("id") if place == 0 else None]
    ref = next((value for value in candidates if isinstance(value, Ref)), None)
    ident = ref.val if ref is not None else ids[place] if ids is not None and place < len(ids) else ""
    if ident in known:
        return known[ident]
    dis = (ref.dis if ref is not None else None) or col.meta.get("dis") or ident or col.name
    unit = col.meta.get("unit")
    return Point(ident, str(dis), unit if isinstance(unit, str) else None, tz)


def _zone_name(times: Sequence[Any], grid: Grid) -> str | None:
    if isinstance(times, TimeColumn):
        return times.tz
    first = times[0] if len(times) else grid.meta.get("hisStart")
    return haystack_name(first.tzinfo) if isinstance(first, datetime) and first.tzinfo is not None else None


def _instants(times: Sequence[Any]) -> Instants:
    if isinstance(times, TimeColumn) and times.values.null_count == 0:
        found: Instants = times.values.to_numpy(zero_copy_only=False)
        return found
    for row, cell in enumerate(times):
        if not isinstance(cell, datetime) or cell.utcoffset() is None:
            error = ZoneError if isinstance(cell, datetime | date) else MetadataError
            raise error(
                f"row {row} of the history has {cell!r} in column 'ts'; expected a DateTime with a zone in each row"
            )
    return np.array([epoch_us(cell) for cell in times], dtype=np.int64)
