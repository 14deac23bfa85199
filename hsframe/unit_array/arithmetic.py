"""The operators of unit arrays: the rules of :mod:`hsframe.units.unit_rules`, applied to doubles."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from hsframe.unit_array.scalars import as_float, unit_of
from hsframe.unit_array.values import UnitValues
from hsframe.units import delta
from hsframe.units.scalars import number_operand
from hsframe.units.unit_rules import ARITHMETIC, ORDER, are_comparable, as_duration, conversion, unit_rule

Operand = Any  # a float, or a float64 array
Operator = Callable[[Operand, Operand], Operand]

# pandas unwraps these and comes back with their arrays.
_PANDAS: Final = (pd.Series, pd.Index, pd.DataFrame)


class UnitArithmetic(UnitValues):
    """The operators of a unit array."""

    __array_priority__ = 1000
    # Above other arrays of pandas (1000), so that boolean * kW and int64[pyarrow] * kW come here; below an Index.
    __pandas_priority__ = 1500

    def _operand(self, other: object, symbol: str) -> tuple[Operand, str | None] | None:
        """The magnitudes of the other operand and their unit; None where it is not a number."""
        if isinstance(other, UnitArithmetic):
            self._check_length(other.magnitudes)
            return other.magnitudes, other.unit
        if other is pd.NA:
            return math.nan, None
        if (number := number_operand(other)) is not None:
            return float(number[0]), number[1]
        if isinstance(other, list | tuple):
            try:
                return self._operand(self._from_sequence(other, dtype=self._dtype), symbol)
            except TypeError:
                return None
        if isinstance(other, np.ndarray | ExtensionArray):
            return self._array_operand(other, symbol)
        return None

    def _array_operand(self, other: Any, symbol: str) -> tuple[Operand, str | None] | None:
        if other.ndim != 1:
            return None
        self._check_length(other)
        if other.dtype.kind in "iufb":
            if isinstance(other, np.ndarray):
                return other.astype(np.float64, copy=False), None
            return other.to_numpy(dtype=np.float64, na_value=np.nan), None
        if other.dtype != object:
            return None
        try:
            what = f"compute {self.unit} {symbol} an array of objects"
            unit = next((unit for item in other if (unit := unit_of(item)) is not None), None)
            return np.array([as_float(item, unit or self.unit, what) for item in other]), unit
        except TypeError:
            return None

    def _check_length(self, other: Any) -> None:
        if len(other) != len(self._data):
            raise ValueError(f"Lengths must match: {len(self._data)} and {len(other)} values")

    def _arithmetic(self, other: object, op: Operator, symbol: str, *, reflected: bool = False) -> Any:
        if isinstance(other, UnitArithmetic) and symbol in ("+", "-"):
            # The usual case first: a frame of 500 columns comes here 500 times.
            own = self.unit
            if other.unit == own and delta(own) == own and len(other.magnitudes) == len(self._data):
                return self._like(op(self._data, other.magnitudes), own)
        if isinstance(other, _PANDAS):
            return NotImplemented
        operand = self._operand(other, symbol) or as_duration(other, symbol, self.unit, reflected)
        if operand is None:
            return NotImplemented
        if isinstance(operand[0], np.ndarray):
            self._check_length(operand[0])
        (x, a), (y, b) = (operand, (self._data, self.unit)) if reflected else ((self._data, self.unit), operand)
        rule = unit_rule(symbol, a, b, y if isinstance(y, float) else None)
        return self._like(op(*rule.converted(x, y)), rule.unit)

    def _divmod(self, other: object, *, reflected: bool = False) -> Any:
        whole = self._arithmetic(other, operator.floordiv, "//", reflected=reflected)
        if whole is NotImplemented:
            return NotImplemented
        return whole, self._arithmetic(other, operator.mod, "%", reflected=reflected)

    def _comparison(self, other: object, op: Operator, symbol: str) -> Any:
        if isinstance(other, _PANDAS):
            return NotImplemented
        operand = self._operand(other, symbol)
        if operand is None:
            if symbol not in ("==", "!="):
                return NotImplemented
            if isinstance(other, np.ndarray | ExtensionArray | list | tuple):
                self._check_length(other)
            return np.full(len(self._data), symbol == "!=")
        values, unit = operand
        if not are_comparable(symbol, self.unit, unit):
            return np.full(len(self._data), symbol == "!=")
        change = None if unit is None else conversion(unit, self.unit, f"compute {self.unit} {symbol} {unit}")
        return op(self._data, values if change is None else change(values))

    def __neg__(self) -> Any:
        return self._like(-self._data, self.unit)

    def __pos__(self) -> Any:
        return self._like(self._data.copy(), self.unit)

    def __abs__(self) -> Any:
        return self._like(np.abs(self._data), self.unit)


def _add_operator(name: str, compute: Callable[..., Any], *how: object, **more: object) -> None:
    def method(self: UnitArithmetic, other: object) -> Any:
        return compute(self, other, *how, **more)

    method.__name__ = f"__{name}__"
    method.__qualname__ = f"UnitArithmetic.{method.__name__}"
    setattr(UnitArithmetic, method.__name__, method)


for _symbol, _op in ARITHMETIC.items():
    _add_operator(_op.__name__, UnitArithmetic._arithmetic, _op, _symbol)
    _add_operator(f"r{_op.__name__}", UnitArithmetic._arithmetic, _op, _symbol, reflected=True)
_add_operator("divmod", UnitArithmetic._divmod)
_add_operator("rdivmod", UnitArithmetic._divmod, reflected=True)
for _symbol, _op in {"==": operator.eq, "!=": operator.ne, **ORDER}.items():
    _add_operator(_op.__name__, UnitArithmetic._comparison, _op, _symbol)
UnitArithmetic.__hash__ = None  # type: ignore[assignment]  # arrays compare by value
