"""What a unit array gives out and takes in, one value at a time."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hsframe.kinds import NA, Number
from hsframe.units.scalars import UnitScalar, number_operand
from hsframe.units.unit_rules import conversion


class UnitFloat(UnitScalar[float], float):  # type: ignore[misc]  # round(x) is no int here, and keeps the unit
    """A float that remembers its unit: what ``series.iloc[0]`` of a unit column is.

    It is a float in every respect: equality, which never converts (7 kW == 7 W), hash, formatting with a format, JSON.
    It computes, and is less or greater, by the rules of columns (:mod:`hsframe.units.unit_rules`): with another such
    float or a plain number the result is one, or a plain float where no unit is left; with a :class:`~hsframe.Number`
    it is a Number. A plain number is taken to be in its unit, and so are those of a column, a frame or an array.

    NumPy's functions, those of :mod:`math` and a duration on its left take it for the plain float: use operators, abs,
    round, min and max, or a Number, which NumPy's functions know. (An ``__array_ufunc__`` would have
    ``np.float64(2) * value`` lose the unit: there NumPy takes a float at its value before it asks.)

    Parameters
    ----------
    val : float
        The magnitude.
    unit : str
        Its unit.

    Examples
    --------
    >>> value = UnitFloat(72.5, "°F")
    >>> value, value.unit, value + 1, f"{value:.0f}"
    (UnitFloat(72.5, '°F'), '°F', UnitFloat(73.5, '°F'), '72 °F')
    >>> UnitFloat(1.0, "MWh") + UnitFloat(500.0, "kWh"), UnitFloat(3.0, "kW") / UnitFloat(2.0, "kW")
    (UnitFloat(1.5, 'MWh'), 1.5)
    """

    __slots__ = ("unit",)

    unit: str

    def __new__(cls, val: float, unit: str = "") -> UnitFloat:
        """Make a float and put the unit beside it."""
        if not unit:  # so statistics.mean calls the class of its values
            raise TypeError(
                f"a UnitFloat needs a unit, as in UnitFloat({float(val)}, 'kW'); for statistics.mean write "
                "sum(values) / len(values), which keeps it"
            )
        self = float.__new__(cls, val)
        self.unit = unit
        return self

    @classmethod
    def _made(cls, val: float, unit: str | None) -> float:
        return float(val) if unit is None or val != val else UnitFloat(val, unit)

    @property
    def val(self) -> float:
        """The magnitude as a plain float, as :class:`~hsframe.Number` names it."""
        return float.__pos__(self)

    def __eq__(self, other: object) -> Any:
        found = float.__eq__(self, other)
        if found is NotImplemented:
            return self._with_array(other, operator.eq, True, False)
        return np.bool_(found)  # pandas, which sees a dtype, asks (value == 0).any() when it divides by it

    __hash__ = float.__hash__

    def __repr__(self) -> str:
        return f"UnitFloat({float.__repr__(self)}, {self.unit!r})"

    def __float__(self) -> float:
        return self.val

    def __reduce__(self) -> tuple[object, ...]:
        return (UnitFloat, (self.val, self.unit))

    # What NumPy's numbers have, which a value of a plain column is.

    @property
    def dtype(self) -> np.dtype[np.float64]:
        """That of the magnitude."""
        return np.dtype(np.float64)

    def item(self) -> float:
        """The magnitude."""
        return self.val

    def astype(self, dtype: npt.DTypeLike) -> Any:
        """The magnitude in a type of NumPy."""
        return np.float64(self.val).astype(dtype)

    def round(self, decimals: int = 0, out: None = None) -> float:
        """Rounded, with its unit; `out` is what NumPy's round passes."""
        return round(self, decimals)


def unit_of(value: object) -> str | None:
    """The unit of a scalar, None for a plain number and for anything else."""
    return value.unit if isinstance(value, UnitFloat | Number) else None


def is_missing(value: object) -> bool:
    """Whether a cell of a frame, or a value on its way into one, is missing."""
    return (
        value is None
        or value is NA
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and value != value)
    )


def as_float(value: object, unit: str, what: str) -> float:
    """The magnitude of a number in a unit; a missing value is NaN, a plain number is taken to be in `unit` already.

    `what` names the operation in the errors: TypeError for other values, UnitError for units that do not convert.
    """
    if value is None or value is pd.NA:
        return math.nan
    number = None if isinstance(value, bool | np.bool_) else number_operand(value)
    if number is None:
        raise TypeError(f"cannot {what}: {value!r} is a {type(value).__name__}, not a number")
    magnitude, own = float(number[0]), number[1]
    change = None if own is None or math.isnan(magnitude) else conversion(own, unit, what)
    return magnitude if change is None else float(change(magnitude))
