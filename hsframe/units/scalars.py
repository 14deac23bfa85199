"""The operators of single numbers with a unit, by the rules of :mod:`hsframe.units.unit_rules`, as for columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

import numpy as np

from hsframe.units.unit_rules import ARITHMETIC, ORDER, conversion, time_unit, unit_rule

T = TypeVar("T")

_MOST_EXACT: Final = 2**53  # of a double, which a number is on the wire
_STAYS_WHOLE: Final = frozenset({"+", "-", "*", "//", "%"})


def _operators(symbol: str) -> tuple[Callable[[UnitScalar[T], object], T], Callable[[UnitScalar[T], object], T]]:
    """The methods of an operator, for this number on its left and on its right."""
    return (
        lambda self, other: self._computed(other, symbol),
        lambda self, other: self._computed(other, symbol, reflected=True),
    )


def _comparison(symbol: str) -> Callable[[UnitScalar[Any], object], bool]:
    return lambda self, other: self._compared(other, symbol)


class UnitScalar(Generic[T]):
    """A number `val` with a `unit`, None for a plain one; the results are of class `T`.

    The other side may be a number of Python or NumPy, or a duration in ``*`` and ``/``. ``==`` and hash are those of
    the class: they never convert.
    """

    __slots__ = ()
    # NumPy's numbers and arrays leave an operation to the class with the higher priority.
    __array_priority__ = 1000
    #: Of two classes the one with the higher rank makes the result.
    _rank: ClassVar[int] = 0

    if TYPE_CHECKING:

        @property
        def val(self) -> float:
            """The magnitude."""

        @property
        def unit(self) -> str | None:
            """The symbol of the unit."""

    @classmethod
    def _made(cls, val: float, unit: str | None) -> T:
        raise NotImplementedError

    def _computed(self, other: object, symbol: str, *, reflected: bool = False) -> T:
        if isinstance(other, np.ndarray):
            values = (other, float(self.val)) if reflected else (float(self.val), other)
            return ARITHMETIC[symbol](*values)  # type: ignore[no-any-return]  # a plain array, as of a plain number
        if (operand := _operand(other) or self._duration(other, symbol, reflected)) is None:
            return NotImplemented  # type: ignore[no-any-return]  # for the operators, which may
        (x, a), (y, b) = (operand, (self.val, self.unit)) if reflected else ((self.val, self.unit), operand)
        rule = unit_rule(symbol, a, b, float(y) if symbol == "**" else None)
        val = _calculated(symbol, *rule.converted(x, y))
        made_by: UnitScalar[Any] = other if isinstance(other, UnitScalar) and other._rank > self._rank else self
        return made_by._made(val, rule.unit)  # type: ignore[no-any-return]  # the class of the higher rank

    def _duration(self, other: object, symbol: str, reflected: bool) -> tuple[float, str] | None:
        """A duration in the unit of time with which this unit is multiplied or divided."""
        if not isinstance(other, timedelta) or self.unit is None:
            return None
        unit, one = time_unit("" if reflected and symbol == "/" else symbol, self.unit)
        return other / one, unit

    def _compared(self, other: object, symbol: str) -> bool:
        if isinstance(other, np.ndarray):
            return ORDER[symbol](float(self.val), other)  # type: ignore[no-any-return]  # an array of them
        if (operand := _operand(other)) is None:
            return NotImplemented  # type: ignore[no-any-return]  # for the operators, which may
        y, b = operand
        change = None
        if self.unit is not None and b is not None:
            change = conversion(b, self.unit, f"compute {self.unit} {symbol} {b}")
        return bool(ORDER[symbol](self.val, y if change is None else change(y)))

    __add__, __radd__ = _operators("+")
    __sub__, __rsub__ = _operators("-")
    __mul__, __rmul__ = _operators("*")
    __truediv__, __rtruediv__ = _operators("/")
    __floordiv__, __rfloordiv__ = _operators("//")
    __mod__, __rmod__ = _operators("%")
    __pow__, __rpow__ = _operators("**")
    __lt__, __le__, __gt__, __ge__ = map(_comparison, ("<", "<=", ">", ">="))

    def __divmod__(self, other: object) -> tuple[T, T]:
        return self // other, self % other

    def __rdivmod__(self, other: object) -> tuple[T, T]:
        return other // self, other % self

    def __neg__(self) -> T:
        return self._made(-self.val, self.unit)

    def __pos__(self) -> T:
        return self._made(self.val, self.unit)

    def __abs__(self) -> T:
        return self._made(abs(self.val), self.unit)

    def __round__(self, ndigits: int | None = None) -> T:
        return self._made(round(self.val, ndigits or 0), self.unit)

    def __str__(self) -> str:
        return f"{self.val}" if self.unit is None else f"{self.val} {self.unit}"

    def __format__(self, spec: str) -> str:
        """The magnitude in a format; with an empty one, the unit too."""
        return format(self.val, spec) if spec else str(self)


def _operand(other: object) -> tuple[float, str | None] | None:
    """The magnitude and unit of the other side; None where it is no single number."""
    if isinstance(other, UnitScalar):
        return other.val, other.unit
    if isinstance(other, int | np.integer):
        return None if isinstance(other, bool) else (int(other), None)
    return (float(other), None) if isinstance(other, float | np.floating | Fraction) else None


def _calculated(symbol: str, x: float, y: float) -> float:
    """As NumPy calculates in a column: a division by zero is INF or NaN. Ints stay ints where Python has them."""
    if type(x) is int and type(y) is int and symbol in _STAYS_WHOLE and (y or symbol in ("+", "-", "*")):
        whole: int = ARITHMETIC[symbol](x, y)
        if -_MOST_EXACT < whole < _MOST_EXACT:
            return whole
    with np.errstate(all="ignore"):
        return float(ARITHMETIC[symbol](np.float64(x), np.float64(y)))
