"""NumPy's functions over unit arrays."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.kinds import Number
from hsframe.unit_array.reductions import UnitReductions
from hsframe.unit_array.scalars import UnitFloat, as_float
from hsframe.units import power
from hsframe.units.unit_rules import conversion

# The method of the left side, and that of the right side where the left is not a unit array.
_OPERATORS: Final[dict[np.ufunc, tuple[str, str]]] = {
    np.add: ("__add__", "__radd__"),
    np.subtract: ("__sub__", "__rsub__"),
    np.multiply: ("__mul__", "__rmul__"),
    np.true_divide: ("__truediv__", "__rtruediv__"),
    np.floor_divide: ("__floordiv__", "__rfloordiv__"),
    np.remainder: ("__mod__", "__rmod__"),
    np.power: ("__pow__", "__rpow__"),
    np.divmod: ("__divmod__", "__rdivmod__"),
    np.equal: ("__eq__", "__eq__"),
    np.not_equal: ("__ne__", "__ne__"),
    np.less: ("__lt__", "__gt__"),
    np.less_equal: ("__le__", "__ge__"),
    np.greater: ("__gt__", "__lt__"),
    np.greater_equal: ("__ge__", "__le__"),
}
_KEEP: Final = {
    np.positive,
    np.negative,
    np.absolute,
    np.fabs,
    np.rint,
    np.floor,
    np.ceil,
    np.trunc,
    np.conjugate,
}
_CHOOSE: Final = {np.maximum, np.minimum, np.fmax, np.fmin, np.hypot, np.nextafter}
_POWERS: Final = {np.sqrt: 0.5, np.square: 2.0, np.cbrt: 1 / 3, np.reciprocal: -1.0}
_REDUCTIONS: Final = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logical_or: "any",
    np.logical_and: "all",
}
_ACCUMULATIONS: Final = {np.add: "cumsum", np.multiply: "cumprod", np.maximum: "cummax", np.minimum: "cummin"}


class UnitFunctions(UnitReductions):
    """The part of a unit array that NumPy's functions call."""

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
        return getattr(ufunc, method)(*map(_plain, inputs), **kwargs)

    def _called(self, ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
        if ufunc in _OPERATORS:
            left, right = inputs
            direct, reflected = _OPERATORS[ufunc]
            if isinstance(left, UnitFunctions):
                return getattr(left, direct)(right)
            return getattr(right, reflected)(left)
        if ufunc in _KEEP:
            return self._like(ufunc(self._data), self.unit)
        if ufunc in _CHOOSE:
            unit = next(item.unit for item in inputs if getattr(item, "unit", None) is not None)
            return self._like(ufunc(*(_in_unit(item, unit, ufunc.__name__) for item in inputs)), unit)
        values = ufunc(*map(_plain, inputs))
        if ufunc in _POWERS:
            return self._like(values, power(self.unit, _POWERS[ufunc]))
        return values


def _plain(item: Any) -> Any:
    return item.magnitudes if isinstance(item, UnitFunctions) else item


def _in_unit(item: Any, unit: str, name: str) -> Any:
    what = f"compute {name} of {unit} and {getattr(item, 'unit', 'numbers')}"
    if isinstance(item, UnitFloat | Number):
        return as_float(item, unit, what)
    if not isinstance(item, UnitFunctions):
        return np.asarray(item, dtype=np.float64)
    change = conversion(item.unit, unit, what)
    return item.magnitudes if change is None else change(item.magnitudes)
