"""Reductions, accumulations, groups and NumPy's functions, on the doubles of unit arrays; and the unit of each.

The units of results are those of :mod:`hsframe.units.unit_rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.arrays import Places
from hsframe.errors import UnitError
from hsframe.unit_array.groups import reduce_runs
from hsframe.unit_array.pandas_internals import grouped, nanops
from hsframe.unit_array.scalars import UnitFloat
from hsframe.unit_array.values import UnitValues
from hsframe.units.scalars import magnitudes, refuse_several
from hsframe.units.unit_rules import statistic_unit

_REDUCERS: Final = {
    name: getattr(nanops, f"nan{name}")
    for name in ("any", "all", "sum", "prod", "mean", "median", "min", "max", "std", "var", "sem", "skew", "kurt")
}
_ACCUMULATORS: Final[dict[str, Callable[..., Any]]] = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "cummin": np.minimum.accumulate,
    "cummax": np.maximum.accumulate,
}
_REDUCTIONS: Final = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logical_or: "any",
    np.logical_and: "all",
}
_OPTIONS: Final = dict.fromkeys(("sum", "prod"), "min_count") | dict.fromkeys(("std", "var", "sem"), "ddof")
_ACCUMULATIONS: Final = {np.add: "cumsum", np.multiply: "cumprod", np.maximum: "cummax", np.minimum: "cummin"}


def _method(name: str) -> Callable[..., Any]:
    """A reduction as NumPy and some libraries call it; pandas itself goes through _reduce."""

    def method(self: UnitReductions, *, skipna: bool = True, **kwargs: Any) -> Any:
        # NumPy gives axis, dtype and out too, which have no meaning here.
        own = {option: value for option, value in kwargs.items() if option == _OPTIONS.get(name)}
        return self._reduce(name, skipna=skipna, **own)

    method.__name__ = name
    method.__doc__ = f"The {name} of the values, see :func:`hsframe.units.unit_rules.statistic_unit`."
    return method


class UnitReductions(UnitValues):
    """The part of a unit array that sums up, and that NumPy's functions call."""

    def _reduce(self, name: str, *, skipna: bool = True, keepdims: bool = False, **kwargs: Any) -> Any:
        if name == "count":
            count = int(np.count_nonzero(~np.isnan(self._data)))
            return np.array([count]) if keepdims else count
        if name in ("argmin", "argmax"):
            place = getattr(nanops, f"nan{name}")(self._data, axis=0, skipna=skipna)
            return np.array([place]) if keepdims else place
        reducer = _REDUCERS.get(name)
        if reducer is None:
            raise TypeError(f"{type(self).__name__} does not support operation {name!r}")
        result = reducer(self._data, axis=0, skipna=skipna, **kwargs)
        unit = statistic_unit(name, self.unit)
        if keepdims:
            return self._like(np.array([result]), unit)
        if unit is None or result != result:
            return result
        return UnitFloat(result, unit)

    def _accumulate(self, name: str, *, skipna: bool = True, **kwargs: Any) -> Any:
        values = nanops.na_accum_func(self._data, _ACCUMULATORS[name], skipna=skipna)
        return self._like(values, statistic_unit(name, self.unit))

    # By name, for type checkers.
    any, all, sum, prod, mean, median = map(_method, ("any", "all", "sum", "prod", "mean", "median"))
    min, max, std, var, sem, skew, kurt = map(_method, ("min", "max", "std", "var", "sem", "skew", "kurt"))

    def cumsum(self, *, skipna: bool = True, **kwargs: Any) -> Any:
        """The running sum, in the same unit."""
        return self._accumulate("cumsum", skipna=skipna)

    def _groupby_op(
        self, *, how: str, has_dropped_na: bool, min_count: int, ngroups: int, ids: Places, **kwargs: Any
    ) -> Any:
        values = reduce_runs(self._data, how, ids, ngroups, min_count, kwargs)
        if values is None:
            values = grouped(
                self._data, how, has_dropped_na, min_count=min_count, comp_ids=ids, ngroups=ngroups, **kwargs
            )
        # ohlc gives four columns, and a unit array has one.
        return self._like(values, statistic_unit(how, self.unit) if values.ndim == 1 else None)

    def _groupby_quantile(self, **kwargs: Any) -> Any:
        return self._like(super()._groupby_quantile(**kwargs), self.unit)  # type: ignore[misc]  # of ExtensionArray

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        # A function that does not keep a unit gives plain arrays; a wrong unit is never given. out= is taken for
        # plain arrays only.
        if any(isinstance(item, pd.Series | pd.Index | pd.DataFrame) for item in inputs):
            return NotImplemented
        if method == "__call__" and not kwargs:
            return self._called(ufunc, inputs)
        if method == "reduce" and ufunc in _REDUCTIONS and not kwargs.get("keepdims") and "out" not in kwargs:
            return self._reduce(_REDUCTIONS[ufunc], skipna=False)
        if method == "accumulate" and ufunc in _ACCUMULATIONS and "out" not in kwargs:
            return self._accumulate(_ACCUMULATIONS[ufunc], skipna=False)
        refuse_several(inputs, f"np.{ufunc.__name__}, called so,")
        return getattr(ufunc, method)(*map(magnitudes, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Only for ``@`` and ``dot``, whose result pandas gives the unit of the operands, as if kW times kW were kW.
        if func is not np.dot:
            return np.empty(0).__array_function__(func, (np.ndarray,), args, kwargs)  # NumPy's own
        left, right = args[:2]
        if max(np.ndim(left), np.ndim(right)) > 1:
            raise UnitError(
                f"a frame @ a column of {self.unit} has no rule of units; take the plain numbers of both, as in "
                "df.hs.magnitude() @ column.hs.magnitude()"
            )
        products = left * right
        return np.add.reduce(products) if np.ndim(left) == np.ndim(right) else products
