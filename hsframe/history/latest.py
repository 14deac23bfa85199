"""The latest value of points: the last sample of each history, or the present value in the record.

There is one row per point. If the point has a history, the value is its last sample up to now, at the time `ts`. If it
has none, or no sample within reach, the value is the record's ``curVal``, whose time is not known. The column
``source`` says which of the two it is, and ``status`` how far to trust it:

============ ============ =========================================================================================
`source`     `status`     the row
============ ============ =========================================================================================
``"his"``    ``"ok"``     the last sample, at `ts`
``"his"``    ``"NA"``     the last sample is NA (or ``"NaN"``): the value is missing, and older ones are not shown
``"cur"``    curStatus    the record's ``curVal``, and its ``curStatus``: ``"ok"``, ``"stale"``, ``"fault"``, ...;
                          ``"unknown"`` where the record has none; `ts` is missing
missing      ``"none"``   no sample within reach, and no present value
missing      ``"failed"`` it could not be read, and ``df.hs.catalog`` says why; a ``curVal`` does not stand in for it
============ ============ =========================================================================================

Numbers carry their unit, as those of ``curVal`` in the frame of ``read`` do: column ``value`` is ``unit[°F]`` where all
are in °F, float64 where none has a unit; of several units, and beside other kinds, it has Number objects, which compare
as they should. ``unit`` is the unit of each row. A point without the tag ``his`` has no history to ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hsframe.errors import HsFrameError
from hsframe.frame.histories import NAT_US, History
from hsframe.frame.in_units import Units, in_units, targets_in_units
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike
from hsframe.frame.reads import note_outcomes
from hsframe.frame.trend import index_zone_of, time_index
from hsframe.frame.values import object_array, value_array
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord, find_records, with_zones
from hsframe.history.read import nearest_samples
from hsframe.history.source import Source
from hsframe.history.unread import unread_of, warn_of_unread
from hsframe.kinds import NA, Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype


class Latest(NamedTuple):
    """The latest value of a point; `cell` is as the server sent it, None if there is none.

    `age_us` is how old the sample was when the read began, by the clock of this machine, `reason` why the read failed.
    """

    point: Point
    ts_us: int | None
    cell: Any
    source: str | None
    status: str
    age_us: int | None = None
    reason: str | None = None


async def read_latest(source: Source, points: PointsLike, reach_us: int, options: ReadOptions) -> list[Latest]:
    """The latest value of each point, in order; if `points` is a filter, also of points without a history.

    The last sample is searched up to `reach_us` back. Samples of the future are forecasts and are ignored. Unknown ids
    have the last rows, where errors of single points are not raised.
    """
    failures = options.failures
    found = await find_records(source, points, tags=("point", "his"), failures=failures)
    unknown = [PointRecord(Point(ident, ident)) for ident in failures or ()]
    records = await with_zones(source, found)
    historized = [record for record in records if record.tags.get("his")]
    ends_us = {record.tz: options.now_us + 1 for record in historized}
    samples = await nearest_samples(source, historized, ends_us, reach_us, options)
    by_id = {history.point.id: history for history in samples}
    failed = failures or {}
    unread = await unread_of(source, [record for record in historized if record.id not in failed], None, options)
    warn_of_unread(unread, len(records) + len(unknown))
    lacks = {ident: one.reason for ident, one in unread.items()}
    return [
        _latest(one, by_id.get(one.id), failed.get(one.id), options.now_us, lacks.get(one.id))
        for one in [*records, *unknown]
    ]


def _latest(
    record: PointRecord, last: History | None, failure: HsFrameError | None, now_us: int, reason: str | None
) -> Latest:
    if failure is not None:
        return Latest(record.point, None, None, None, "failed", reason=str(failure))
    if last is not None:
        cell = last.values[0]
        is_nan = isinstance(cell, Number) and cell.val != cell.val
        status = "NA" if cell is NA else "NaN" if is_nan else "ok"
        ts_us = int(last.ts_us[0])
        return Latest(record.point, ts_us, cell, "his", status, now_us - ts_us, reason)
    value, cur_status = record.tags.get("curVal"), record.tags.get("curStatus")
    if value is None:
        return Latest(record.point, None, None, None, "none", reason=reason)
    return Latest(record.point, None, value, "cur", "unknown" if cur_status is None else str(cur_status), reason=reason)


def latest_frame(rows: Sequence[Latest], *, units: Units = "native", tz: str | tzinfo = "point") -> pd.DataFrame:
    """The frame of the latest values; `units` and `tz` as for :func:`hsframe.frame.trend.trend_frame`.

    If the points are in several zones, ``ts`` is in UTC, and a ZoneWarning says so. The catalog has the outcomes by id.
    """
    points = [row.point for row in rows]
    values: list[Any] = []
    symbols: list[str | None] = []
    for row, target in zip(rows, targets_in_units(units, points, [p.dis or p.id for p in points]), strict=True):
        array = value_array([[row.cell]], row.point.unit, row.point.kind)
        if target is not None:
            array = in_units(array, target, row.point.dis or row.point.id)
        symbol = unit_of_dtype(array.dtype)
        missing = bool(pd.isna(array)[0])
        values.append(None if missing else float(array[0]) if symbol is not None else array.tolist()[0])
        symbols.append(symbol)
    ts_us, age_us = (
        np.array([NAT_US if us is None else us for us in column], dtype=np.int64)
        for column in ([row.ts_us for row in rows], [row.age_us for row in rows])
    )
    df = pd.DataFrame(
        {
            "id": pd.array([point.id for point in points], dtype="str"),
            "dis": pd.array([point.dis for point in points], dtype="str"),
            "ts": time_index(ts_us, index_zone_of(points, tz, of_rows=True), name=None),
            "age": age_us.view("timedelta64[us]"),
            "value": _values(values, symbols, points),
            "unit": pd.array(symbols, dtype="str"),
            "source": pd.array([row.source for row in rows], dtype="str"),
            "status": pd.array([row.status for row in rows], dtype="str"),
        }
    )
    note_outcomes(df, {row.point.id: _outcome(row) for row in rows})
    return df


def _outcome(row: Latest) -> dict[str, Any]:
    status = "failed" if row.status == "failed" else "ok" if row.source == "his" else "empty"
    return {"id": row.point.id, "rows": int(status == "ok"), "status": status, "reason": row.reason}


def _values(values: Sequence[Any], symbols: Sequence[str | None], points: Sequence[Point]) -> Any:
    are_numbers = all(value is None or type(value) is float for value in values) and all(
        point.kind not in ("Bool", "Str") for point in points
    )
    units = {symbol for value, symbol in zip(values, symbols, strict=True) if value is not None} or set(symbols)
    if are_numbers and len(units) == 1:
        floats = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        (unit,) = units
        return floats if unit is None else UnitArray(floats, unit)
    cells = zip(values, symbols, strict=True)
    return object_array(Number(value, symbol) if symbol and value is not None else value for value, symbol in cells)
