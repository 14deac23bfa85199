"""What a unit array gives out and takes in, one value at a time."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from hsframe.kinds import NA, Number
from hsframe.units.unit_rules import conversion

__all__ = ["UnitFloat", "as_float", "is_missing", "unit_of"]


class UnitFloat(float):
    """A float that remembers its unit: what ``series.iloc[0]`` of a unit column is.

    It is a float in every respect: equality, order, hash, formatting, arithmetic (whose results are plain floats).
    Unit arrays look at the unit: ``temp - temp.mean()`` is Δ°F, and a °F is not added to kW.

    Parameters
    ----------
    val : float
        The magnitude.
    unit : str
        Its unit.

    Examples
    --------
    >>> value = UnitFloat(72.5, "°F")
    >>> value, value.unit, value + 1
    (UnitFloat(72.5, '°F'), '°F', 73.5)
    """

    __slots__ = ("unit",)

    unit: str

    def __new__(cls, val: float, unit: str) -> UnitFloat:
        """Make a float and put the unit beside it."""
        self = float.__new__(cls, val)
        self.unit = unit
        return self

    @property
    def val(self) -> float:
        """The magnitude as a plain float, as :class:`~hsframe.Number` names it."""
        return float(self)

    def __repr__(self) -> str:
        return f"UnitFloat({float.__repr__(self)}, {self.unit!r})"

    def __str__(self) -> str:
        return float.__repr__(self)

    def __float__(self) -> float:
        return float.__add__(self, 0.0)

    def __reduce__(self) -> tuple[object, ...]:
        return (UnitFloat, (self.val, self.unit))


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
    if isinstance(value, UnitFloat | Number):
        magnitude = float(value)
        if value.unit is None or math.isnan(magnitude):
            return magnitude
        change = conversion(value.unit, unit, what)
        return magnitude if change is None else float(change(magnitude))
    if value is None or value is pd.NA:
        return math.nan
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        raise TypeError(f"cannot {what}: {value!r} is a {type(value).__name__}, not a number")
    return float(value)
