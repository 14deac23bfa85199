"""The units of results: what each operation does with the units of its operands, for columns, values and Numbers.

========================== ==============================================================================
``a + b``, ``a - b``       One unit: that unit. Convertible units: `b` is converted to the unit of `a`
                           (or refused, by ``hsframe.options.unit_mixing = "raise"``). Others raise UnitError.
temperatures               °F - °F is Δ°F; °F ± Δ°F and Δ°F + °F are °F; Δ°F - °F raises UnitError.
                           °F + °F is °F, for the sake of averages. Δ°F ± Δ°C is Δ°F.
a plain number or array    is taken to be in the column's unit in ``+``, ``-``, comparisons and assignments, and is a
                           factor in ``*`` and ``/``, which keeps the unit. Beside a temperature: ``temp - 2`` and
                           ``temp + 2`` are °F, 2 is a difference; ``65 - temp`` is Δ°F, 65 a base (heating degrees;
                           for cooling degrees write ``temp - Number(65, "°F")``).
``a / b`` of one quantity  a plain number: `b` is converted first, so kWh / MWh is the true ratio.
``a * b``, ``a / b``       the table's unit of that dimension, scale and quantity where one fits: kW x h is kWh,
                           kVA x h is kVAh, kWh / h is kW, kW / kVA is pf; else plain float64, of the magnitudes as
                           they are. So does ``1 / a``: ``1 / h`` is ``/h``.
``price * amount``         a rate that the table does not have, in the unit of its numerator: $/kWh x MWh is $, the MWh
                           converted to kWh; kgCO2/kWh x kWh is kgCO2. Amounts that do not convert raise UnitError, and
                           so does any other unit beside a rate per what the table does not have, as $/KWH or $/ccf.
                           Also ``money / price``: $ / ($/kWh) is kWh; a price by another is the true ratio.
``a * duration``           a Timedelta, or an array of them, counts in hours, minutes, seconds or days, the first with
                           which the table has a unit: kW x 15 min is kWh, cfm x 1 h is ft³, kWh / 1 h is kW. So does a
                           number or a column in a unit of time, where its own unit gives none. Beside a
                           single value the duration must be on the right: on the left Python scales it.
``a // b``, ``a % b``      one quantity: a plain number, and a remainder in the unit of `a`. A plain divisor keeps the
                           unit in both; different quantities raise UnitError.
``a ** n``                 the table's unit where there is one (m ** 2 is m²), else plain float64.
``a == b``, ``a < b``      compare after conversion. Where units do not convert, ``==`` is False and ``!=`` True
                           everywhere (as the standard's filters have it), and an order raises UnitError. But two single
                           values are equal as Python's dicts and sets want it, without conversion: 7 kW == 7 W is True
                           of UnitFloats, which are floats, and False of Numbers, which must have one unit. Their order
                           converts, so write ``a == b.to(a.unit)``, or compare columns.
NumPy functions            that keep a unit keep it (abs, round, floor, maximum, ...); sqrt gives m of m²; all others
                           (exp, log, sin, ...) give plain float64.
reductions                 mean, median, min, max, quantile, first, last, cumulative extremes keep the unit; sums and
                           cumulative sums too, but those of a temperature have none: no conversion is right for the
                           sum of 24 values in °F. std and sem are differences (Δ°F of °F); var has the unit squared
                           where the table has it, else none; prod, skew, kurt, rank, counts have none. All by group
                           and by period too.
single values              compute by the same rules (``hsframe.units.scalars``), so ``map``, ``apply`` and rows do,
                           and Python's own ``sum``: of temperatures it keeps °F, as °F + °F does, so in ``agg`` and
                           ``apply`` write ``"sum"``. ``df.hs.agg`` takes both for the sum of the column.
========================== ==============================================================================

A missing value is NaN and stays missing in every operation; compared with anything it is False (``!=``: True).

The functions here look at units only, never at values: an operator is its symbol, and the unit of a plain number is
None. The result is how to convert each side first, and the unit of what comes out.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from hsframe import options
from hsframe.errors import UnitError
from hsframe.units.algebra import divide, multiply, power, rate_terms
from hsframe.units.table import Conversion, converter, convertible, delta, find, unknown

ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
ORDER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TIMES: Final = {"h": 3600, "min": 60, "s": 1, "day": 86_400}
_SAME: Final = frozenset("mean median min max first last nth cummin cummax quantile".split())  # noqa: SIM905 - reads better
_SUMS: Final = frozenset({"sum", "cumsum"})
_SPREAD: Final = frozenset({"std", "sem", "diff", "range", "ptp"})


class UnitRule(NamedTuple):
    """How to convert the two sides of an operator, and the unit of the result.

    `left` and `right` convert the values before the operation, None where they stay as they are; `unit` is None where
    the result is a plain number.
    """

    left: Conversion | None
    right: Conversion | None
    unit: str | None

    def converted(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The values of the two sides, as they go into the operation."""
        return x if self.left is None else self.left(x), y if self.right is None else self.right(y)


