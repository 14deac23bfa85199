"""A frame as a Dataset of xarray."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hsframe.errors import MetadataError, UnitError
from hsframe.frame.points import column_points
from hsframe.frame.stamps import has_both_ends
from hsframe.kinds import Number
from hsframe.unit_array.dtype import unit_of_dtype


def frame_to_xarray(df: pd.DataFrame) -> Any:
    """What ``df.hs.to_xarray()`` gives."""
    try:
        import xarray
    except ImportError as error:
        raise MetadataError("df.hs.to_xarray() needs xarray: pip install 'hsframe[xarray]'") from error
    if not df.columns.is_unique:
        twice = ", ".join(map(repr, df.columns[df.columns.duplicated()].unique()))
        raise MetadataError(f"a Dataset needs different names of its variables; twice: {twice}")
    index: Any = df.index
    end = None
    if has_both_ends(index):  # one dimension: the end is another coordinate of each interval
        index, end = index.droplevel("end"), index.get_level_values("end")
    levels = index.levels if isinstance(index, pd.MultiIndex) else [index]
    unnamed = [f"level_{n}" for n in range(len(levels))] if isinstance(index, pd.MultiIndex) else ["index"]
    names = [name if own is None else own for own, name in zip(index.names, unnamed, strict=True)]
    # As labels in full: of columns in levels, none is the name of a level.
    if taken := [name for name in [*names, *df.index.names] if name is not None and name in list(df.columns)]:
        raise MetadataError(
            f"the index and a column are both named {taken[0]!r}, and would be one variable; rename the column"
        )
    plain = [_without_zone(level) for level in levels]
    frame = pd.DataFrame(
        {label: _plain(column) for label, column in df.items()},
        index=index.set_levels(plain) if isinstance(index, pd.MultiIndex) else plain[0],
    )
    dataset = xarray.Dataset.from_dataframe(frame)
    for (label, dtype), point in zip(df.dtypes.items(), column_points(df), strict=True):
        known = {"units": unit_of_dtype(dtype), "id": None if point is None else point.id}
        dataset[label].attrs.update({name: value for name, value in known.items() if value})
    if end is not None:
        dataset = dataset.assign_coords(end=("start", _without_zone(end)))
        names, levels = [*names, "end"], [*levels, end]
    for name, level in zip(names, levels, strict=True):
        if isinstance(level, pd.DatetimeIndex) and level.tz is not None:
            dataset[name].attrs["tz"] = str(level.tz)
    return dataset


def _without_zone(times: Any) -> Any:
    has_zone = isinstance(getattr(times, "dtype", None), pd.DatetimeTZDtype)
    return times.tz_convert("UTC").tz_localize(None) if has_zone else times


def _plain(column: pd.Series[Any]) -> Any:
    """The values of a column in an array of NumPy."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _without_zone(pd.DatetimeIndex(column)).to_numpy()
    if pd.api.types.is_extension_array_dtype(column.dtype):
        if not pd.api.types.is_numeric_dtype(column.dtype):
            return column.astype(object).to_numpy()
        if pd.api.types.is_bool_dtype(column.dtype) and not column.isna().any():
            return column.to_numpy(dtype=bool)
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if column.dtype == object and any(isinstance(value, Number) for value in column):
        raise UnitError(f"column {column.name!r} has values of several units; convert it first with df.hs.to(...)")
    return column.to_numpy()
