"""Any grid to a frame and back: a history is a trend frame, everything else a frame of entities."""

from __future__ import annotations

import re
from collections.abc import Hashable
from datetime import tzinfo
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import pyarrow as pa

from hsframe.columns import BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import CallError, MetadataError, ZoneError, in_short
from hsframe.frame.entities import entity_frame
from hsframe.frame.histories import grid_histories, is_history
from hsframe.frame.labels import Header
from hsframe.frame.points import DIS_SUFFIX, points_of
from hsframe.frame.points_like import PointsLike, as_points
from hsframe.frame.stamps import has_both_ends
from hsframe.frame.trend import Shape, trend_frame
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, Ref
from hsframe.protocol.request_grids import as_kind
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.scalars import is_missing
from hsframe.zones import haystack_name

_TAG = re.compile(r"[a-z][a-zA-Z0-9_]*")


@overload
def grid_to_frame(
    grid: Grid,
    points: PointsLike | None = ...,
    *,
    header: Header = ...,
    shape: Literal["wide", "tidy"] = ...,
    tz: str | tzinfo = ...,
) -> pd.DataFrame: ...
@overload
def grid_to_frame(
    grid: Grid, points: PointsLike | None = ..., *, header: Header = ..., shape: Shape, tz: str | tzinfo = ...
) -> pd.DataFrame | dict[str, pd.DataFrame]: ...
def grid_to_frame(
    grid: Grid,
    points: PointsLike | None = None,
    *,
    header: Header = "dis",
    shape: Shape = "wide",
    tz: str | tzinfo = "point",
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """A grid as a frame.

    A grid that is shaped like the answer of a hisRead becomes a trend frame: every row of a single history is kept,
    null, NA and NaN are NaN, INF stays, rows are sorted by instant, and of equal instants the last row wins. All
    other grids become frames of entities.

    Parameters
    ----------
    grid : Grid
        For example what ``hsframe.decode`` or ``Client.call`` gave.
    points : ids, Refs, records, Points or a frame, optional
        What is known of the points: their names, units, zones and kinds. A history without ids takes them in order.
    header, shape, tz
        For a history, as for :func:`hsframe.his_read`.

    Returns
    -------
    DataFrame
        Of a history as :func:`hsframe.his_read` gives it (a dict of them with ``shape="dict"``), of others as
        :func:`hsframe.read` does.

    Raises
    ------
    CallError
        The grid is an error grid.
    MetadataError, ZoneError
        A history with a row without an instant, or of an unknown zone.

    Examples
    --------
    >>> from hsframe.kinds import Number, Ref
    >>> from hsframe.zones import zone
    >>> from datetime import datetime
    >>> when = datetime(2024, 1, 1, tzinfo=zone("London"))
    >>> df = grid_to_frame(Grid({"id": Ref("a", "Fan")}, ["ts", "val"], [[when], [Number(40, "%")]]))
    >>> df.index.dtype, df.dtypes["Fan"], df["Fan"].iloc[0]
    (datetime64[us, Europe/London], unit[%], UnitFloat(40.0, '%'))
    """
    if grid.is_error:
        dis = str(grid.meta.get("dis") or "without a text")
        raise CallError(f"this is an error grid and has no frame; the server says: {in_short(dis)}", grid)
    if not is_history(grid):
        return entity_frame(grid)
    given = as_points(points) if points is not None else []
    histories = grid_histories(grid, {point.id: point for point in given}, ids=[point.id for point in given])
    return trend_frame(histories, header=header, shape=shape, tz=tz)


def frame_to_grid(df: pd.DataFrame) -> Grid:
    """What ``df.hs.to_grid()`` gives."""
    if not isinstance(df.index, pd.DatetimeIndex) and not has_both_ends(df.index):
        return _records(df)
    columns: list[Any] = []
    cols = [Col("ts"), Col("end")][: df.index.nlevels]
    for level in range(df.index.nlevels):
        times = df.index.get_level_values(level)
        if not isinstance(times, pd.DatetimeIndex) or times.tz is None:
            raise ZoneError("the index has no zone; give it one with df.tz_localize('America/New_York')")
        columns.append(TimeColumn(pa.array(times.as_unit("us").asi8, pa.int64()), haystack_name(times.tz)))
    points = points_of(df)
    for place, label in enumerate(df.columns):
        point = points.get(label)
        meta = {"dis": str(label)} if point is None else {"id": Ref(point.id, point.dis or None)}
        cols.append(Col(f"v{place}", meta))
        columns.append(history_of(df.iloc[:, place], label))
    return Grid({}, cols, columns)


def history_of(series: pd.Series[Any], label: Hashable) -> Any:
    """The values of a column as cells of a history; a MetadataError where it has no kind."""
    array = series.array
    if isinstance(array, UnitArray):
        return NumberColumn(pa.array(array.magnitudes, from_pandas=True), array.unit)
    if pd.api.types.is_bool_dtype(series.dtype):
        return BoolColumn(pa.array(series.astype("boolean").array))
    if pd.api.types.is_numeric_dtype(series.dtype):
        return NumberColumn(pa.array(series.to_numpy(dtype=np.float64, na_value=np.nan), from_pandas=True))
    if isinstance(series.dtype, pd.CategoricalDtype | pd.StringDtype):
        return StrColumn(pa.array(series.astype("str").array).cast(pa.string()))
    if series.dtype == object:
        return tuple(_cell(value) for value in series)
    raise MetadataError(f"column {label!r} is {series.dtype}, which is not a kind of a history")


def _records(df: pd.DataFrame) -> Grid:
    levels = [name for name in df.index.names if name is not None]
    texts = levels if df.index.nlevels > 1 else []
    if twice := [name for name in levels if name in df.columns]:
        raise MetadataError(f"the index and a column are both named {twice[0]!r}; rename the column")
    df = df.reset_index(level=levels) if levels else df
    names = [str(label) for label in df.columns if not str(label).endswith(DIS_SUFFIX)]
    if strange := [name for name in names if _TAG.fullmatch(name) is None]:
        raise MetadataError(
            f"{', '.join(map(repr, strange))} cannot be names of tags: a tag begins with a small letter and has "
            "letters, digits and _; rename the columns"
        )
    columns = []
    for name in names:
        series = df[name]
        beside = name + DIS_SUFFIX
        if name not in texts and (name == "id" or name.endswith("Ref") or beside in df.columns):
            shown = df[beside].tolist() if beside in df.columns else [None] * len(df)
            cells = zip(series.tolist(), shown, strict=True)
            refs = (Ref(a, b if isinstance(b, str) else None) if isinstance(a, str) else _cell(a) for a, b in cells)
            columns.append(tuple(refs))
        elif name not in texts and series.dtype == np.dtype(bool):
            columns.append(tuple(MARKER if value else None for value in series.tolist()))
        else:
            columns.append(tuple(_cell(value) for value in series))
    return Grid({}, names, columns)


def _cell(value: Any) -> Any:
    """A cell of a frame as a kind; missing is None."""
    if value is not NA and is_missing(value):
        return None
    if isinstance(value, pd.Timestamp) and value.tzinfo is None:
        raise ZoneError(f"{value} has no zone; give its column one with df['ts'].dt.tz_localize('America/New_York')")
    return value.to_pydatetime(warn=False) if isinstance(value, pd.Timestamp) else as_kind(value)
