"""Order, equality and place: what of a unit array pandas asks by value, answered from the doubles."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hsframe.errors import UnitError
from hsframe.unit_array.pandas_internals import algorithms, quantile_with_mask
from hsframe.unit_array.scalars import as_float
from hsframe.unit_array.values import Floats, UnitValues


class UnitOrder(UnitValues):
    """The part of a unit array that sorts, finds, counts and moves."""

    def _values_for_argsort(self) -> Floats:
        return self._data

    def _values_for_factorize(self) -> tuple[Floats, float]:
        return self._data, math.nan

    def unique(self) -> Any:
        """The different values in order of appearance."""
        return self._simple(algorithms.unique(self._data), self._dtype)

    def searchsorted(self, value: Any, side: Any = "left", sorter: Any = None) -> Any:
        """Where values belong in a sorted array; values of a convertible unit are converted."""
        return self._data.searchsorted(self._value_to_set(value), side=side, sorter=sorter)

    def duplicated(self, keep: Any = "first") -> npt.NDArray[np.bool_]:
        """Which values were there before."""
        return np.asarray(algorithms.duplicated(self._data, keep=keep))

    def isin(self, values: Any) -> npt.NDArray[np.bool_]:
        """Which values are among `values`; those of another unit are not, unless they convert."""
        if isinstance(values, UnitOrder):
            try:
                values = values.magnitudes_in(self.unit, "look up")
            except UnitError:
                return np.zeros(len(self._data), dtype=np.bool_)
        elif isinstance(values, np.ndarray) and values.dtype == object:
            found = []
            for item in values:
                with contextlib.suppress(UnitError, TypeError):
                    found.append(as_float(item, self.unit, "look up"))
            values = np.array(found, dtype=np.float64)
        return np.asarray(algorithms.isin(self._data, values))

    def round(self, decimals: int = 0, *args: Any, **kwargs: Any) -> Any:
        """The values rounded."""
        return self._simple(self._data.round(decimals), self._dtype)

    def clip(self, lower: Any = None, upper: Any = None, **kwargs: Any) -> Any:
        """The values between two bounds of this or of a convertible unit."""
        bounds = [None if bound is None else self._value_to_set(bound) for bound in (lower, upper)]
        return self._simple(np.clip(self._data, *bounds), self._dtype)

    def _rank(self, *, axis: Any = 0, **kwargs: Any) -> Floats:
        return np.asarray(algorithms.rank(self._data, axis=axis, **kwargs), dtype=np.float64)

    def _quantile(self, qs: Floats, interpolation: str) -> Any:
        values = quantile_with_mask(self._data, np.isnan(self._data), np.nan, qs, interpolation)
        return self._simple(np.asarray(values, dtype=np.float64), self._dtype)

    def _mode(self, dropna: bool = True) -> Any:
        result = algorithms.mode(self._data, dropna=dropna)
        values = result[0] if isinstance(result, tuple) else result
        return self._simple(np.asarray(values, dtype=np.float64), self._dtype)
