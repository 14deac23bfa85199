"""Units given back to results for which pandas asks no array: of windows, of NumPy's and other libraries' functions."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd

from hsframe.errors import MetadataError, UnitError
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.units.unit_rules import statistic_unit

Result = TypeVar("Result", pd.DataFrame, "pd.Series[Any]")

_WITHOUT_UNIT: Final = frozenset(
    "count size nunique skew kurt kurtosis prod cumprod rank corr cov idxmin idxmax any all argmin argmax".split()  # noqa: SIM905
)


def with_units(
    result: Result, like: pd.DataFrame | pd.Series[Any], how: str | Mapping[Any, str] | None = None
) -> Result:
    """A result with the units of the frame that it was computed from.

    For what pandas computes on plain numbers: ``rolling``, ``ewm``, ``expanding``, ``ohlc``, NumPy's and other
    libraries' functions.

    Parameters
    ----------
    result : DataFrame or Series
        Its columns (of a MultiIndex: one of its levels, or all but the last; of a Series: its name) are those of
        `like`, each once unless they are the same columns at the same places.
    like : DataFrame or Series
        Where the units are.
    how : str or dict, optional
        What was computed, as pandas calls it, or that of each column: of ``"std"`` the unit is Δ°F for °F, of
        ``"count"`` there is none. Where the columns have one level more than those of `like`, the last names it.

    Returns
    -------
    DataFrame or Series
        A numeric column that has a unit in `like` has it here; all others are as they were.

    Raises
    ------
    UnitError
        A column has a unit already, and another one.
    MetadataError
        `like` has several columns of a label, in different units.

    Examples
    --------
    >>> df = pd.DataFrame({"Power": pd.array([1.0, 3.0], dtype="unit[kW]")})
    >>> with_units(df.rolling(2).mean(), like=df).dtypes["Power"]
    unit[kW]
    """
    if not isinstance(result, pd.DataFrame | pd.Series) or not isinstance(like, pd.DataFrame | pd.Series):
        raise MetadataError(
            f"with_units takes a DataFrame or Series, and like= one too; got {type(result).__name__} and "
            f"{type(like).__name__}; an array becomes one with pd.DataFrame(array, df.index, df.columns)"
        )
    columns = [(like.name, like.dtype)] if isinstance(like, pd.Series) else list(like.dtypes.items())
    units: dict[Hashable, set[str | None]] = {}
    for label, dtype in columns:
        units.setdefault(label, set()).add(unit_of_dtype(dtype))

    def unit_for(label: Hashable, found: set[str | None] | None = None) -> str | None:
        """The unit of a column of the result; `found` is that of the column that it stands for, where that is known."""
        statistic = None
        if found is None:
            name, statistic = _origin(units, label, isinstance(like, pd.Series))
            found = units.get(name, {None})
        if len(found) > 1:
            raise MetadataError(f"several columns of like are named {label!r}, in different units; rename them first")
        statistic = how.get(label) if isinstance(how, Mapping) else how or statistic
        (unit,) = found
        return None if unit is None else unit_after(statistic, unit)

    if isinstance(result, pd.Series):
        return _series_with(result, unit_for(result.name))
    frame = result.copy(deep=False)
    same = isinstance(like, pd.DataFrame) and result.columns.equals(like.columns)
    for place, label in enumerate(result.columns):
        column = result.iloc[:, place]
        unit = unit_for(label, {unit_of_dtype(columns[place][1])} if same else None)
        if (given := _series_with(column, unit)) is not column:
            frame.isetitem(place, given.array)
    if isinstance(like, pd.DataFrame):
        frame.attrs = like.attrs
    return frame


def _origin(known: Collection[Hashable], label: Hashable, of_one: bool) -> tuple[Hashable, str | None]:
    """The column that a label of a result stands for, and the statistic that its last level names."""
    if label in known:
        return label, None
    if of_one:
        return next(iter(known)), str(label[-1] if isinstance(label, tuple) else label)
    if not isinstance(label, tuple):
        return label, None
    return next((name for name in (label[:-1], *label) if name in known), label), str(label[-1])


def unit_after(how: str | None, unit: str) -> str | None:
    """The unit of a statistic of values in `unit`; of one that is not known, `unit` itself."""
    return None if how in _WITHOUT_UNIT else statistic_unit(how, unit, otherwise=unit)


def _series_with(series: pd.Series[Any], unit: str | None) -> pd.Series[Any]:
    if unit is None or not pd.api.types.is_numeric_dtype(series.dtype) or series.dtype == bool:
        return series
    own = unit_of_dtype(series.dtype)
    if own == unit:
        return series
    if own is not None:
        raise UnitError(f"column {series.name!r} is in {own} already, not in {unit}; convert it with df.hs.to")
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    array = UnitArray(values.copy() if not values.flags.writeable else values, unit)
    return pd.Series(array, index=series.index, name=series.name, copy=False)


class UnitWindow:
    """A window of pandas' whose results have the units of the frame `like` that it slides over.

    It has every method of the window (``mean``, ``std``, ``sum``, ``quantile``, ``agg``, ...), which is one of plain
    numbers: ``df.hs.magnitude().rolling(...)``. Results of ``std`` are differences (Δ°F of °F); those of ``count``,
    ``skew``, ``corr`` and their like are plain; those of ``apply`` and ``agg`` with functions of one's own have no unit
    that anyone knows.
    """

    def __init__(self, window: Any, like: Any) -> None:
        self._window = window
        self._like = like

    def __getitem__(self, labels: Any) -> UnitWindow:
        """The same window over some of the columns."""
        return UnitWindow(self._window[labels], self._like[labels])

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._window, name)
        if name in ("apply", "pipe") or not callable(found):
            return found

        def statistic(*args: Any, **kwargs: Any) -> Any:
            result = found(*map(_plain, args), **{key: _plain(value) for key, value in kwargs.items()})
            if not isinstance(result, pd.DataFrame | pd.Series):
                return result
            how: Any = name
            if name in ("agg", "aggregate"):
                func = args[0] if args else kwargs.get("func")
                each = list(func.values()) if isinstance(func, dict) else [func]
                names = [one for item in each for one in (item if isinstance(item, list) else [item])]
                if not all(isinstance(one, str) for one in names):
                    return result
                how = None if any(isinstance(item, list) for item in each) else func  # a list is in the labels
            return with_units(result, self._like, how)  # type: ignore[type-var]  # one of the two, as checked

        statistic.__name__ = name
        statistic.__doc__ = found.__doc__
        return statistic

    def __repr__(self) -> str:
        return f"{self._window!r} with units"

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *dir(self._window)})


def _plain(argument: Any) -> Any:
    """A second frame or column, as of ``corr``, in plain numbers too."""
    return argument.hs.magnitude() if isinstance(argument, pd.DataFrame | pd.Series) else argument
