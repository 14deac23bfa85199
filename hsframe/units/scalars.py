"""The operators of single numbers with a unit, and NumPy's functions of these and of columns of a unit.

All go by the rules of :mod:`hsframe.units.unit_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

import numpy as np

from hsframe.errors import UnitError
from hsframe.units.algebra import power
from hsframe.units.systems import unit_in
from hsframe.units.table import converter
from hsframe.units.unit_rules import ARITHMETIC, ORDER, as_duration, conversion, unit_rule

T = TypeVar("T")

_MOST_EXACT: Final = 2**53  # of a double, which a number is on the wire
_STAYS_WHOLE: Final = frozenset({"+", "-", "*", "//", "%"})
# The method of the left side, and that of the right side where the left has no unit.
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
_KEEP: Final = {np.positive, np.negative, np.absolute, np.fabs, np.conjugate} | {np.rint, np.floor, np.ceil, np.trunc}
_CHOOSE: Final = {np.maximum, np.minimum, np.fmax, np.fmin, np.hypot, np.nextafter}
_POWERS: Final = {np.sqrt: 0.5, np.square: 2.0, np.cbrt: 1 / 3, np.reciprocal: -1.0}


class UnitFunctions:
    """What NumPy's functions call of a column or a number; a function that keeps no unit gives plain values."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def unit(self) -> str | None:
            """The symbol of the unit, None for a plain number."""

    def _plain(self) -> Any:
        raise NotImplementedError

    def _like(self, values: Any, unit: str | None) -> Any:
        """The result of an operation with its unit, None where it has none."""
        raise NotImplementedError

    def _called(self, ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
        inputs = tuple(map(_single, inputs))
        if ufunc in _OPERATORS:
            left, right = inputs
            direct, reflected = _OPERATORS[ufunc]
            if isinstance(left, UnitFunctions):
                return getattr(left, direct)(right)
            return getattr(right, reflected)(left)
        unit = self.unit
        if ufunc in _KEEP:
            return self._like(ufunc(self._plain()), unit)
        if ufunc in _CHOOSE:
            unit = next((item.unit for item in inputs if getattr(item, "unit", None)), None)
            return self._like(ufunc(*(_in_unit(item, unit, ufunc.__name__) for item in inputs)), unit)
        if ufunc is np.modf and unit is not None and not np.ndim(self._plain()):  # pd.cut has it of each bin
            how = "give plain numbers in the unit of the column, or pd.Series(bins, dtype=column.dtype)"
            raise UnitError(f"np.modf and pd.cut take no single values with a unit, as in {unit}; {how}")
        refuse_several(inputs, f"np.{ufunc.__name__}")
        values = ufunc(*map(magnitudes, inputs))
        if ufunc in _POWERS and unit is not None:
            return self._like(values, power(unit, _POWERS[ufunc]))
        return values


def refuse_several(inputs: Iterable[Any], what: str) -> None:
    """A UnitError where a function that knows no units is given several."""
    units = dict.fromkeys(item.unit for item in inputs if isinstance(item, UnitFunctions) and item.unit)
    if len(units) > 1:
        raise UnitError(
            f"{what} of {' and '.join(units)} has no rule of units; convert first, or give it plain numbers"
        )


def magnitudes(item: Any) -> Any:
    """A number or a column without its unit; anything else as it is."""
    item = _single(item)
    return item._plain() if isinstance(item, UnitFunctions) else item


def _single(item: Any) -> Any:
    return item.item() if isinstance(item, np.ndarray) and item.ndim == 0 else item


def _in_unit(item: Any, unit: str | None, name: str) -> Any:
    if not isinstance(item, UnitFunctions):
        return np.asarray(item, dtype=np.float64)
    own = item.unit
    change = conversion(own, unit, f"compute {name} of {unit} and {own}") if own and unit else None
    return item._plain() if change is None else change(item._plain())


def _operators(symbol: str) -> tuple[Callable[[UnitScalar[T], object], T], Callable[[UnitScalar[T], object], T]]:
    """The methods of an operator, for this number on its left and on its right."""
    return (
        lambda self, other: self._computed(other, symbol),
        lambda self, other: self._computed(other, symbol, reflected=True),
    )


def _comparison(symbol: str) -> Callable[[UnitScalar[Any], object], bool]:
    return lambda self, other: self._compared(other, symbol)


class UnitScalar(UnitFunctions, Generic[T]):
    """A number `val` with a `unit`, None for a plain one; the results are of class `T`.

    The other side may be a number of Python or NumPy, or a duration in ``*`` and ``/``. ``==`` and hash are those of
    the class: they never convert. Beside plain numbers in a NumPy array, a column or a frame it computes as a column of
    its unit does; in an array of objects each computes.
    """

    __slots__ = ()
    # Who has the higher priority computes: before NumPy's numbers and arrays, pandas' arrays and an Index (2000). A
    # Series (3000) comes with its array, because its ``*=`` can leave nothing to others.
    __array_priority__ = 1000
    __pandas_priority__ = 2500
    #: What stands for the number beside an array, with its unit or without; None where the other side knows it. Set
    #: by the module of columns, which is above this one.
    beside: ClassVar[Callable[[UnitScalar[Any], Any, bool], Any]]
    #: Of two classes the one with the higher rank makes the result.
    _rank: ClassVar[int] = 0

    if TYPE_CHECKING:

        @property
        def val(self) -> float:
            """The magnitude."""

    @classmethod
    def _made(cls, val: float, unit: str | None) -> T:
        raise NotImplementedError

    def to(self, target: str) -> T:
        """The value in another unit, or in the unit of a system (``"si"``, ``"ip"``), as ``hs.to`` of a column.

        Raises
        ------
        UnitError
            It has no unit, or that does not convert.
        """
        if self.unit is None:
            if math.isfinite(self.val):
                raise UnitError(f"{self.val} has no unit to convert from; give it one, as in Number({self.val}, 'kW')")
            return self._made(self.val, None)
        unit = unit_in(self.unit, target)
        return self._made(converter(self.unit, unit)(self.val), unit)

    def _plain(self) -> float:
        return float(self.val)

    def _like(self, values: Any, unit: str | None) -> Any:
        return values if unit is None or np.ndim(values) else self._made(values, unit)

    def boxed(self) -> Any:
        """The number as an array of one object, to which nobody leaves an operation."""
        return np.array(self, dtype=object)

    def _numpy(self, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What ``__array_ufunc__`` gives, for the class that can have one."""
        arrays = [item for item in inputs if hasattr(item, "__array_ufunc__") and np.ndim(item)]
        is_equality = ufunc in (np.equal, np.not_equal)
        if method == "__call__" and not kwargs and (not arrays or (ufunc in _OPERATORS and not is_equality)):
            found = self._called(ufunc, inputs)
            return ufunc is np.not_equal if is_equality and found is NotImplemented else found
        if self.unit and any(np.asarray(array).dtype.kind in "iufc" for array in kwargs.get("out", ())):
            raise UnitError(f"an array of NumPy cannot take numbers in {self.unit}; write a = a * b for a *= b")

        def argument(item: Any) -> Any:
            if not isinstance(item, UnitScalar) or not arrays:
                return float(item.val) if isinstance(item, UnitScalar) else item
            mine = None if is_equality or method != "__call__" else item.beside(arrays[0], True)
            return item.boxed() if mine is None else mine

        return getattr(ufunc, method)(*map(argument, inputs), **kwargs)

    def _with_array(self, other: Any, compute: Callable[[Any, Any], Any], reflected: bool, with_unit: bool) -> Any:
        if (mine := self.beside(other, with_unit)) is None:
            return NotImplemented
        if isinstance(mine, UnitFunctions) and other.ndim > 1:
            rows = [self._with_array(row, compute, reflected, with_unit) for row in other]
            return np.stack(rows) if rows and isinstance(rows[0], np.ndarray) else UnitRows(rows)
        return compute(other, mine) if reflected else compute(mine, other)

    def _computed(self, other: object, symbol: str, *, reflected: bool = False) -> T:
        if (operand := number_operand(other)) is None:
            found = self._with_array(other, ARITHMETIC[symbol], reflected, True)
            if found is not NotImplemented or not (operand := as_duration(other, symbol, self.unit, reflected)):
                return found  # type: ignore[no-any-return]  # a column, or what operators may give
        (x, a), (y, b) = (operand, (self.val, self.unit)) if reflected else ((self.val, self.unit), operand)
        rule = unit_rule(symbol, a, b, float(y) if symbol == "**" else None)
        val = _calculated(symbol, *rule.converted(x, y))
        made_by: UnitScalar[Any] = other if isinstance(other, UnitScalar) and other._rank > self._rank else self
        return made_by._made(val, rule.unit)  # type: ignore[no-any-return]  # the class of the higher rank

    def _compared(self, other: object, symbol: str) -> bool:
        if (operand := number_operand(other)) is None:  # an array, or NotImplemented, which operators may give
            return self._with_array(other, ORDER[symbol], False, False)  # type: ignore[no-any-return]
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

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return not equal if isinstance(equal, bool) else equal if equal is NotImplemented else ~equal

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
        """The magnitude in a format, and the unit: ``f"{value:.1f}"`` is 21.5 °C. A width is that of the magnitude."""
        return " ".join(filter(None, (format(self.val, spec), self.unit)))


class UnitRows:
    """The plain columns of a frame beside a number: pandas makes columns of its rows (``Block._split_op_result``)."""

    REFUSAL: Final = "NumPy has no tables with a unit; take pd.DataFrame(values) column by column, or float(number)"
    ndim = 2

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows
        self.dtype = rows[0].dtype if rows else None

    def __getitem__(self, place: int) -> Any:
        return self._rows[place]

    def astype(self, dtype: object, copy: bool = True) -> Any:
        """Itself for pandas, which would then fill N // 0 with INF and NaN, as it is already (mask_zero_div_zero)."""
        return self.__getattr__("astype") if copy else self

    def __setitem__(self, mask: Any, value: float) -> None:
        if math.isfinite(value):
            raise TypeError(f"nothing can be put into rows with a unit: {self.REFUSAL}")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no {name!r} of rows with a unit: {self.REFUSAL}")

    def __repr__(self) -> str:
        return f"<rows with a unit: {self.REFUSAL}>"


def number_operand(other: object) -> tuple[float, str | None] | None:
    """The magnitude and unit of a single number beside a unit; None where it is none. True is 1, as for pandas."""
    if isinstance(other, UnitScalar):
        return other.val, other.unit
    if isinstance(other, float | int):  # the usual ones first: the checks of abstract classes are slow
        return (int(other) if isinstance(other, int) else float(other)), None
    if isinstance(other, np.ndarray) and other.ndim == 0:
        return number_operand(other.item())
    if isinstance(other, np.timedelta64):  # an Integral to Python
        return None
    if isinstance(other, Integral | np.bool_):
        return int(other), None
    return (float(other), None) if isinstance(other, Real | Decimal) else None


def _calculated(symbol: str, x: float, y: float) -> float:
    """As NumPy calculates in a column: a division by zero is INF or NaN. Ints stay ints where Python has them."""
    if type(x) is int and type(y) is int and symbol in _STAYS_WHOLE and (y or symbol in ("+", "-", "*")):
        whole: int = ARITHMETIC[symbol](x, y)
        if -_MOST_EXACT < whole < _MOST_EXACT:
            return whole
    with np.errstate(all="ignore"):
        return float(ARITHMETIC[symbol](np.float64(x), np.float64(y)))
