"""What happens when columns with units meet: the one place where it is said.

========================== ==============================================================================
``a + b``, ``a - b``       One unit: that unit. Convertible units: `b` is converted to the unit of `a`
                           (or refused, by ``hsframe.options.unit_mixing = "raise"``). Others raise UnitError.
temperatures               °F - °F is Δ°F; °F ± Δ°F and Δ°F + °F are °F; Δ°F - °F raises UnitError.
                           °F + °F is °F, for the sake of averages. Δ°F ± Δ°C is Δ°F.
a plain number or array    is taken to be in the column's unit in ``+``, ``-``, comparisons and assignments (for a
                           temperature: a difference, ``temp - 2`` is °F), and is a factor in ``*`` and ``/``,
                           which keeps the unit.
``a / b`` of one quantity  a plain number: `b` is converted first, so kWh / MWh is the true ratio.
``a * b``, ``a / b``       the table's unit of that dimension, scale and quantity where one fits: kW x h is kWh,
                           kVA x h is kVAh, kWh / h is kW, kW / kVA is pf; else plain float64, of the magnitudes as
                           they are. So does ``1 / a``: ``1 / h`` is ``/h``.
``a * duration``           a Timedelta, or an array of them, counts in hours, minutes, seconds or days, the first with
                           which the table has a unit: kW x 15 min is kWh, cfm x 1 h is ft³, kWh / 1 h is kW. An array
                           of durations stands on the right: on the left pandas scales the durations.
``a // b``, ``a % b``      one quantity: a plain number, and a remainder in the unit of `a`. A plain divisor keeps the
                           unit in both; different quantities raise UnitError.
``a ** n``                 the table's unit where there is one (m ** 2 is m²), else plain float64.
``a == b``, ``a < b``      compare after conversion. Where units do not convert, ``==`` is False and ``!=`` True
                           everywhere (as the standard's filters have it), and an order raises UnitError.
NumPy functions            that keep a unit keep it (abs, round, floor, maximum, ...); sqrt gives m of m²; all others
                           (exp, log, sin, ...) give plain float64.
reductions                 mean, median, sum, min, max, quantile, first, last, cumulative sums and extremes keep the
                           unit; std and sem are differences (Δ°F of °F); var has the unit squared where the table
                           has it, else none; prod, skew, kurt, rank, counts have none. All by group and by period too.
``map``, ``apply``         of a function that computes a new number give plain float64: nothing knows its unit.
========================== ==============================================================================

A missing value is NaN and stays missing in every operation; compared with anything it is False (``!=``: True).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray

from hsframe.errors import UnitError
from hsframe.kinds import Number
from hsframe.unit_array.scalars import UnitFloat, as_float, conversion
from hsframe.units import convertible, delta, divide, multiply, power

__all__ = ["UnitArithmetic", "difference_unit", "squared_unit"]

Floats = npt.NDArray[np.float64]
Operand = Any  # a float, or a float64 array
Operator = Callable[[Operand, Operand], Operand]

_DURATIONS: Final = {
    "h": pd.Timedelta(hours=1),
    "min": pd.Timedelta(minutes=1),
    "s": pd.Timedelta(seconds=1),
    "day": pd.Timedelta(days=1),
}
# pandas unwraps these and comes back with their arrays.
_PANDAS: Final = (pd.Series, pd.Index, pd.DataFrame)
_SYMBOLS: Final = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}


def difference_unit(unit: str) -> str:
    """The unit of a spread: of a standard deviation, a difference, an error."""
    return delta(unit)


def squared_unit(unit: str) -> str | None:
    """The unit of a variance, None where the table has none."""
    return power(delta(unit), 2)


def _sum_units(a: str, b: str, sign: str) -> tuple[str, str, str]:
    """The units that `a` and `b` are converted to before ``+`` or ``-``, and the unit of the result."""
    diff_a, diff_b = delta(a), delta(b)
    a_is_point, b_is_point = diff_a != a, diff_b != b
    if a_is_point and b_is_point:
        return (a, a, diff_a) if sign == "-" else (a, a, a)
    if a_is_point and convertible(b, diff_a):
        return a, diff_a, a
    if b_is_point and convertible(a, diff_b):
        if sign == "-":
            raise UnitError(f"cannot compute {a} - {b}: a temperature cannot be taken from a difference")
        return diff_b, b, b
    return a, a, a


class UnitArithmetic:
    """The operators of a unit array."""

    _data: Floats

    if TYPE_CHECKING:

        @property
        def unit(self) -> str: ...  # noqa: D102 - UnitArray says it
        def _like(self, values: Floats, unit: str | None) -> Any: ...

    __array_priority__ = 1000

    # Operands --------------------------------------------------------------------------------------------------

    def _operand(self, other: object, symbol: str) -> tuple[Operand, str | None] | None:
        """The magnitudes of the other operand and their unit; None where it is no number."""
        if isinstance(other, UnitArithmetic):
            self._check_length(other._data)
            return other._data, other.unit
        if isinstance(other, UnitFloat | Number):
            return float(other), other.unit
        if isinstance(other, int | float | np.integer | np.floating) or other is pd.NA:
            return np.nan if other is pd.NA else float(other), None  # type: ignore[arg-type]
        if isinstance(other, list | tuple):
            from hsframe.unit_array.array import UnitArray

            try:
                return self._operand(
                    UnitArray._from_sequence(other, dtype=self._like(self._data[:0], self.unit).dtype), symbol
                )
            except TypeError:
                return None
        if isinstance(other, np.ndarray | ExtensionArray):
            return self._array_operand(other, symbol)
        return None

    def _array_operand(self, other: Any, symbol: str) -> tuple[Operand, str | None] | None:
        if isinstance(other, np.ndarray) and other.ndim == 0:
            return self._operand(other.item(), symbol)
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
            if any(isinstance(item, UnitFloat | Number) and item.unit is not None for item in other):
                return np.array([as_float(item, self.unit, what) for item in other], dtype=np.float64), self.unit
            return np.array([as_float(item, self.unit, what) for item in other], dtype=np.float64), None
        except TypeError:
            return None

    def _duration(self, other: Any, name: str, reflected: bool) -> tuple[Operand, str | None] | None:
        """A duration in the unit of time with which this unit is multiplied or divided; None of anything else."""
        is_array = getattr(getattr(other, "dtype", None), "kind", "") == "m"
        if not is_array and not isinstance(other, timedelta):
            return None
        if name == "mul" or (name == "truediv" and not reflected):
            combine = multiply if name == "mul" else divide
            for unit, one in _DURATIONS.items():
                if combine(self.unit, unit) is not None:
                    if is_array:
                        self._check_length(other)
                        return np.asarray(pd.to_timedelta(other) / one, dtype=np.float64), unit
                    return pd.Timedelta(other) / one, unit
        raise UnitError(
            f"cannot compute {self.unit} {_SYMBOLS[name]} a duration: the unit table has no unit for it; take a number "
            'of hours instead, as in hsframe.Number(0.25, "h")'
        )

    def _check_length(self, other: Any) -> None:
        if len(other) != len(self._data):
            raise ValueError(f"Lengths must match: {len(self._data)} and {len(other)} values")

    # Arithmetic ------------------------------------------------------------------------------------------------

    def _arithmetic(self, other: object, op: Operator, name: str, *, reflected: bool = False) -> Any:
        if isinstance(other, UnitArithmetic) and name in ("add", "sub"):
            # The usual case first: a frame of 500 columns comes here 500 times.
            own = self.unit
            if other.unit == own and delta(own) == own and len(other._data) == len(self._data):
                return self._like(op(self._data, other._data), own)
        if isinstance(other, _PANDAS):
            return NotImplemented
        operand = self._duration(other, name, reflected) or self._operand(other, _SYMBOLS[name])
        if operand is None:
            return NotImplemented
        values, unit = operand
        if reflected:
            return self._computed(values, unit, self._data, self.unit, op, name)
        return self._computed(self._data, self.unit, values, unit, op, name)

    def _computed(self, x: Operand, a: str | None, y: Operand, b: str | None, op: Operator, name: str) -> Any:
        if name in ("add", "sub"):
            x, y, unit = self._aligned_sum(x, a, y, b, _SYMBOLS[name])
        elif name == "mul":
            unit = multiply(a, b) if a is not None and b is not None else a or b
        elif name == "truediv":
            if a is not None and b is not None and convertible(b, a):
                y, unit = self._converted(y, b, a, "/"), None
            else:
                unit = a if b is None else divide(a, b)
        elif name in ("floordiv", "mod"):
            if a is not None and b is not None:
                y = self._converted(y, b, a, _SYMBOLS[name])
            unit = (a or b) if name == "mod" else (a if b is None else None)
        else:
            unit = power(a, y) if a is not None and b is None and isinstance(y, float) else None
        return self._like(op(x, y), unit)

    def _aligned_sum(
        self, x: Operand, a: str | None, y: Operand, b: str | None, sign: str
    ) -> tuple[Operand, Operand, str | None]:
        if a is None or b is None:
            return x, y, a or b
        if a == b and delta(a) == a:
            return x, y, a
        to_a, to_b, result = _sum_units(a, b, sign)
        return self._converted(x, a, to_a, sign, b), self._converted(y, b, to_b, sign, a), result

    def _converted(self, values: Operand, source: str, target: str, symbol: str, other: str | None = None) -> Operand:
        change = conversion(source, target, f"compute {other or target} {symbol} {source}")
        return values if change is None else change(values)

    def _divmod(self, other: object, *, reflected: bool = False) -> Any:
        whole = self._arithmetic(other, operator.floordiv, "floordiv", reflected=reflected)
        if whole is NotImplemented:
            return NotImplemented
        return whole, self._arithmetic(other, operator.mod, "mod", reflected=reflected)

    # Comparison ------------------------------------------------------------------------------------------------

    def _comparison(self, other: object, op: Operator, name: str) -> Any:
        if isinstance(other, _PANDAS):
            return NotImplemented
        operand = self._operand(other, _SYMBOLS[name])
        if operand is None:
            if name in ("eq", "ne"):
                if isinstance(other, np.ndarray | ExtensionArray | list | tuple):
                    self._check_length(other)
                return np.full(len(self._data), name == "ne")
            return NotImplemented
        values, unit = operand
        if unit is not None and unit != self.unit:
            if name in ("eq", "ne") and not convertible(unit, self.unit):
                return np.full(len(self._data), name == "ne")
            values = self._converted(values, unit, self.unit, _SYMBOLS[name])
        return op(self._data, values)

    # Operators -------------------------------------------------------------------------------------------------

    def __neg__(self) -> Any:
        return self._like(-self._data, self.unit)

    def __pos__(self) -> Any:
        return self._like(self._data.copy(), self.unit)

    def __abs__(self) -> Any:
        return self._like(np.abs(self._data), self.unit)

    def __divmod__(self, other: object) -> Any:
        return self._divmod(other)

    def __rdivmod__(self, other: object) -> Any:
        return self._divmod(other, reflected=True)


def _operators(name: str, op: Operator) -> None:
    def direct(self: UnitArithmetic, other: object) -> Any:
        return self._arithmetic(other, op, name)

    def reflected(self: UnitArithmetic, other: object) -> Any:
        return self._arithmetic(other, op, name, reflected=True)

    for prefix, method in (("", direct), ("r", reflected)):
        method.__name__ = f"__{prefix}{name}__"
        method.__qualname__ = f"UnitArithmetic.{method.__name__}"
        setattr(UnitArithmetic, method.__name__, method)


def _comparisons(name: str, op: Operator) -> None:
    def method(self: UnitArithmetic, other: object) -> Any:
        return self._comparison(other, op, name)

    method.__name__ = f"__{name}__"
    method.__qualname__ = f"UnitArithmetic.{method.__name__}"
    setattr(UnitArithmetic, method.__name__, method)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _operators(_name, getattr(operator, _name))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparisons(_name, getattr(operator, _name))
UnitArithmetic.__hash__ = None  # type: ignore[assignment]  # arrays compare by value
