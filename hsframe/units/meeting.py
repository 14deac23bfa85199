"""What happens when units meet: the one place where it is said, for columns, for single values and for Numbers.

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

The functions here decide by the units alone and touch no values: an operator is its symbol, a plain number has the
unit None, and what comes out is how each side is converted first, and the unit of the result.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from hsframe import options
from hsframe.errors import UnitError
from hsframe.units.algebra import divide, multiply, power
from hsframe.units.table import Conversion, converter, convertible, delta

__all__ = ["Meeting", "are_comparable", "conversion", "meet", "statistic_unit", "time_unit"]

_TIMES: Final = {
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "day": timedelta(days=1),
}
_SAME: Final = frozenset("sum mean median min max first last nth cumsum cummin cummax quantile".split())  # noqa: SIM905 - reads better
_SPREAD: Final = frozenset({"std", "sem", "diff", "range", "ptp"})


class Meeting(NamedTuple):
    """What an operator does with the units of its two sides.

    `left` and `right` convert the values before they are computed with, None where they stay; `unit` is that of the
    result, None for a plain number.
    """

    left: Conversion | None
    right: Conversion | None
    unit: str | None


def meet(operator: str, a: str | None, b: str | None, exponent: float | None = None) -> Meeting:
    """What ``a operator b`` does with the units, None for that of plain numbers.

    `exponent` is that of ``**``, where it is one number. Raises a UnitError where they cannot be computed with so.

    Examples
    --------
    >>> meet("*", "kW", "h").unit, meet("-", "°F", "°F").unit, meet("/", "kWh", "MWh").unit
    ('kWh', 'Δ°F', None)
    >>> meet("+", "kW", "W").right(1500.0)
    1.5
    """
    if operator == "**":
        return Meeting(None, None, power(a, exponent) if a and not b and exponent is not None else None)
    if a is None or b is None:
        if operator == "/":
            return Meeting(None, None, a if b is None else divide(None, b))
        return Meeting(None, None, a if operator == "//" else a or b)
    what = f"compute {a} {operator} {b}"
    if operator in ("+", "-"):
        to_a, to_b, unit = _sum_units(a, b, operator)
        return Meeting(conversion(a, to_a, what), conversion(b, to_b, what), unit)
    if operator == "*":
        return Meeting(None, None, multiply(a, b))
    if operator == "/" and not convertible(b, a):
        return Meeting(None, None, divide(a, b))
    return Meeting(None, conversion(b, a, what), a if operator == "%" else None)


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


def are_comparable(operator: str, a: str | None, b: str | None) -> bool:
    """Whether values are looked at: those of units that do not convert are unequal, and an order of them is an error.

    ``conversion(b, a, ...)`` says how `b` is converted first, and raises that error.
    """
    return operator not in ("==", "!=") or a is None or b is None or convertible(b, a)


def conversion(source: str, target: str, what: str) -> Conversion | None:
    """How values of one unit become values of another where an operation mixes them; None where nothing has to be done.

    A UnitError, which names the operation `what`, where they do not convert or :mod:`hsframe.options` forbids it.
    """
    if source == target:
        return None
    if not convertible(source, target):
        raise UnitError(f"cannot {what}: {source} does not convert to {target}")
    change = converter(source, target)
    if change.is_identity:
        return None
    if options.unit_mixing == "raise":
        raise UnitError(
            f"cannot {what}: the units differ and hsframe.options.unit_mixing is 'raise'; convert first with "
            f"df.hs.to({target!r})"
        )
    return change


def time_unit(operator: str, unit: str) -> tuple[str, timedelta]:
    """The unit in which a duration counts that `unit` is multiplied or divided by, and one of it.

    A UnitError where the table has no unit for the result, whichever it is.

    Examples
    --------
    >>> time_unit("*", "kW")
    ('h', datetime.timedelta(seconds=3600))
    """
    combine = {"*": multiply, "/": divide}.get(operator)
    for name, one in _TIMES.items():
        if combine is not None and combine(unit, name) is not None:
            return name, one
    raise UnitError(
        f"cannot compute {unit} {operator} a duration: the unit table has no unit for it; take a number of hours "
        'instead, as in hsframe.Number(0.25, "h")'
    )


def statistic_unit(how: str | None, unit: str, otherwise: str | None = None) -> str | None:
    """The unit of a statistic, named as pandas does, of values in `unit`; None where the table has none.

    Of a statistic that is not known here it is `otherwise`.

    Examples
    --------
    >>> statistic_unit("mean", "°F"), statistic_unit("std", "°F"), statistic_unit("var", "m")
    ('°F', 'Δ°F', 'm²')
    """
    if how in _SPREAD:
        return delta(unit)
    if how == "var":
        return power(delta(unit), 2)
    return unit if how in _SAME else otherwise
