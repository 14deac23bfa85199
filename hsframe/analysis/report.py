"""What a frame holds, column by column: the statistics and the quality of its data, each number in its unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hsframe.frame.points import differing_of, points_of
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype

_WITH_UNIT = ("min", "mean", "max")


def describe(df: pd.DataFrame, percentiles: Any = None) -> pd.DataFrame:
    """The statistics of ``DataFrame.describe`` for the numeric columns, each with its unit.

    Parameters
    ----------
    df : DataFrame
        Any frame.
    percentiles : sequence of float, optional
        As for ``DataFrame.describe``.

    Returns
    -------
    DataFrame
        A column for each numeric column, of objects: first a row ``unit``, then ``count``, ``mean``, ``std``, ... The
        numbers are floats that know their unit (``.unit``): a standard deviation of °F is in Δ°F, a count is in
        none, so no column as a whole could have one unit.
    """
    numeric = df.select_dtypes("number")
    columns: dict[int, Any] = {}
    rows: list[Any] = ["unit"]
    for place in range(numeric.shape[1]):
        array = numeric.iloc[:, place].array
        magnitudes = pd.Series(np.asarray(array, dtype=np.float64) if isinstance(array, UnitArray) else array)
        plain = magnitudes.describe(percentiles=percentiles)
        rows = ["unit", *plain.index]
        if isinstance(array, UnitArray):
            spread = array.std()
            cells = [array.unit, int(plain["count"])]
            for name, value in plain.iloc[1:].items():
                cells.append(spread if name == "std" else UnitArray(np.array([value]), array.dtype)[0])
        else:
            cells = [None, int(plain["count"]), *plain.iloc[1:].tolist()]
        columns[place] = pd.array(cells, dtype=object)
    result = pd.DataFrame(columns, index=pd.Index(rows))
    result.columns = numeric.columns
    return result


def report(df: pd.DataFrame) -> pd.DataFrame:
    """One row per column: what it is, how complete it is, and where it looks wrong.

    Parameters
    ----------
    df : DataFrame
        A trend frame; of a frame without a time index the columns about time are missing.

    Returns
    -------
    DataFrame
        Index: the columns' labels. Columns: ``id``, ``unit``, ``kind`` (where known); ``samples`` and ``missing``
        (counts of rows), ``infinite``; ``differing`` (samples dropped at a repeated instant whose value was another);
        ``min``, ``mean``, ``max`` (floats that know their unit); ``first`` and ``last`` (instants with a sample);
        ``interval`` (the usual time between samples) and ``longest_gap``; ``stuck`` (the longest run of samples of
        one value, as a share of all).
    """
    points, differing = points_of(df), differing_of(df)
    rows = []
    for place, label in enumerate(df.columns):
        series = df.iloc[:, place]
        point = points.get(label) if isinstance(label, str) else None
        row: dict[str, Any] = {
            "id": None if point is None else point.id,
            "unit": unit_of_dtype(series.dtype),
            "kind": None if point is None else point.kind,
        }
        rows.append(
            {**row, **_counts(series), "differing": differing.get(label, 0), **_range(series), **_times(series)}
        )
    index = pd.Index(df.columns, name="point")
    # As objects, or pandas would make plain floats of the floats with a unit.
    columns = {
        name: pd.array([row[name] for row in rows], dtype=object) if name in _WITH_UNIT else [row[name] for row in rows]
        for name in (rows[0] if rows else ())
    }
    return pd.DataFrame(columns, index=index)


def _counts(series: pd.Series[Any]) -> dict[str, Any]:
    present = series.notna()
    infinite = 0
    if _is_number(series):
        infinite = int(np.isinf(series.to_numpy(dtype=np.float64, na_value=np.nan)).sum())
    return {"samples": int(present.sum()), "missing": int((~present).sum()), "infinite": infinite}


def _is_number(series: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype)


def _range(series: pd.Series[Any]) -> dict[str, Any]:
    if not _is_number(series) or not series.notna().any():
        return {"min": None, "mean": None, "max": None}
    return {"min": series.min(), "mean": series.mean(), "max": series.max()}


def _times(series: pd.Series[Any]) -> dict[str, Any]:
    there = series.dropna()
    nothing = {"first": pd.NaT, "last": pd.NaT, "interval": pd.NaT, "longest_gap": pd.NaT, "stuck": np.nan}
    if there.empty:
        return nothing
    same = np.asarray(there.iloc[1:].array == there.iloc[:-1].array, dtype=bool)
    runs = np.diff(np.flatnonzero(np.concatenate([[True], ~same, [True]])))
    stuck = float(runs.max() / len(there))
    if not isinstance(there.index, pd.DatetimeIndex):
        return {**nothing, "stuck": stuck}
    steps = pd.Series(there.index[1:] - there.index[:-1])
    usual, longest = (pd.NaT, pd.NaT) if steps.empty else (steps.median(), steps.max())
    return {
        "first": there.index[0],
        "last": there.index[-1],
        "interval": usual,
        "longest_gap": longest,
        "stuck": stuck,
    }