# '$kWh', '$·kWh⁻¹': what it is per is not known, and a plain number would be wrong for every other unit of the amount.
_WITHOUT_SLASH: Final = re.compile(r"^[$€£¥]\W*\w|⁻|\^-")
_RAISED: Final = str.maketrans("23", "²³")


def unit_rule(operator: str, a: str | None, b: str | None, exponent: float | None = None) -> UnitRule:
    """The rule for ``a operator b``; the unit of a plain number is None.

    `exponent` is that of ``**``, where it is one number. Raises a UnitError where the units do not allow the operation.

    >>> unit_rule("*", "kW", "h").unit, unit_rule("-", "°F", "°F").unit, unit_rule("/", "kWh", "MWh").unit
    ('kWh', 'Δ°F', None)
    >>> unit_rule("+", "kW", "W").right(1500.0)
    1.5
    """
    if operator == "**":
        return UnitRule(None, None, power(a, exponent) if a and not b and exponent is not None else None)
    if a is None or b is None:
        if operator == "/":
            return UnitRule(None, None, a if b is None else divide(None, b))
        if operator == "-" and a is None and b is not None:
            return UnitRule(None, None, delta(b))
        return UnitRule(None, None, a if operator == "//" else a or b)
    what = f"compute {a} {operator} {b}"
    if operator in ("+", "-"):
        to_a, to_b, unit = _sum_units(a, b, operator)
        return UnitRule(conversion(a, to_a, what), conversion(b, to_b, what), unit)
    if operator == "*":
        return _of_rate(a, b, what) or _of_time(a, b, multiply) or UnitRule(None, None, multiply(a, b))
    if operator == "/" and not convertible(b, a):
        return _by_rate(a, b, what) or _of_time(a, b, divide) or UnitRule(None, None, divide(a, b))
    return UnitRule(None, conversion(b, a, what), a if operator == "%" else None)


_Combine: TypeAlias = Callable[[str, str], str | None]


def _time_beside(unit: str, combine: _Combine) -> str | None:
    """The first unit of time for whose product or quotient with a unit the table has a unit."""
    return next((name for name in _TIMES if combine(unit, name) is not None), None)


def _of_time(a: str, b: str, combine: _Combine) -> UnitRule | None:
    """The rule of a time whose product or quotient has no name, where that in another unit of time has one."""
    if combine(a, b) is not None:
        return None
    what = f"compute {a} and {b}"
    if convertible(b, "h") and (right := _time_beside(a, combine)):
        return UnitRule(None, conversion(b, right, what), combine(a, right))
    if combine is multiply and convertible(a, "h") and (left := _time_beside(b, combine)):
        return UnitRule(conversion(a, left, what), None, combine(b, left))
    return None


def _of_rate(a: str, b: str, what: str) -> UnitRule | None:
    """The rule of a price or another rate times an amount, which is converted to the unit of the price first."""
    for rate, amount in ((a, b), (b, a)):
        if terms := rate_terms(rate):
            if not convertible(amount, terms[1]):
                how = "for plain numbers leave a unit out, as with float() or hs.magnitude()"
                if find(terms[1]) is None:
                    how = "give the price another unit, as Number(0.21, '$/kWh') or "
                    how += f"price.hs.magnitude().astype('unit[$/kWh]'): {unknown(terms[1])}"
                takes = f"{rate} takes amounts in {terms[1]}, and {amount} does not convert to that"
                raise UnitError(f"cannot {what}: {takes}; {how}")
            change, paid = conversion(amount, terms[1], what), terms[0] or None
            return UnitRule(None, change, paid) if rate == a else UnitRule(change, None, paid)
        if find(rate) is None and find(amount) and _WITHOUT_SLASH.search(rate):
            how = f"{rate!r} reads as a price without its slash; write it as '$/kWh', or"
            raise UnitError(f"cannot {what}: {how} for plain numbers leave the unit out, as with float()")
        if find(amount) is None and find(meant := amount.translate(_RAISED)) and rate.endswith(f"/{meant}"):
            raise UnitError(f"cannot {what}: {unknown(amount)} Write it as {meant!r}, as {rate!r} has it")
    return None


