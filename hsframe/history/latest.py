"""The latest value of points, now or at instants: the last sample of each history, or the present value in the record.

There is one row per point. If the point has a history, the value is its last sample up to now, at the time `ts`. If it
has none, or no sample within reach, the value is the record's ``curVal``, whose time is not known. At an instant that
is asked for (`at`) it is the last sample at it or before, and never the ``curVal``; of an instant later than now a
forecast alone, which is a sample later than now. The column ``source`` says which of the two it is, and ``status`` how
far to trust it:

============ ============ =========================================================================================
`source`     `status`     the row
============ ============ =========================================================================================
``"his"``    ``"ok"``     the last sample, at `ts`, however old: `age` says how old
``"his"``    ``"NA"``     the last sample is NA (or ``"NaN"``): the value is missing, and older ones are not shown
``"cur"``    curStatus    the record's ``curVal``, and its ``curStatus``: ``"ok"``, ``"stale"``, ``"fault"``, ...;
                          ``"unknown"`` where the record has none; `ts` is missing
missing      ``"none"``   no sample within reach, and no present value
missing      ``"future"`` the instant is later than now, and there is no forecast for it
missing      ``"failed"`` it could not be read, and ``df.hs.catalog`` says why; a ``curVal`` does not stand in for it
============ ============ =========================================================================================

Numbers carry their unit, as those of ``curVal`` in the frame of ``read`` do: column ``value`` is ``unit[°F]`` where all
are in °F, float64 where none has a unit; of several units, and beside other kinds, it has Number objects, which compare
as they should. ``unit`` is the unit of each row. A point without the tag ``his`` has no history to ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, tzinfo
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from hsframe.durations import DAY_US
from hsframe.errors import HsFrameError, SpanError
from hsframe.frame.histories import History, or_nat
from hsframe.frame.in_units import Units, in_units, targets_in_units
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike
from hsframe.frame.reads import note_outcomes
from hsframe.frame.trend import index_zone_of, time_index
from hsframe.frame.values import null_mask, object_array, value_array
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord, find_records, with_zones
from hsframe.history.read import nearest_samples, read_histories, span_of
from hsframe.history.source import Source
from hsframe.history.unread import unread_of, warn_of_unread
from hsframe.kinds import NA, Number
from hsframe.spans import from_epoch_us
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype

# Instants that are no further apart are answered by one read of all the time between them, up to a month of it.
_TOGETHER_US: Final = 2 * DAY_US
_MOST_US: Final = 31 * DAY_US

At: TypeAlias = "str | date | Iterable[str | date]"
"""One instant or several: texts, dates (their midnight) or datetimes; naive ones are in each point's own zone."""


class Latest(NamedTuple):
    """The latest value of a point; `cell` is as the server sent it, None if there is none.

    `age_us` is how old the sample was when the read began, by the clock of this machine, or at the instant `at_us` that
    was asked for; `reason` is why the read failed.
    """

    point: Point
    ts_us: int | None
    cell: Any
    source: str | None
    status: str
    age_us: int | None = None
    reason: str | None = None
    at_us: int | None = None


async def read_latest(
    source: Source, points: PointsLike, reach_us: int, options: ReadOptions, at: At | None = None
) -> list[Latest]:
    """The latest value of each point, in order; if `points` is a filter, also of points without a history.

    With `at` that of each point at each instant, and never the present value of its record. The last sample is searched
    up to `reach_us` back. Without `at`, samples of the future are forecasts and are ignored. Unknown ids have the last
    rows, where errors of single points are not raised.
    """
    failures = options.failures
    records = await find_records(source, points, tags=("point", "his"), failures=failures)
    unknown = [PointRecord(Point(ident, ident)) for ident in failures or ()]
    records = await with_zones(source, records)
    at = list(at) if isinstance(at, Iterator) else at
    at_us = {tz: _instants(at, tz, options) for tz in dict.fromkeys(one.tz for one in records) or ["UTC"]}
    historized = [record for record in records if record.tags.get("his")]
    samples = await _samples_at(source, historized, at_us, reach_us, options)
    failed = failures or {}
    spans = None if at is None else {tz: span_of(min(some), max(some) + 1) for tz, some in at_us.items() if some}
    unread = await unread_of(source, [record for record in historized if record.id not in failed], spans, options)
    warn_of_unread(unread, len(records) + len(unknown))
    lacks = {ident: one.reason for ident, one in unread.items()}
    found, now_us = [], options.now_us
    for one in [*records, *unknown]:
        for us in at_us.get(one.point.tz or "") or next(iter(at_us.values())):
            last, failure, reason = samples.get((one.id, us)), failed.get(one.id), lacks.get(one.id)
            found.append(_latest(one, last, failure, reason, us, now_us, is_now=at is None))
    return found


