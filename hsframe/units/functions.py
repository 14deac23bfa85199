"""NumPy's functions by the rules of :mod:`hsframe.units.unit_rules`: of columns of a unit and of single numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hsframe.errors import UnitError
from hsframe.units.algebra import power
from hsframe.units.unit_rules import conversion

# The method of the left side, and that of the right side where the left has no unit.
OPERATORS: Final[dict[np.ufunc, tuple[str, str]]] = {
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
        """The magnitude, or the magnitudes."""
        raise NotImplementedError

    def _like(self, values: Any, unit: str | None) -> Any:
        """The result of an operation with its unit, None where it has none."""
        raise NotImplementedError

    def _called(self, ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
        inputs = tuple(map(_single, inputs))
        if ufunc in OPERATORS:
            left, right = inputs
            direct, reflected = OPERATORS[ufunc]
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
