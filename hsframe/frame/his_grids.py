"""From a frame to the samples of its points, and to the request grids of ``hisWrite``.

A value that cannot be written correctly is an error, which names the column and the first such row. First each column
is matched with its point (:func:`frame_columns`, which needs no server), then checked against the point's record. The
result, :class:`PointSamples`, is used for sending, comparing and reporting. The index may be in any zone; timestamps
are written in the zone of the points' records.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from hsframe.arrays import Bools, Floats, Instants, Places
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import HsFrameError, MetadataError, UnitError, ZoneError, check_choice
from hsframe.frame.histories import places_in, union_of
from hsframe.frame.match import frame_of, match_columns, of_amounts
from hsframe.frame.points import COLUMN_LEVELS, Point, column_points, listed_columns
from hsframe.frame.reads import Read, reads_of
from hsframe.frame.stamps import noted_interval
from hsframe.frame.trend import TIMES_OF_TEXT, is_of_text
from hsframe.frame.values import object_array, same_unit
from hsframe.grid import Col, Grid
from hsframe.kinds import REMOVE, UNIT, Number, Ref
from hsframe.protocol.request_grids import as_kind
from hsframe.protocol.writes import his_write_request
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.unit_array.scalars import is_missing
from hsframe.units import convert as convert_values
from hsframe.units import convertible
from hsframe.zones import haystack_name, zone_key


@dataclass(frozen=True, slots=True, eq=False)
class PointSamples:
    """The samples to write of one point, checked: of the point's kind and in its unit, without nulls.

    The times are epoch microseconds, increasing; they are written in the zone with the Haystack name `tz`. `note` is
    what a report should say of the values, such as that they had no unit. Values that are all null are the other way
    round: at these instants there is to be no sample.
    """

    point: Point
    tz: str
    ts_us: Instants
    values: ArrowColumn
    note: str = ""

    @property
    def is_removal(self) -> bool:
        """Whether the samples at these instants are to be removed."""
        return bool(self.values.values.null_count)

    def grid(self) -> Grid:
        """The hisWrite of this point alone; Haxall removes the samples whose value is written as Remove."""
        values = [REMOVE] * len(self.ts_us) if self.is_removal else self.values
        return his_write_request(Ref(self.point.id), TimeColumn(pa.array(self.ts_us), self.tz), values, self.tz)

    def only(self, keep: Bools) -> PointSamples:
        """The samples for which the mask is true."""
        if keep.all():
            return self
        values = self.values.sliced(self.values.values.filter(keep), None)
        return PointSamples(self.point, self.tz, self.ts_us[keep], values, self.note)


def batch_grid(batch: Sequence[PointSamples]) -> Grid:
    """The batch hisWrite grid of points in one zone: one row per instant at which any of them has a sample."""
    # Columns without missing values share one array of instants, so there are few different arrays.
    ts_us = union_of(samples.ts_us for samples in batch)
    columns: list[ArrowColumn | TimeColumn] = [TimeColumn(pa.array(ts_us), batch[0].tz)]
    cols = [Col("ts")]
    for number, samples in enumerate(batch):
        places, column = places_in(ts_us, samples.ts_us), samples.values
        if places is not None:  # null where the point has no sample
            column = column.sliced(column.values.take(pa.array(places, mask=places < 0)), None)
        cols.append(Col(f"v{number}", {"id": Ref(samples.point.id)}))
        columns.append(column)
    return Grid({}, cols, columns)


def his_grids(columns: Iterable[FrameColumn]) -> list[Grid]:
    """The batch grids of the columns of a frame, one per zone, without those that have no sample."""
    by_zone: dict[str, list[PointSamples]] = {}
    for column in columns:
        samples = column.samples(column.point)
        by_zone.setdefault(samples.tz, []).append(samples)
    return [batch_grid(some) for some in by_zone.values() if any(len(samples.ts_us) for samples in some)]


def frame_columns(
    df: pd.DataFrame | pd.Series[Any],
    points: Any,
    known: Iterable[Point],
    *,
    inf: str,
    convert: bool,
    words_are_ids: bool = False,
    samples_only: bool = False,
) -> list[FrameColumn]:
    """The columns of a frame, each with its point, after all checks that need no record.

    Parameters and errors are those of :func:`hsframe.frame_to_his_grids`; `known` are points that were read before.
    With `samples_only` means and extremes over intervals are refused as amounts are, where they go to their own point.
    """
    check_choice("inf", inf, ("refuse", "send"))
    frame = _with_plain_times(frame_of(df))
    if "state" in frame.columns.names and not any(frame.columns.get_level_values("state")):
        frame = frame.droplevel("state", axis=1)  # what df.xs leaves of an aggregation that has no states
    if several := [name for name in frame.columns.names if name in COLUMN_LEVELS]:
        level, one = several[0], frame.columns.get_level_values(several[0])[0]
        raise MetadataError(
            f"the columns have a level {level!r}, so a point may have several of them; write those of one, as with "
            + (f"df[{one!r}].rename('@the-id')" if frame.columns.nlevels == 1 else f"df.xs({one!r}, axis=1, {level=})")
            + "; nothing was written"
        )
    interval = noted_interval(frame)
    if interval and (interval.label == "end" or (interval.label == "both" and frame.index.names != ["start"])):
        raise MetadataError(
            f"the times are the ends of the intervals of {interval.length} (label={interval.label!r}), and who reads "
            "the history takes each value to be that of the time after it; read with label='start', or, where the "
            "points are stamped with ends, take the note off with df.attrs.clear() and give points=; nothing was "
            "written" + ("; of label='both' take df.droplevel('end')" if interval.label == "both" else "")
        )
    ts_us, order = _checked_instants(frame)
    matched = match_columns(frame, points, known, words_are_ids=words_are_ids)
    _refuse_amounts(frame, matched, samples_only=samples_only)
    return [FrameColumn(label, point, frame, ts_us, order, inf, convert) for label, point in matched.items()]


def _refuse_amounts(frame: pd.DataFrame, matched: Mapping[Hashable, Point], *, samples_only: bool) -> None:
    """Refuse what was made of the samples of a point and is none: among them it would be read as one."""
    reads, interval = reads_of(frame), noted_interval(frame)
    for (label, point), origin in zip(matched.items(), column_points(frame), strict=True):
        if origin is not None and origin.id != point.id:
            continue
        aggs = reads.get(point.id, Read()).aggs
        # What df.xs leaves of several aggregations does not say which it is, unless its unit and values do.
        found = Read({agg: own for agg, own in aggs.items() if _could_be(agg, own, frame[label])} or aggs)
        if found.made or (samples_only and (aggs or interval)):
            what = f"is the {' or '.join(found.aggs)}" if found.aggs else "has values"
            raise MetadataError(
                f"column {label!r} {what} over intervals of the point @{point.id} itself: among "
                "its samples each value would be read as one of them; write it to another point, as with "
                f"points={{{label!r}: '@the-id'}}, or, if it is what the point has, take the note off first with "
                f"df.attrs.clear(), and give points={{{label!r}: '@{point.id}'}}; nothing was written"
            )


def _could_be(agg: str, own: str | None, column: pd.Series[Any]) -> bool:
    """Whether a column may hold what was read as an aggregation in a unit; counts are whole, shares from 0 to 1."""
    unit, kind = unit_of_dtype(column.dtype), column.dtype.kind
    if own or unit:
        return same_unit(own, unit) or bool(own and unit and convertible(own, unit))
    if agg not in ("count", "starts", "coverage", "share") or column.dtype == object:
        return True
    known = column.dropna()
    if agg in ("coverage", "share"):
        return kind in "iuf" and bool(known.between(0, 1).all())
    # reindex makes floats of whole numbers where it leaves some missing.
    return kind in "iu" or (kind == "f" and len(known) < len(column) and bool((known % 1 == 0).all()))


def _with_plain_times(df: pd.DataFrame) -> pd.DataFrame:
    """The frame with a DatetimeIndex, where its index holds times as Arrow does, or as datetime objects.

    Objects of several offsets, as an exported file may have, are instants all the same: they are in UTC then.
    """
    index: Any = df.index
    if isinstance(index.dtype, pd.ArrowDtype) and pa.types.is_timestamp(index.dtype.pyarrow_dtype):
        times = pd.DatetimeIndex(index)
    elif index.dtype == object and len(index) and all(isinstance(cell, datetime) or is_missing(cell) for cell in index):
        zones = {cell.tzinfo for cell in index if not is_missing(cell)}
        if None in zones and len(zones) > 1:
            raise ZoneError(
                f"the index of the columns {listed_columns(df)} has times with and without a zone, first without one "
                f"{next(cell for cell in index if not is_missing(cell) and cell.tzinfo is None)}: without a zone their "
                "instants are not known; give all of them one; nothing was written"
            )
        times = pd.to_datetime(index, utc=len(zones) > 1)
    else:
        return df
    return df.set_axis(times, axis=0)


def _checked_instants(df: pd.DataFrame) -> tuple[Instants, Places]:
    """The times in epoch microseconds, increasing, and the row of each."""
    index = df.index
    columns = listed_columns(df)
    if isinstance(index, pd.MultiIndex) and any(isinstance(level, pd.DatetimeIndex) for level in index.levels):
        levels, one = list(map(str, index.names)), index[0][0] if len(index) else "..."
        advice = f"write the rows of one {levels[0]} at a time, as df.xs({one!r}, level={levels[0]!r})"
        if "fold" in levels:
            advice = "read it with index='utc'" + (f", and {advice}" if levels[0] != "ts" else "")
        raise MetadataError(
            f"the index of the frame with the columns {columns} has the levels {', '.join(levels)}, expected times "
            f"alone; {advice}, with points= where the columns are no points{of_amounts(df)}; nothing was written"
        )
    if not isinstance(index, pd.DatetimeIndex):
        advice = TIMES_OF_TEXT if is_of_text(index) else "put the time there with df.set_index('ts')"
        raise MetadataError(
            f"the index of the frame with the columns {columns} is a {type(index).__name__} of {index.dtype}, "
            f"expected a zone-aware DatetimeIndex; {advice}; nothing was written"
        )
    name = "the index" if index.name is None else f"the index {index.name!r}"
    if index.tz is None:
        first = f", first {index[0]} in row 0" if len(index) else ""
        raise ZoneError(
            f"the times of the columns {columns} are naive ({name}{first}): without a zone their "
            "instants are not known; say which zone they are in with df.tz_localize('America/New_York', ambiguous=..., "
            "nonexistent=...); nothing was written"
        )
    if index.hasnans:
        row = int(np.argmax(index.isna()))
        raise MetadataError(
            f"{name} of the columns {columns}, row {row}: NaT is not a time; drop that row; nothing was written"
        )
    ts_us: Instants = index.as_unit("us").asi8
    order = np.argsort(ts_us, kind="stable")
    ts_us = ts_us[order]
    if len(same := np.flatnonzero(ts_us[1:] == ts_us[:-1])):
        # The first pair in the order of the frame, where the user finds it, not in the order of time.
        pair = same[np.argmin(order[same + 1])]
        first_row, second_row = int(order[pair]), int(order[pair + 1])
        raise MetadataError(
            f"{name}: the instant {index[second_row]} comes twice, in rows {first_row} and {second_row}, "
            f"for the columns {columns}; keep one, as with df.groupby(level=0).last(); nothing was written"
        )
    return ts_us, order


class FrameColumn:
    """The samples of one column of a frame; :meth:`samples` checks them against the record of their point.

    `point` is what is known of the point so far. `cells` are the samples, `ts_us` their instants, increasing, and
    `rows` their rows in the frame; `missing_us` are the instants without a value. For Numbers, `units` has each unit
    and which of the samples are in it.
    """

    def __init__(
        self, label: Hashable, point: Point, df: pd.DataFrame, ts_us: Instants, order: Places, inf: str, convert: bool
    ) -> None:
        self.label, self.point = label, point
        self.index = df.index
        self.inf, self.convert = inf, convert
        self.units: dict[str | None, slice | Bools] = {}
        array: Any = df[label].array
        dtype = array.dtype
        texts = dtype.categories.dtype if isinstance(dtype, pd.CategoricalDtype) else dtype
        has_objects = dtype.kind not in "biuf" and not isinstance(texts, pd.StringDtype)
        if has_objects:
            try:
                array = object_array(None if is_missing(cell) else as_kind(cell) for cell in array)
            except (MetadataError, UnitError) as error:
                raise type(error)(f"column {label!r} (point @{point.id}): {error}; nothing was written") from None
        filled = ~np.asarray(pd.isna(array), dtype=bool)
        if dtype.kind == "f":  # for pandas a NaN in an Arrow or masked column is a value beside its nulls
            filled &= ~np.isnan(pd.Series(array).to_numpy(dtype=np.float64, na_value=np.nan))
        keep = filled[order]
        self.ts_us: Instants = ts_us if keep.all() else ts_us[keep]  # without missing values: shared
        self.missing_us: Instants = ts_us[~keep]
        self.rows: Places = order[keep]
        if dtype.kind == "b":
            self.kind, cells = "Bool", pd.Series(array).to_numpy(dtype=bool, na_value=False)
        elif dtype.kind in "iuf":
            self.kind, cells = "Number", pd.Series(array).to_numpy(dtype=np.float64, na_value=np.nan)
            self.units = {dtype.unit if isinstance(array, UnitArray) else None: slice(None)}
        else:
            self.kind, cells = "Str", np.asarray(array, dtype=object)
        self.cells: npt.NDArray[Any] = cells[self.rows]
        if has_objects:
            self._set_kind_of_objects()

    def _set_kind_of_objects(self) -> None:
        """Set the kind of cells that are Python objects, and their units if they are Numbers."""
        kinds = [_kind_of(cell) for cell in self.cells]
        found = set(kinds)
        if "Remove" in found:
            raise self.error(
                MetadataError, kinds.index("Remove"), "Remove is not a value", "delete samples with his_remove instead"
            )
        if len(found) > 1 or "" in found:
            raise self.error(
                MetadataError,
                kinds.index("" if "" in found else kinds[-1]),
                f"the column holds {' and '.join(sorted({type(cell).__name__ for cell in self.cells}))}",
                "expected values of one kind in a column: Number, Bool or Str",
            )
        self.kind = kinds[0] if kinds else "Number"
        if self.kind == "Number":
            units = np.array([cell.unit for cell in self.cells], dtype=object)
            self.units = {unit: units == unit for unit in set(units.tolist())}
            self.cells = np.array([cell.val for cell in self.cells], dtype=np.float64)

    def samples(self, point: Point) -> PointSamples:
        """The samples, checked against the kind, unit and zone of a point."""
        if point.kind not in (None, self.kind) and len(self.cells):
            raise self.error(
                MetadataError,
                0,
                f"the column holds {self.kind} values, the point is of kind {point.kind}",
                "check that the column belongs to this point",
            )
        if self.kind == "Bool":
            values: ArrowColumn = BoolColumn(pa.array(self.cells, pa.bool_()))
        elif self.kind == "Str":
            values = StrColumn(pa.array(self.cells, pa.string()))
        else:
            values = self._numbers(point)
        return PointSamples(point, self._zone_name(point), self.ts_us, values, self._note(values))

    def unchecked(self) -> PointSamples:
        """The instants of the samples, for a report where nothing could be sent."""
        none = StrColumn(pa.nulls(len(self.ts_us), pa.string()))
        return PointSamples(self.point, self.point.tz or "", self.ts_us, none)

    def _note(self, values: ArrowColumn) -> str:
        bare, notes = self.units.get(None), []
        # The infinities have no unit in any case.
        if bare is not None and isinstance(values, NumberColumn) and np.isfinite(self.cells[bare]).any():
            notes.append(taken_to_be_in(values.unit))
        if left_out := len(self.index) - len(self.cells):
            notes.append(f"rows without a value, which write and remove nothing: {left_out}")
        return "; ".join(filter(None, notes))

    def _numbers(self, point: Point) -> NumberColumn:
        floats: Floats = self.cells
        named = sorted(unit for unit in self.units if unit is not None)
        wanted = point.unit if point.is_known else next(iter(named), None)
        for unit in named:
            if len(self.cells) and not same_unit(unit, wanted):
                floats = self._converted(floats, unit, point, wanted)
        if wanted is not None and len(floats) and (problem := UNIT.problem(wanted)):
            raise self.error(UnitError, 0, f"{problem}, so no request carries it", "have the point's unit corrected")
        if self.inf == "refuse" and (infinite := np.isinf(floats)).any():
            place = int(np.argmax(infinite))
            raise self.error(
                MetadataError,
                place,
                f"{floats[place]} is not a measured value",
                "clear it, as with df.replace([np.inf, -np.inf], np.nan), or send it with inf='send'",
            )
        return NumberColumn(pa.array(floats), wanted)

    def _converted(self, floats: Floats, unit: str, point: Point, wanted: str | None) -> Floats:
        """The numbers; those in `unit` are converted to the unit of the point."""
        which = self.units[unit]
        what = f"the column is in {unit}, the point in {wanted}"
        if not point.is_known:
            what = f"the column holds values in {unit} and in {wanted}, and the unit of the point is not known"
            way_out = "give the point with its unit, and convert=True"
        elif wanted is None:
            what = f"the column is in {unit}, the point has no unit"
            way_out = f"take the unit off with df[{self.label!r}].hs.magnitude() if that is meant"
        else:
            way_out = f"convert it with df.hs.to({{{self.label!r}: {wanted!r}}}), or pass convert=True"
            try:
                converted = floats.copy()
                converted[which] = convert_values(floats[which], unit, wanted)
                if self.convert:
                    return converted
            except UnitError as error:
                what, way_out = f"{what}, and {error}", "write it to a point of its own unit"
        raise self.error(UnitError, 0 if isinstance(which, slice) else int(np.argmax(which)), what, way_out)

    def _zone_name(self, point: Point) -> str:
        index = self.index
        assert isinstance(index, pd.DatetimeIndex)
        assert index.tz is not None
        try:
            if point.tz is None:
                return haystack_name(index.tz)
            zone_key(point.tz)
        except ZoneError as error:
            what = str(error)
            if point.tz is None:
                what = (
                    f"the zone of the point is not known, and the index does not tell one: {error}; give the point "
                    f"with its tz, as in points={{{self.label!r}: record}}"
                )
            raise ZoneError(f"column {self.label!r} (point @{point.id}): {what}; nothing was written") from None
        return point.tz

    def error(self, kind: type[HsFrameError], place: int, what: str, way_out: str) -> HsFrameError:
        """An error that names the column, its point and the row of a sample."""
        row = int(self.rows[place])
        return kind(
            f"column {self.label!r} (point @{self.point.id}), row {row}, {self.index[row]}: {what}; {way_out}; "
            "nothing was written"
        )


def taken_to_be_in(unit: str | None) -> str:
    """The note of a report about numbers without a unit that are written to a point with this unit."""
    return "" if unit is None else f"without a unit: taken to be in {unit}"


def _kind_of(cell: object) -> str:
    if isinstance(cell, bool):
        return "Bool"
    if cell is REMOVE:
        return "Remove"
    return "Number" if isinstance(cell, Number) else "Str" if isinstance(cell, str) else ""