def _instants(at: At | None, tz: str, options: ReadOptions) -> list[int]:
    """The instants that are asked for in a zone, in microseconds, in order; None is now."""
    if at is None:
        return [options.now_us]
    found = []
    for one in at if isinstance(at, Iterable) and not isinstance(at, str) else [at]:
        # A span would round nanoseconds up, and a sample in between is after the instant.
        # Timestamp.floor goes by the wall clock, and refuses each hour that it repeats.
        is_stamp = isinstance(one, pd.Timestamp | np.datetime64) and not pd.isna(one)
        floored = pd.Timestamp(one).to_pydatetime(warn=False) if is_stamp else one
        try:
            if not isinstance(floored, str | date) or (isinstance(floored, str) and "," in floored):
                raise SpanError("it is several, or none")
            found.append(options.spans(floored, [tz])[tz].start_us)
        except SpanError as error:
            raise SpanError(
                f"at={one!r} is not an instant; expected '2026-11-01T08:00' or 'yesterday 08:00', which is in each "
                "point's own zone, '2026-11-01T08:00:00-05:00', '2026-11-01' or 'yesterday' for the midnight before "
                "it, '-2h', 'now', a date or datetime, or several of these"
            ) from error
    return found


async def _samples_at(
    source: Source,
    records: Sequence[PointRecord],
    at_us: Mapping[str, Sequence[int]],
    reach_us: int,
    options: ReadOptions,
) -> dict[tuple[str, int], History]:
    """By id and instant the last sample at it or before; none where it is not within reach."""
    found: dict[tuple[str, int], History] = {}
    parts = {tz: _together(some, min(_TOGETHER_US, 2 * reach_us)) for tz, some in at_us.items()}
    for place in range(max(map(len, parts.values()), default=0)):
        now = {tz: some[place] for tz, some in parts.items() if place < len(some)}
        own = [record for record in records if record.tz in now]
        befores = await nearest_samples(source, own, {tz: some[0] + 1 for tz, some in now.items()}, reach_us, options)
        samples: dict[str, list[History]] = {record.id: [] for record in own}
        for history in befores:
            samples[history.point.id] = [history]
        spans = {tz: span_of(some[0] + 1, some[-1] + 1) for tz, some in now.items() if len(some) > 1}
        for history in await read_histories(source, [one for one in own if one.tz in spans], spans, options):
            samples[history.point.id].append(history)
        for record in own:
            for us, last in zip(now[record.tz], _as_of(samples[record.id], now[record.tz]), strict=True):
                if last is not None and us - int(last.ts_us[0]) < reach_us:
                    found[record.id, us] = last
    return found


def _together(at_us: Iterable[int], gap_us: int) -> list[list[int]]:
    """Instants, each once and in order, in groups that are read together."""
    groups: list[list[int]] = []
    for us in sorted(set(at_us)):
        if groups and us - groups[-1][-1] <= gap_us and us - groups[-1][0] <= _MOST_US:
            groups[-1].append(us)
        else:
            groups.append([us])
    return groups


