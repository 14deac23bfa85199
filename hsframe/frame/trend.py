"""Histories to frames: one index, one column a point.

An index is built once, from epoch microseconds in UTC; its zone is a label put on afterwards, so the hour that a
clock repeats and the hour that it skips cannot go wrong. What is already in order is neither sorted nor copied.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Literal, overload
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from hsframe.columns import ArrowColumn, TimeColumn
from hsframe.errors import MetadataError, ZoneError, ZoneWarning
from hsframe.frame.points import Point, attach, unique_labels
from hsframe.frame.values import count_differing, kind_of, null_mask, object_array, value_array
from hsframe.grid import Col, Grid
from hsframe.kinds import Number, Ref
from hsframe.zones import haystack_name, zone, zone_key

__all__ = ["Header", "History", "Shape", "grid_histories", "is_history", "time_index", "trend_frame"]

Header = Literal["dis", "id"] | Callable[[Point], str]
Shape = Literal["wide", "long", "dict"]
Instants = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What one request gave of one point.

    Parameters
    ----------
    point : Point
    ts_us : int64 ndarray
        Epoch microseconds, UTC, in the order of the answer. The histories of one batch share one array.
    values : sequence
        As many cells: a column of a grid, Arrow-backed or a plain sequence of kinds.
    sparse : bool
        Whether null means 'no sample', as in a batch, which is an outer join on time.
    """

    point: Point
    ts_us: Instants
    values: Sequence[Any]
    sparse: bool = False

    def clip(self, start_us: int | None, end_us: int | None) -> History:
        """The samples in the half-open window [start, end), in the same order; None is open."""
        ts = self.ts_us
        if bool(np.all(ts[1:] >= ts[:-1])):
            first = 0 if start_us is None else int(np.searchsorted(ts, start_us, side="left"))
            last = len(ts) if end_us is None else int(np.searchsorted(ts, end_us, side="left"))
            if first == 0 and last == len(ts):
                return self
            return History(self.point, ts[first:last], self.values[first : max(first, last)], self.sparse)
        inside = np.ones(len(ts), dtype=bool)
        if start_us is not None:
            inside &= ts >= start_us
        if end_us is not None:
            inside &= ts < end_us
        return History(self.point, ts[inside], _filtered(self.values, inside), self.sparse)


def _filtered(values: Sequence[Any], keep: npt.NDArray[np.bool_]) -> Sequence[Any]:
    if isinstance(values, ArrowColumn):
        na = None if values.na is None else values.na.filter(keep)
        return values._sliced(values.values.filter(keep), na)
    return [values[place] for place in np.flatnonzero(keep).tolist()]


# Grid -> histories -----------------------------------------------------------------------------------------------


def is_history(grid: Grid) -> bool:
    """Whether a grid is the answer of a hisRead, single or batch, or is shaped like one.

    Its first column is ``ts``, with DateTimes in it, and the others are ``val``, ``v0``, ``v1``, ..., or have an
    ``id`` in their meta; or the grid's meta has ``hisStart``.
    """
    if not grid.cols or grid.cols[0].name != "ts" or len(grid.cols) < 2:
        return False
    named = all(_is_value_name(col.name) or col.meta.get("id") is not None for col in grid.cols[1:])
    times = grid.columns[0]
    return (named or grid.meta.get("hisStart") is not None) and (
        isinstance(times, TimeColumn) or all(isinstance(cell, datetime) for cell in times)
    )


def _is_value_name(name: str) -> bool:
    return name == "val" or (name[0] == "v" and name[1:].isdigit())


