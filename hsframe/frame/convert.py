"""Any grid to a frame: a history becomes a trend frame, everything else a frame of entities."""

from __future__ import annotations

from datetime import tzinfo
from typing import Literal, overload

import pandas as pd

from hsframe.errors import CallError
from hsframe.frame.entities import entity_frame
from hsframe.frame.histories import grid_histories, is_history
from hsframe.frame.labels import Header
from hsframe.frame.points_like import PointsLike, as_points
from hsframe.frame.trend import Shape, trend_frame
from hsframe.grid import Grid


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
        What is known of the points: their names, units, zones and kinds (see
        :func:`hsframe.frame.points_like.as_points`). A history without ids takes them in order.
    header, shape, tz
        For a history, see :mod:`hsframe.frame.labels` and :func:`hsframe.frame.trend.trend_frame`.

    Returns
    -------
    DataFrame
        See :func:`hsframe.frame.trend.trend_frame` (a dict of them with ``shape="dict"``) and
        :func:`hsframe.frame.entities.entity_frame`.

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
        raise CallError(f"this is an error grid and has no frame; the server says: {dis}", grid)
    if not is_history(grid):
        return entity_frame(grid)
    given = as_points(points) if points is not None else []
    histories = grid_histories(grid, {point.id: point for point in given}, ids=[point.id for point in given])
    return trend_frame(histories, header=header, shape=shape, tz=tz)