def _by_rate(a: str, b: str, what: str) -> UnitRule | None:
    """The rule of an amount by a rate of it, as $ by $/kWh, and of two rates of one thing, whose ratio is plain."""
    over, under = rate_terms(a), rate_terms(b)
    if under and convertible(a, under[0]):
        return UnitRule(conversion(a, under[0], what), None, under[1])
    if not over or not under or not convertible(over[0], under[0]):
        return None
    if find(over[1]) and find(under[1]) and not convertible(over[1], under[1]):
        return None
    return UnitRule(conversion(over[0], under[0], what), conversion(over[1], under[1], what), None)


def _sum_units(a: str, b: str, sign: str) -> tuple[str, str, str]:
    """The units that `a` and `b` are converted to before ``+`` or ``-``, and the unit of the result."""
    diff_a, diff_b = delta(a), delta(b)
    a_is_absolute, b_is_absolute = diff_a != a, diff_b != b
    if a_is_absolute and b_is_absolute:
        return (a, a, diff_a) if sign == "-" else (a, a, a)
    if a_is_absolute and convertible(b, diff_a):
        return a, diff_a, a
    if b_is_absolute and convertible(a, diff_b):
        if sign == "-":
            raise UnitError(f"cannot compute {a} - {b}: a temperature cannot be taken from a difference")
        return diff_b, b, b
    return a, a, a


def are_comparable(operator: str, a: str | None, b: str | None) -> bool:
    """False for ``==`` and ``!=`` of units that do not convert: all values are unequal then.

    Where True, ``conversion(b, a, ...)`` converts `b` first; for ``<`` and its like it raises where it cannot.
    """
    return operator not in ("==", "!=") or a is None or b is None or convertible(b, a)


def conversion(source: str, target: str, what: str) -> Conversion | None:
    """The conversion that an operation on two units needs; None where the values can stay as they are.

    Raises a UnitError that names the operation `what` where they do not convert or :mod:`hsframe.options` forbids it.
    """
    if source == target:
        return None
    if not convertible(source, target):
        of_differences = delta(source)  # of K, ΔK
        hint = f"; a difference is in {of_differences}" if convertible(of_differences, target) else ""
        raise UnitError(f"cannot {what}: {source} does not convert to {target}{hint}")
    change = converter(source, target)
    if change.is_identity:
        return None
    if options.unit_mixing == "raise":
        raise UnitError(
            f"cannot {what}: the units differ and hsframe.options.unit_mixing is 'raise'; convert first with "
            f"df.hs.to({target!r})"
        )
    return change


def as_duration(other: Any, operator: str, unit: str | None, reflected: bool = False) -> tuple[Any, str] | None:
    """A duration, or an array of them, in the unit of time with which `unit` is multiplied or divided.

    That is the first for which the table has a unit of the result. None of anything that is no duration; a UnitError
    where the table has no unit.

    >>> as_duration(timedelta(minutes=15), "*", "kW")
    (0.25, 'h')
    """
    is_numpy = getattr(getattr(other, "dtype", None), "kind", "") == "m"
    if unit is None or not (is_numpy or isinstance(other, timedelta)):
        return None
    combine = {"*": multiply, "/": divide}.get("" if reflected and operator == "/" else operator)
    if combine is not None and (name := _time_beside(unit, combine)):
        if not is_numpy:
            return other / timedelta(seconds=_TIMES[name]), name
        return np.asarray(other / np.timedelta64(_TIMES[name], "s"), dtype=np.float64)[()], name
    raise UnitError(
        f"cannot compute {unit} {operator} a duration: the unit table has no unit for it; take a number of hours "
        'instead, as in hsframe.Number(0.25, "h")'
    )


def statistic_unit(how: str | None, unit: str, otherwise: str | None = None) -> str | None:
    """The unit of a statistic, named as pandas does, of values in `unit`; None where the table has none.

    For a statistic that is not known here the result is `otherwise`.

    >>> [statistic_unit(how, "°F") for how in ("mean", "std", "sum")], statistic_unit("var", "m")
    (['°F', 'Δ°F', None], 'm²')
    """
    if how in _SUMS:
        return unit if delta(unit) == unit else None
    if how in _SPREAD:
        return delta(unit)
    if how == "var":
        return power(delta(unit), 2)
    return unit if how in _SAME else otherwise