def grid_histories(
    grid: Grid, points: Mapping[str, Point] | None = None, *, ids: Sequence[str] | None = None
) -> list[History]:
    """The histories in the answer of a hisRead.

    Parameters
    ----------
    grid : Grid
        Single (meta ``id``, columns ``ts``, ``val``), batch (an ``id`` in the meta of each column), or the old batch
        (``id0``, ``id1``, ... in the grid's meta).
    points : mapping of id to Point, optional
        What is known of the points; of others no more than the grid says.
    ids : sequence of str, optional
        The ids that were asked for, in order: for columns whose id the answer does not tell.

    Returns
    -------
    list of History
        In the order of the columns. A column that no id is known for has a point with an empty id.

    Raises
    ------
    MetadataError
        A row without a timestamp, or no column ``ts``.
    ZoneError
        A timestamp without a zone.
    """
    known = points or {}
    if not grid.cols:
        # How some servers say that there are no samples.
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
        values = times.values
        if hasattr(values, "combine_chunks"):
            values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
        found: Instants = values.to_numpy(zero_copy_only=False)
        return found
    if bad := next(((row, cell) for row, cell in enumerate(times) if not _is_instant(cell)), None):
        row, cell = bad
        error = ZoneError if isinstance(cell, datetime | date) else MetadataError
        raise error(
            f"row {row} of the history has {cell!r} in column 'ts'; expected a DateTime with a zone in each row"
        )
    # Subtracting goes by the offset, so the fold of a repeated hour counts.
    return np.array([(cell - _EPOCH) // _MICROSECOND for cell in times], dtype=np.int64)


def _is_instant(cell: object) -> bool:
    return isinstance(cell, datetime) and cell.utcoffset() is not None


# Histories -> frame ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Track:
    """The whole history of one point: instants strictly increasing."""

    point: Point
    ts_us: Instants
    array: Any
    differing: int


@overload
def trend_frame(
    histories: Iterable[History],
    *,
    header: Header = ...,
    shape: Literal["wide", "long"] = ...,
    tz: str | tzinfo = ...,
) -> pd.DataFrame: ...
@overload
def trend_frame(
    histories: Iterable[History], *, header: Header = ..., shape: Literal["dict"], tz: str | tzinfo = ...
) -> dict[str, pd.DataFrame]: ...
@overload
def trend_frame(
    histories: Iterable[History], *, header: Header = ..., shape: Shape, tz: str | tzinfo = ...
) -> pd.DataFrame | dict[str, pd.DataFrame]: ...
def trend_frame(
    histories: Iterable[History],
    *,
    header: Header = "dis",
    shape: Shape = "wide",
    tz: str | tzinfo = "point",
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """The frame of some histories.

    Several histories of one point are its windows, in order: of equal instants the last row wins, in one window as
    across them. How often the values differed stands in the catalog.

    Parameters
    ----------
    histories : iterable of History
        In the order that the columns shall have.
    header : {"dis", "id"} or callable
        How columns are named. ``"dis"``: the display name, with the id behind it where two are equal. A callable is
        given the :class:`~hsframe.frame.points.Point`, and its names are made unique in the same way.
    shape : {"wide", "long", "dict"}
        See Returns.
    tz : str or tzinfo
        The zone of the index: ``"point"`` is that of the points, else a Haystack name, an IANA id or a ``ZoneInfo``.

    Returns
    -------
    DataFrame or dict of str to DataFrame
        ``"wide"``: index ``ts``, ``datetime64[us, zone]``, strictly increasing, the union of all instants; a column
        a point (see :mod:`hsframe.frame.values` for dtypes). ``"long"``: columns ``ts``, ``id``, ``dis``, ``value``,
        a row a sample, point by point. ``"dict"``: label to the wide frame of that point alone, in its own zone.

    Raises
    ------
    MetadataError
        An unknown `header` or `shape`.
    ZoneError
        An unknown zone.

    Warns
    -----
    ZoneWarning
        Points of several zones in one index, which is UTC then.
    """
    if shape not in ("wide", "long", "dict"):
        raise MetadataError(f"shape={shape!r} is unknown; expected 'wide', 'long' or 'dict'")
    tracks = _tracks(histories, drop_null=shape != "wide")
    points = [track.point for track in tracks]
    labels = _labels(points, header)
    if shape == "dict":
        return {
            label: _wide([track], [label], _index_zone([track.point], tz))
            for label, track in zip(labels, tracks, strict=True)
        }
    index_zone = _index_zone(points, tz)
    return _wide(tracks, labels, index_zone) if shape == "wide" else _long(tracks, index_zone)


def _labels(points: Sequence[Point], header: Header) -> list[str]:
    if header == "dis":
        names = [point.dis or point.id for point in points]
    elif header == "id":
        names = [point.id or point.dis for point in points]
    elif callable(header):
        names = [header(point) for point in points]
        if bad := next(((p, name) for p, name in zip(points, names, strict=True) if not isinstance(name, str)), None):
            raise MetadataError(f"header gave {bad[1]!r} for {bad[0]}; expected a str")
    else:
        raise MetadataError(f"header={header!r} is unknown; expected 'dis', 'id' or a callable of a Point")
    return unique_labels(points, names)


def _tracks(histories: Iterable[History], *, drop_null: bool) -> list[_Track]:
    by_point: dict[object, list[History]] = {}
    for history in histories:
        # Columns without an id are each a point of their own.
        by_point.setdefault(history.point.id or id(history), []).append(history)
    # The points of a batch share their instants: look at them once.
    batches: dict[tuple[int, ...], list[list[History]]] = {}
    for parts in by_point.values():
        batches.setdefault(tuple(id(part.ts_us) for part in parts), []).append(parts)
    clocks = {key: _clock(batch, drop_null=drop_null) for key, batch in batches.items()}
    return [
        _track(parts, clocks[tuple(id(part.ts_us) for part in parts)], drop_null=drop_null)
        for parts in by_point.values()
    ]


@dataclass(frozen=True, slots=True)
class _Clock:
    """The instants of all points of a batch; `kept` are the rows that they were taken from, None for all."""

    ts_us: Instants
    increasing: bool
    kept: npt.NDArray[np.intp] | None = None


def _clock(batch: Sequence[Sequence[History]], *, drop_null: bool) -> _Clock:
    parts = batch[0]
    ts_us = parts[0].ts_us if len(parts) == 1 else np.concatenate([part.ts_us for part in parts])
    if not _increasing(ts_us):
        return _Clock(ts_us, increasing=False)
    if not drop_null and (absent := _rows_without_sample(batch)).any():
        kept = np.flatnonzero(~absent)
        return _Clock(ts_us[kept], increasing=True, kept=kept)
    return _Clock(ts_us, increasing=True)


def _rows_without_sample(batch: Sequence[Sequence[History]]) -> npt.NDArray[np.bool_]:
    """Rows of a batch in which no point has a sample: there is nothing in them that a frame could keep."""
    absent: npt.NDArray[np.bool_] = _no_sample(batch[0])
    for parts in batch[1:]:
        if not absent.any():
            break
        absent = absent & _no_sample(parts)
    return absent


def _no_sample(parts: Sequence[History]) -> npt.NDArray[np.bool_]:
    masks = [null_mask(part.values) if part.sparse else np.zeros(len(part.values), dtype=bool) for part in parts]
    return np.concatenate(masks)


def _increasing(ts_us: Instants) -> bool:
    return bool(np.all(ts_us[1:] > ts_us[:-1]))


def _track(parts: Sequence[History], clock: _Clock, *, drop_null: bool) -> _Track:
    point = parts[0].point
    array = value_array([part.values for part in parts], point.unit, point.kind)
    if point.kind is None:
        # No record was seen: what the values say is all that is known.
        kind = kind_of(array)
        point = replace(point, kind=kind, unit=point.unit or getattr(array.dtype, "unit", None))
    ts_us, increasing = clock.ts_us, clock.increasing
    if clock.kept is not None:
        array = array.take(clock.kept)
    elif (drop_null or not increasing) and (absent := _no_sample(parts)).any():
        kept = np.flatnonzero(~absent)
        ts_us, array = ts_us[kept], array.take(kept)
        increasing = increasing or _increasing(ts_us)
    if increasing:
        return _Track(point, ts_us, array, 0)
    order = np.argsort(ts_us, kind="stable")
    ordered = ts_us[order]
    last = np.append(ordered[1:] != ordered[:-1], True)  # of a run of equal instants
    winner = np.flatnonzero(last)[np.cumsum(last) - last]  # the place of the last of each run, for each of its rows
    lost = ~last
    differing = count_differing(array, order[lost], order[winner[lost]]) if lost.any() else 0
    return _Track(point, ordered[last], array.take(order[last]), differing)


def _index_zone(points: Sequence[Point], tz: str | tzinfo) -> ZoneInfo:
    if isinstance(tz, ZoneInfo):
        return tz
    if isinstance(tz, tzinfo):
        return zone(haystack_name(tz))
    if tz != "point":
        return zone(tz)
    names = sorted({point.tz for point in points if point.tz is not None})
    keys = {zone_key(name) for name in names}
    if len(keys) > 1:
        warnings.warn(
            f"the points are in {len(keys)} time zones ({', '.join(names)}), so the index of their one frame is UTC; "
            "choose a zone with tz='New_York' (say), or take one frame a point, each in its own zone, with "
            "shape='dict'",
            ZoneWarning,
            stacklevel=4,
        )
        return zone("UTC")
    return zone(keys.pop() if keys else "UTC")


def time_index(ts_us: Instants, index_zone: ZoneInfo, name: str | None = "ts") -> pd.DatetimeIndex:
    """The index of instants: ``datetime64[us, zone]``, built in UTC and shown in `index_zone`."""
    index = pd.DatetimeIndex(ts_us.view("datetime64[us]"), name=name, copy=False).tz_localize(zone("UTC"))
    return index if index_zone.key == "UTC" else index.tz_convert(index_zone)


def _wide(tracks: Sequence[_Track], labels: Sequence[str], index_zone: ZoneInfo) -> pd.DataFrame:
    distinct, which = _distinct([track.ts_us for track in tracks])
    if not distinct:
        union = np.empty(0, dtype=np.int64)
    elif len(distinct) == 1:
        union = distinct[0]
    else:
        union = np.unique(np.concatenate(distinct))
    places = [_places(union, ts_us) for ts_us in distinct]
    columns = {}
    for label, track, vector in zip(labels, tracks, which, strict=True):
        place = places[vector]
        columns[label] = track.array if place is None else _take(track.array, place)
    df = pd.DataFrame(
        columns, index=time_index(union, index_zone), columns=pd.Index(list(labels), dtype="str"), copy=False
    )
    differing = {label: track.differing for label, track in zip(labels, tracks, strict=True) if track.differing}
    attach(df, {label: track.point for label, track in zip(labels, tracks, strict=True)}, differing=differing)
    return df


def _distinct(vectors: Sequence[Instants]) -> tuple[list[Instants], list[int]]:
    """The different time vectors, and which of them each is."""
    distinct: list[Instants] = []
    by_object: dict[int, int] = {}
    by_ends: dict[tuple[int, ...], list[int]] = {}
    which = []
    for ts_us in vectors:
        number = by_object.get(id(ts_us))
        if number is None:
            alike = by_ends.setdefault((len(ts_us), *ts_us[:1].tolist(), *ts_us[-1:].tolist()), [])
            number = next((other for other in alike if np.array_equal(distinct[other], ts_us)), None)
            if number is None:
                number = len(distinct)
                distinct.append(ts_us)
                alike.append(number)
            by_object[id(ts_us)] = number
        which.append(number)
    return distinct, which


def _places(union: Instants, ts_us: Instants) -> npt.NDArray[np.intp] | None:
    """For each instant of the union its place in `ts_us`, -1 where it is not there; None where both are equal."""
    if len(union) == len(ts_us):
        return None
    places = np.full(len(union), -1, dtype=np.intp)
    places[np.searchsorted(union, ts_us)] = np.arange(len(ts_us), dtype=np.intp)
    return places


def _take(array: Any, places: npt.NDArray[np.intp]) -> Any:
    return pd.api.extensions.take(array, places, allow_fill=True)


def _long(tracks: Sequence[_Track], index_zone: ZoneInfo) -> pd.DataFrame:
    counts = [len(track.ts_us) for track in tracks]
    owner = np.repeat(np.arange(len(tracks)), counts)
    ts_us = np.concatenate([np.empty(0, np.int64), *(track.ts_us for track in tracks)])
    arrays = [track.array for track in tracks]
    df = pd.DataFrame(
        {
            "ts": time_index(ts_us, index_zone, name=None),
            "id": _repeated([track.point.id for track in tracks], owner),
            "dis": _repeated([track.point.dis for track in tracks], owner),
            "value": _stacked(arrays),
        }
    )
    attach(df, {})
    return df


def _repeated(texts: Sequence[str], owner: npt.NDArray[np.intp]) -> pd.Categorical:
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    codes = np.array([numbers[text] for text in texts], dtype=np.intp)
    return pd.Categorical.from_codes(codes[owner], categories=pd.Index(list(numbers), dtype="str"))


def _stacked(arrays: Sequence[Any]) -> Any:
    """All values below one another: of one dtype, or object, a Number with its unit in each cell."""
    if not arrays:
        return np.empty(0, dtype=np.float64)
    if all(isinstance(array, pd.Categorical) for array in arrays):
        return pd.api.types.union_categoricals(list(arrays), sort_categories=True)
    if len({str(array.dtype) for array in arrays}) == 1:
        return pd.concat([pd.Series(array) for array in arrays], ignore_index=True).array
    return object_array(cell for array in arrays for cell in _as_kinds(array))


def _as_kinds(array: Any) -> list[Any]:
    unit = getattr(array.dtype, "unit", None)
    if unit is not None or array.dtype == np.float64:
        return [Number(value, unit) for value in np.asarray(array, dtype=np.float64).tolist()]
    return [None if is_na else cell for cell, is_na in zip(array.tolist(), pd.isna(array).tolist(), strict=True)]
