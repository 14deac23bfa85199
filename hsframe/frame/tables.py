"""Frames of single values, as statistics, which keep their units.

pandas makes plain doubles of values of unit columns in ``df.agg({...})`` and in ``pd.DataFrame([{...}])``: they are
floats to it, and it asks nobody for their dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.in_units import in_one_unit, magnitudes, united
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.unit_array.mixed import objects_of
from hsframe.unit_array.scalars import is_missing, unit_of
from hsframe.units import delta

Statistic: TypeAlias = "str | Callable[[pd.Series[Any]], Any]"
"""The name of a reduction of pandas, or a function of a column."""


def table(rows: Iterable[Mapping[Hashable, object]], index: Iterable[Hashable] | None = None) -> pd.DataFrame:
    """A frame of single values that keeps their units, as of a list of results.

    Parameters
    ----------
    rows : iterable of dict or Series
        One for each row: column labels to values, such as ``df["Meter"].sum()``; a label that a row does not have is
        missing there.
    index : iterable of labels, optional
        Those of the rows; by default 0, 1, ...

    Returns
    -------
    DataFrame
        Columns in the order in which their labels come first. One whose values have units that convert has the unit of
        the first; one of units that do not, or of values with and without, has :class:`~hsframe.Number` objects. All
        others are as pandas makes them.

    Examples
    --------
    >>> kwh, mwh = pd.Series([900.0, 600.0], dtype="unit[kWh]"), pd.Series([2.0], dtype="unit[MWh]")
    >>> table([{"used": kwh.sum(), "days": 2}, {"used": mwh.sum(), "days": 1}], index=["North", "South"]).dtypes
    used    unit[kWh]
    days        int64
    dtype: object
    """
    records = list(rows)
    if strange := [record for record in records if not isinstance(record, (Mapping, pd.Series))]:
        raise TypeError(
            f"the rows of a table are dicts or Series, as in [{{'Meter': df['Meter'].sum()}}]; got {strange[0]!r}"
        )
    labels = dict.fromkeys(label for record in records for label in record.keys())  # noqa: SIM118 - a Series, too
    names = list(range(len(records)) if index is None else index)
    if len(names) != len(records):
        raise MetadataError(f"a table of {len(records)} rows has as many labels; index= gives {len(names)}")
    columns = {label: _column([record.get(label, math.nan) for record in records]) for label in labels}
    return pd.DataFrame(columns, index=range(len(names)) if index is None else names)


def describe(df: pd.DataFrame, percentiles: Any = None) -> pd.DataFrame:
    """The statistics of ``DataFrame.describe`` for the numeric columns, each with its unit.

    Parameters
    ----------
    df : DataFrame
        Any frame; a column of objects in units that convert counts in the first one.
    percentiles : sequence of float, optional
        As for ``DataFrame.describe``.

    Returns
    -------
    DataFrame
        A column for each numeric column, of objects: first a row ``unit``, then ``count``, ``mean``, ``std``, ... The
        numbers are floats that know their unit (``.unit``): a standard deviation of °F is in Δ°F, a count is in
        none, so no column as a whole could have one unit.
    """
    numeric = in_one_unit(df).select_dtypes("number")
    plain = magnitudes(numeric)
    columns: dict[int, Any] = {}
    rows: list[Any] = ["unit"]
    for place, dtype in enumerate(numeric.dtypes):
        unit, found = unit_of_dtype(dtype), plain.iloc[:, place].describe(percentiles=percentiles)
        rows = ["unit", *found.index]
        cells = [unit, int(found.iloc[0]), *found.iloc[1:].tolist()]
        if unit is not None:
            units = [delta(unit) if name == "std" else unit for name in rows]
            cells[2:] = [UnitArray(np.array([cell]), own)[0] for cell, own in zip(cells[2:], units[2:], strict=True)]
        columns[place] = pd.array(cells, dtype=object)
    result = pd.DataFrame(columns, index=pd.Index(rows))
    result.columns = numeric.columns
    return result


def aggregated(
    frame: pd.DataFrame, func: Statistic | list[Statistic] | Mapping[Hashable, Any] | None, named: Mapping[str, Any]
) -> pd.Series[Any] | pd.DataFrame:
    """The statistics of :meth:`hsframe.analysis.accessor.FrameAccessor.agg`."""
    if named:
        if func is not None:
            raise TypeError("agg takes func, or name=(column, statistic), not both")
        blank = dict.fromkeys((column for column, _ in named.values()), math.nan)
        return table((blank | {column: _value(frame, column, how)} for column, how in named.values()), index=named)
    if func is None:
        raise TypeError("agg needs statistics, as in df.hs.agg('max') or df.hs.agg({'Meter': 'sum'})")
    by_column: dict[Hashable, Any] = dict(func) if isinstance(func, Mapping) else dict.fromkeys(frame.columns, func)
    if not any(isinstance(how, list | tuple) for how in by_column.values()):
        values = [_value(frame, label, how) for label, how in by_column.items()]
        return pd.Series(_column(values), index=list(by_column))
    lists = {label: how if isinstance(how, list | tuple) else [how] for label, how in by_column.items()}
    for label, hows in lists.items():
        if len({_name(how) for how in hows}) < len(hows):
            raise TypeError(
                f"agg: two statistics of {label!r} have one name; give each a name, as in low=({label!r}, f)"
            )
    found = {label: {_name(how): _value(frame, label, how) for how in hows} for label, hows in lists.items()}
    names = dict.fromkeys(name for values_by_name in found.values() for name in values_by_name)
    return table(({label: found[label].get(name, math.nan) for label in found} for name in names), index=names)


# Python's own function adds value by value, and °F + °F is °F; the sum of a column of them has no unit.
_BY_NAME: Mapping[Any, Statistic] = {sum: "sum"}


def _value(frame: pd.DataFrame, label: Hashable, how: Any) -> Any:
    column: Any = frame[label]
    if isinstance(column, pd.DataFrame):
        raise MetadataError(
            f"agg: {column.shape[1]} columns are named {label!r}; rename them, since a statistic is of one"
        )
    if not isinstance(how, str) and not callable(how):
        raise TypeError(f"agg: a statistic is a name, as 'max', or a function of a column; got {how!r}")
    (column,) = (one for _, one in in_one_unit(column.to_frame(label)).items())
    how = _BY_NAME.get(how, how)
    return how(column) if callable(how) else column.agg(how)


def _name(how: Statistic) -> str:
    return how if isinstance(how, str) else getattr(how, "__name__", repr(how))


def _column(cells: list[Any]) -> Any:
    if (array := united(cells)) is not None:
        return array
    has_units = any(unit_of(cell) for cell in cells)
    return objects_of(math.nan if is_missing(cell) else cell for cell in cells) if has_units else cells
