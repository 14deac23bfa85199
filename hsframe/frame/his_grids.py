"""A frame to the grids that ``hisWrite`` takes: one batch grid a zone, columns as Arrow arrays.

Everything is checked before the first grid is made: what cannot be written right is refused, with the column and
the first place named. The instants are those of the index, whatever zone it shows them in; the zone name written is
the one of the points' records.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import HsFrameError, MetadataError, UnitError, ZoneError
from hsframe.frame.match import frame_of, match_columns
from hsframe.frame.points import Point
from hsframe.frame.values import same_unit
from hsframe.grid import Col, Grid
from hsframe.kinds import NA, Number, Ref
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.scalars import unit_of
from hsframe.units import convert as convert_values
from hsframe.zones import haystack_name, zone_key

__all__ = ["frame_to_his_grids"]

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.int64]


def frame_to_his_grids(
    df: pd.DataFrame | pd.Series[Any],
    points: Any = None,
    *,
    inf: Literal["refuse", "send"] = "refuse",
    convert: bool = False,
    known: Iterable[Point] = (),
) -> list[Grid]:
    """The batch hisWrite grids of a frame, one a zone; nothing is sent.

    Parameters
    ----------
    df : DataFrame or Series
        Index: a zone-aware ``DatetimeIndex`` of any zone, in any order, without duplicates. Columns: values of one
        point each; NaN, None and ``pd.NA`` are 'no sample'. Digits below the microsecond are cut off.
    points : mapping, or points in any form, optional
        Which point a column belongs to, see :func:`hsframe.frame.match.match_columns`; else the frame's catalog and
        its labels say so.
    inf : {"refuse", "send"}
        What to do with infinite values.
    convert : bool
        Whether a column in another unit is converted to its point's unit; else it is refused. A column without a
        unit is taken to be in its point's unit, as the standard takes numbers without one.
    known : iterable of Point
        Points whose display names may be labels.

    Returns
    -------
    list of Grid
        A grid a zone, in the order in which the zones come first among the columns: ``ts`` in the points' zone (of a
        point whose zone is not known, that of the index), then ``v0``, ``v1``, ..., each with its ``id`` in its meta,
        null where there is no sample. Rows and grids without any sample are left out.

    Raises
    ------
    ZoneError
        A naive index, or a zone without a name.
    MetadataError
        An index that is none of time; NaT or an instant that comes twice; a column without a point, two of one
        point; a value that is infinite or of another kind than its point.
    UnitError
        Another unit than the point's.

    Examples
    --------
    >>> import pandas as pd
    >>> from hsframe.frame.points import Point
    >>> index = pd.DatetimeIndex(["2024-07-01 12:00"], tz="UTC")
    >>> point = Point("a", "Meter", unit="kW", tz="New_York", kind="Number")
    >>> (grid,) = frame_to_his_grids(pd.DataFrame({"Meter": [2.5]}, index), {"Meter": point})
    >>> grid[0]["ts"].isoformat(), grid[0]["v0"], grid.cols[1]
    ('2024-07-01T08:00:00-04:00', Number(2.5, 'kW'), Col('v0', {'id': Ref('a')}))
    """
    if inf not in ("refuse", "send"):
        raise MetadataError(f"inf={inf!r} is unknown; expected 'refuse' or 'send'")
    frame = frame_of(df)
    ts_us, order = _checked_instants(frame)
    matched = match_columns(frame, points, known)
    columns: dict[Hashable, ArrowColumn] = {}
    for label, point in matched.items():
        cells = frame[label].array
        cells = cells if order is None else cells.take(order)
        columns[label] = _column(cells, _Place(label, point, frame.index, order), inf=inf, convert=convert)
    by_zone: dict[str, list[Hashable]] = {}
    for label, point in matched.items():
        by_zone.setdefault(_zone_name(label, point, frame.index), []).append(label)
    grids = (
        _grid(ts_us, name, {matched[label].id: columns[label] for label in labels}) for name, labels in by_zone.items()
    )
    return [grid for grid in grids if grid is not None]


class _Place:
    """A column while it is checked: its errors name it, its point and the first bad row."""

    def __init__(self, label: Hashable, point: Point, index: pd.Index[Any], order: npt.NDArray[np.intp] | None) -> None:
        self.label = label
        self.point = point
        self._index = index
        self._order = order

    def error(
        self, kind: type[HsFrameError], bad: npt.NDArray[np.bool_] | int, what: str, way_out: str
    ) -> HsFrameError:
        row = bad if isinstance(bad, int) else int(np.argmax(bad))
        row = row if self._order is None else int(self._order[row])
        return kind(
            f"column {self.label!r} (point @{self.point.id}), row {row}, {self._index[row]}: {what}; {way_out}; "
            "nothing was sent"
        )


def _checked_instants(df: pd.DataFrame) -> tuple[Instants, npt.NDArray[np.intp] | None]:
    """Epoch microseconds, increasing, and the order that makes them so; None where they are in order."""
    index = df.index
    columns = ", ".join(repr(label) for label in df.columns[:5]) + (", ..." if len(df.columns) > 5 else "")
    if not isinstance(index, pd.DatetimeIndex):
        raise MetadataError(
            f"the index of the frame with the columns {columns} is a {type(index).__name__} of {index.dtype}, "
            "expected a zone-aware DatetimeIndex; put the time there with df.set_index('ts')"
        )
    name = "the index" if index.name is None else f"the index {index.name!r}"
    if index.tz is None:
        first = f", first {index[0]} in row 0" if len(index) else ""
        raise ZoneError(
            f"the times of the columns {columns} are naive ({name}{first}): without a zone they are no "
            "instants; say which zone they are in with df.tz_localize('America/New_York', ambiguous=..., "
            "nonexistent=...); nothing was sent"
        )
    if index.hasnans:
        row = int(np.argmax(index.isna()))
        raise MetadataError(
            f"{name} of the columns {columns}, row {row}: NaT is no instant; drop that row; nothing was sent"
        )
    ts_us: Instants = index.as_unit("us").asi8
    steps = np.diff(ts_us)
    order = None
    if not bool(np.all(steps > 0)):
        order = np.argsort(ts_us, kind="stable")
        ts_us = ts_us[order]
        if len(same := np.flatnonzero(ts_us[1:] == ts_us[:-1])):
            # The first in the order of the frame, not of time: that is where a person looks.
            pair = same[np.argmin(order[same + 1])]
            first_row, second_row = int(order[pair]), int(order[pair + 1])
            raise MetadataError(
                f"{name}: the instant {index[second_row]} comes twice, in rows {first_row} and {second_row}, "
                f"for the columns {columns}; keep one, as with df[~df.index.duplicated(keep='last')]; nothing was sent"
            )
    return ts_us, order


def _zone_name(label: Hashable, point: Point, index: pd.Index[Any]) -> str:
    if point.tz is not None:
        try:
            zone_key(point.tz)
        except ZoneError as error:
            raise ZoneError(f"column {label!r} (point @{point.id}): {error}; nothing was sent") from None
        return point.tz
    assert isinstance(index, pd.DatetimeIndex)
    assert index.tz is not None
    try:
        return haystack_name(index.tz)
    except ZoneError as error:
        raise ZoneError(
            f"column {label!r} (point @{point.id}): the zone of the point is not known, and the index does not tell "
            f"one: {error}; give the point with its tz, as in points={{{label!r}: record}}; nothing was sent"
        ) from None


def _grid(ts_us: Instants, tz: str, columns: Mapping[str, ArrowColumn]) -> Grid | None:
    sampled = np.zeros(len(ts_us), dtype=bool)
    for column in columns.values():
        if column.values.null_count == 0:
            sampled[:] = True
            break
        sampled |= column.values.is_valid().to_numpy(zero_copy_only=False)
    if not sampled.any():
        return None
    whole = bool(sampled.all())
    cols = [Col("ts"), *(Col(f"v{place}", {"id": Ref(ident)}) for place, ident in enumerate(columns))]
    times = TimeColumn(pa.array(ts_us if whole else ts_us[sampled]), tz)
    kept = [column if whole else _filtered(column, sampled) for column in columns.values()]
    return Grid({}, cols, [times, *kept])


def _filtered(column: ArrowColumn, rows: npt.NDArray[np.bool_]) -> ArrowColumn:
    return column._sliced(column.values.filter(pa.array(rows)), None)


def _column(cells: Any, place: _Place, *, inf: str, convert: bool) -> ArrowColumn:
    """The cells of one column, checked against its point."""
    dtype = cells.dtype
    if isinstance(cells, UnitArray):
        return _number_column(np.asarray(cells, dtype=np.float64), dtype.unit, place, inf=inf, convert=convert)
    if dtype.kind == "b":
        return _bool_column(pa.array(cells), place)
    if dtype.kind in "iuf":
        floats = pd.Series(cells).to_numpy(dtype=np.float64, na_value=np.nan)
        return _number_column(floats, None, place, inf=inf, convert=convert)
    if isinstance(dtype, pd.StringDtype):
        return _str_column(cells.tolist(), pd.isna(cells), place)
    return _object_column(cells, place, inf=inf, convert=convert)


def _number_column(floats: Floats, unit: str | None, place: _Place, *, inf: str, convert: bool) -> NumberColumn:
    _check_kind("Number", ~np.isnan(floats), place)
    point = place.point
    wanted = point.unit if point.is_known else unit
    if unit is not None and not same_unit(unit, wanted):
        floats = _converted(floats, unit, place, convert=convert)
    if inf == "refuse" and (infinite := np.isinf(floats)).any():
        raise place.error(
            MetadataError,
            infinite,
            f"{floats[np.argmax(infinite)]} is no measured value",
            "clear it, as with df.replace([np.inf, -np.inf], np.nan), or send it with inf='send'",
        )
    return NumberColumn(pa.array(floats, from_pandas=True), wanted)


def _converted(floats: Floats, unit: str, place: _Place, *, convert: bool) -> Floats:
    wanted = place.point.unit
    filled = ~np.isnan(floats)
    if not filled.any():
        return floats
    if wanted is None:
        raise place.error(
            UnitError,
            filled,
            f"the column is in {unit}, the point has no unit",
            f"take the unit off with df[{place.label!r}].hs.magnitude() if that is meant",
        )
    if not convert:
        raise place.error(
            UnitError,
            filled,
            f"the column is in {unit}, the point in {wanted}",
            f"convert it with df.hs.to({{{place.label!r}: {wanted!r}}}), or pass convert=True",
        )
    try:
        return convert_values(floats, unit, wanted)
    except UnitError as error:
        raise place.error(UnitError, filled, str(error), "write it to a point of its own unit") from None


def _check_kind(kind: str, filled: npt.NDArray[np.bool_], place: _Place) -> None:
    expected = place.point.kind
    if expected is not None and expected != kind and filled.any():
        raise place.error(
            MetadataError,
            filled,
            f"the column holds {kind} values, the point is of kind {expected}",
            "check that the column belongs to this point",
        )


def _bool_column(values: Any, place: _Place) -> BoolColumn:
    _check_kind("Bool", values.is_valid().to_numpy(zero_copy_only=False), place)
    return BoolColumn(values.cast(pa.bool_()))


def _str_column(texts: Sequence[Any], missing: npt.NDArray[np.bool_], place: _Place) -> StrColumn:
    _check_kind("Str", ~missing, place)
    return StrColumn(pa.array(texts, pa.string(), mask=missing))


def _object_column(cells: Any, place: _Place, *, inf: str, convert: bool) -> ArrowColumn:
    """A category, or Python objects: Numbers with a unit each, or plain values of one type."""
    missing = np.asarray(pd.isna(cells), dtype=bool) | np.fromiter((c is NA for c in cells), bool, count=len(cells))
    values = [None if is_missing else cell for cell, is_missing in zip(cells.tolist(), missing.tolist(), strict=True)]
    kinds = {_kind_of(cell) for cell in values} - {None}
    if not kinds:
        # Nothing to send; what kind the nulls are of does not matter.
        return NumberColumn(pa.nulls(len(values), pa.float64()), None)
    if len(kinds) > 1 or "" in kinds:
        stranger = "" if "" in kinds else _kind_of(next(cell for cell in reversed(values) if cell is not None))
        raise place.error(
            MetadataError,
            next(row for row, cell in enumerate(values) if _kind_of(cell) == stranger),
            f"the column holds {' and '.join(sorted({type(cell).__name__ for cell in values if cell is not None}))}",
            "expected values of one kind in a column: Number, Bool or Str",
        )
    if kinds == {"Bool"}:
        return _bool_column(pa.array([None if cell is None else bool(cell) for cell in values], pa.bool_()), place)
    if kinds == {"Str"}:
        return _str_column(values, missing, place)
    numbers = [
        cell if cell is None or isinstance(cell, Number) else Number(float(cell), unit_of(cell)) for cell in values
    ]
    floats = np.array([np.nan if number is None else number.val for number in numbers], dtype=np.float64)
    units = {number.unit for number in numbers if number is not None}
    _check_kind("Number", ~missing, place)
    named = sorted(unit for unit in units if unit is not None)
    wanted = place.point.unit if place.point.is_known else next(iter(named), None)
    for unit in named:
        if same_unit(unit, wanted):
            continue
        rows = np.array([number is not None and number.unit == unit for number in numbers])
        if not place.point.is_known:
            raise place.error(
                UnitError,
                rows,
                f"the column holds values in {unit} and in {wanted}, and the unit of the point is not known",
                "give the point with its unit, and convert=True",
            )
        floats[rows] = _converted(np.where(rows, floats, np.nan), unit, place, convert=convert)[rows]
    return _number_column(floats, wanted, place, inf=inf, convert=convert)


def _kind_of(cell: Any) -> str | None:
    if cell is None:
        return None
    if isinstance(cell, bool | np.bool_):
        return "Bool"
    if isinstance(cell, Number | int | float | np.integer | np.floating):
        return "Number"
    return "Str" if isinstance(cell, str) else ""