def _as_of(histories: Sequence[History], at_us: Sequence[int]) -> list[History | None]:
    """The last sample of some histories at each instant or before it; of two rows at one instant, the later row."""
    kept = [np.flatnonzero(~null_mask(one.values)) for one in histories]
    of = np.repeat(np.arange(len(histories)), [len(rows) for rows in kept])
    rows = np.concatenate([np.empty(0, np.int64), *kept])
    ts_us = np.concatenate([np.empty(0, np.int64), *(one.ts_us[own] for one, own in zip(histories, kept, strict=True))])
    order = np.argsort(ts_us, kind="stable")
    found: list[History | None] = [None] * len(at_us)
    for place, last in enumerate((np.searchsorted(ts_us[order], at_us, side="right") - 1).tolist()):
        if last >= 0:
            one, row = histories[int(of[order[last]])], int(rows[order[last]])
            found[place] = History(one.point, one.ts_us[row : row + 1], one.values[row : row + 1])
    return found


def _latest(
    record: PointRecord,
    last: History | None,
    failure: HsFrameError | None,
    reason: str | None,
    us: int,
    now_us: int,
    *,
    is_now: bool,
) -> Latest:
    at_us = None if is_now else us
    if failure is not None:
        return Latest(record.point, None, None, None, "failed", reason=str(failure), at_us=at_us)
    if us > now_us and (last is None or last.ts_us[0] <= now_us):
        reason = f"{from_epoch_us(us, UTC):%Y-%m-%dT%H:%MZ} is later than now, and there is no forecast for it"
        return Latest(record.point, None, None, None, "future", reason=reason, at_us=at_us)
    if last is not None:
        cell = last.values[0]
        is_nan = isinstance(cell, Number) and cell.val != cell.val
        status = "NA" if cell is NA else "NaN" if is_nan else "ok"
        ts_us = int(last.ts_us[0])
        return Latest(record.point, ts_us, cell, "his", status, us - ts_us, reason, at_us)
    value, cur_status = record.tags.get("curVal"), record.tags.get("curStatus")
    if value is None or not is_now:
        return Latest(record.point, None, None, None, "none", reason=reason, at_us=at_us)
    return Latest(record.point, None, value, "cur", "unknown" if cur_status is None else str(cur_status), reason=reason)


def latest_frame(
    rows: Sequence[Latest], *, units: Units = "native", tz: str | tzinfo = "point", with_at: bool = False
) -> pd.DataFrame:
    """The frame of the latest values; `units` and `tz` as for :func:`hsframe.frame.trend.trend_frame`.

    If the points are in several zones, the times are in UTC: they show it, and their age is the same in each. The
    catalog has the outcomes by id.
    """
    points = [row.point for row in rows]
    values: list[Any] = []
    symbols: list[str | None] = []
    labels = [point.dis or point.id for point in points]
    arrays = [value_array([[row.cell]], row.point.unit, row.point.kind) for row in rows]
    for array, label, target in zip(arrays, labels, targets_in_units(units, points, labels, arrays), strict=True):
        if target is not None:
            array = in_units(array, target, label)
        symbol = unit_of_dtype(array.dtype)
        missing = bool(pd.isna(array)[0])
        values.append(None if missing else float(array[0]) if symbol is not None else array.tolist()[0])
        symbols.append(symbol)
    index_zone = index_zone_of(points, tz, times=None)
    df = pd.DataFrame(
        {
            "id": pd.array([point.id for point in points], dtype="str"),
            "dis": pd.array([point.dis for point in points], dtype="str"),
            "ts": time_index(or_nat(row.ts_us for row in rows), index_zone, name=None),
            "age": or_nat(row.age_us for row in rows).view("timedelta64[us]"),
            "value": _values(values, symbols, points),
            "unit": pd.array(symbols, dtype="str"),
            "source": pd.array([row.source for row in rows], dtype="str"),
            "status": pd.array([row.status for row in rows], dtype="str"),
        }
    )
    if with_at:
        df.insert(2, "at", time_index(or_nat(row.at_us for row in rows), index_zone, name=None))
    outcomes: dict[str, dict[str, Any]] = {}
    for row in rows:
        count = int(row.source == "his") + (outcomes[row.point.id]["rows"] if row.point.id in outcomes else 0)
        status = "failed" if row.status == "failed" else "ok" if count else "empty"
        reason = outcomes.get(row.point.id, {}).get("reason") or row.reason
        outcomes[row.point.id] = {"id": row.point.id, "rows": count, "status": status, "reason": reason}
    note_outcomes(df, outcomes)
    return df


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
