"""Units of pint: which of them each Haystack unit is, or that it is none, and the other way round.

Pint must not read the symbols: it takes ``cfm`` for a centi-fermi and ``pH`` for a pico-henry. So each unit that it
has an equal for is written out in the column ``pint`` of ``units.csv`` in pint's own words, and every other is refused
by name: currencies, ratios of things that pint does not tell apart (pf, COP, PUE), scales (pH, dB), gas by its heat.
Where pint's unit differs from the table's by more than rounding (the British thermal unit has several definitions), it
is the one nearest to the table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hsframe.errors import MetadataError, UnitError
from hsframe.units.table import equivalents, find

if TYPE_CHECKING:
    from hsframe.unit_array.array import UnitArray


def pint_unit(symbol: str) -> str:
    """What pint calls a unit, as an expression that ``pint.UnitRegistry`` parses; a UnitError where it has no equal.

    >>> pint_unit("cfm"), pint_unit("kWh")
    ('foot ** 3 / minute', 'kilowatt_hour')
    """
    found = find(symbol)
    expression = None if found is None else equivalents("pint").get(found.symbol)
    if expression is None:
        why = "the unit table does not have it" if found is None else f"it measures {found.quantity} ({found.name})"
        raise UnitError(f"pint has no equal for {symbol!r}: {why}; convert the column, or take df.hs.magnitude()")
    return expression


def symbol_of_pint(quantity: Any) -> str:
    """The symbol of the Haystack unit that a quantity of pint is in; a UnitError where it is none.

    Of several Haystack units that are one to pint, as J/kg and J/kg_dry, it is the one with the shortest symbol.
    """
    symbol = _symbols(quantity.__class__).get(quantity.units)
    if symbol is None:
        raise UnitError(
            f"{quantity!r} is in {quantity.units}, which is not a unit of the Haystack table; convert it first, as "
            "with .to('kilowatt_hour'), or write a Number with the symbol of its unit"
        )
    return symbol


@functools.lru_cache(maxsize=4)
def _symbols(quantity: Callable[[int, str], Any]) -> Mapping[Any, str]:
    """Symbols by the units of a registry, given by its class of quantities; the shortest of several.

    Without those that pint has as a multiple of a unit only, as ``100 * foot ** 3``.
    """
    symbols: dict[Any, str] = {}
    for symbol, expression in sorted(equivalents("pint").items(), key=lambda pair: len(pair[0])):
        with suppress(ValueError):
            symbols.setdefault(quantity(1, expression).units, symbol)
    return symbols


def pint_array(array: UnitArray, label: Hashable) -> Any:
    """The pint-pandas array of a unit array.

    A UnitError where pint has no equal for the unit, a MetadataError where pint-pandas is not installed.
    """
    try:
        expression = pint_unit(array.unit)
    except UnitError as error:
        raise UnitError(f"column {label!r}: {error}") from error
    try:
        import pint_pandas
    except ImportError as error:
        raise MetadataError("df.hs.to_pint() needs pint-pandas: pip install 'hsframe[pint]'") from error
    registry = pint_pandas.PintType.ureg
    # An expression may have a factor, as 100 * foot ** 3 has: it goes into the values.
    one = registry.Quantity(registry.parse_expression(expression))
    values = array.to_numpy(copy=True) if one.magnitude == 1 else array.to_numpy() * float(one.magnitude)
    return pint_pandas.PintArray(values, dtype=pint_pandas.PintType(one.units))  # type: ignore[no-untyped-call]
