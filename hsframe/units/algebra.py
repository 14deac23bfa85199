"""The unit of a product, a quotient or a root.

Dimension and scale are not enough: those of kW x h and kVA x h are equal. So the quantities decide: ``products.csv`` is
a short list of rules (power x time = energy), each read in three ways (energy / time = power, energy / power = time).
Without a rule, the result is the only quantity of that dimension. Where there is none or several, the result is a plain
number.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Set
from fractions import Fraction
from typing import Final

from hsframe.units.table import Unit, all_units, delta, find, read_table, true_scale, with_slash

# The table's factors are rounded: BTU/h times an hour is 0.05 % off its BTU. No two different units of a quantity
# are nearer to one another than this.
_NEAR = 1e-3

# Plain numbers that change one quantity into another; in the rules they stand for themselves.
_CHANGERS: Final = ("pf", "COP")

# No unit of the table is a higher power of another one; of very high ones the scale is no double.
_MOST_POWER: Final = 20


@functools.cache
def _rules() -> tuple[Mapping[tuple[str, str], str], Mapping[tuple[str, str], str]]:
    """The quantities of products and of quotients; the first rule that applies wins."""
    products: dict[tuple[str, str], str] = {}
    quotients: dict[tuple[str, str], str] = {}
    for row in read_table("products.csv"):
        a, b, c = row["factor"], row["times"], row["product"]
        products.setdefault((a, b), c)
        products.setdefault((b, a), c)
        quotients.setdefault((c, a), b)
        quotients.setdefault((c, b), a)
    return products, quotients


@functools.lru_cache(maxsize=1024)
def multiply(a: str, b: str) -> str | None:
    """The unit of a product, None where the table has no unit for it.

    Parameters
    ----------
    a, b : str
        Symbols. An absolute temperature with an offset (°C, °F) and a unit that the table does not have give None, but
        a price (``$/kWh``) times the unit after its slash is money.

    Returns
    -------
    str or None
        The preferred symbol.

    Examples
    --------
    >>> multiply("kW", "h"), multiply("kVA", "h"), multiply("kVA", "pf"), multiply("kW", "°F")
    ('kWh', 'kVAh', 'kW', None)
    """
    x, y = find(a), find(b)
    if x is None or y is None:
        rates = ((rate_terms(rate), amount) for rate, amount in ((a, y), (b, x)) if amount is not None)
        return next((terms[0] or None for terms, amount in rates if terms and amount is find(terms[1])), None)
    for first, second in ((x, y), (y, x)):
        if second.kind == "ratio" and first.kind != "ratio":
            return first.symbol if true_scale(second) == 1 else None
    quantity_of = _rules()[0].get((_quantity(x), _quantity(y)))
    if quantity_of is None and not (_is_factor(x) and _is_factor(y)):
        return None
    dimension = tuple(i + j for i, j in zip(x.dimension, y.dimension, strict=True))
    texts = {text for p, q in _names(x, y) for text in (p + q, q + p)} | _cancelled(x, y) | _cancelled(y, x)
    return _best_match(dimension, true_scale(x) * true_scale(y), quantity_of, texts)


@functools.lru_cache(maxsize=1024)
def rate_terms(symbol: str) -> tuple[str, str] | None:
    """The two sides of the last slash, or "per", of a unit that the table lacks; it may lack the sides too.

    Prices and emission factors are written so. A degree on either side is a difference.

    >>> rate_terms("$/kWh"), rate_terms("kW per °F"), rate_terms("kWh/m²"), rate_terms("$ / furlong")
    (('$', 'kWh'), ('kW', 'Δ°F'), None, ('$', 'furlong'))
    """
    head, slash, tail = with_slash(symbol).rpartition("/")
    return (delta(head), delta(tail)) if slash and find(symbol) is None else None


@functools.lru_cache(maxsize=1024)
def divide(a: str | None, b: str) -> str | None:
    """The unit of a quotient, None where it is a plain number or the table has no unit for it.

    Parameters
    ----------
    a : str or None
        The symbol of the dividend; None for a plain number.
    b : str
        The symbol of the divisor.

    Returns
    -------
    str or None
        The preferred symbol.

    Examples
    --------
    >>> divide("kWh", "h"), divide("kWh", "kW"), divide("kW", "kVA"), divide("kW", "kW"), divide(None, "h")
    ('kW', 'hr', 'pf', None, '/h')
    """
    x, y = None if a is None else find(a), find(b)
    if y is None or y.offset:
        return None
    if x is not None and y.kind == "ratio":
        return x.symbol if true_scale(y) == 1 and x.kind != "ratio" else None
    if a is None:
        dimension = tuple(-exponent for exponent in y.dimension)
        return _best_match(dimension, 1 / true_scale(y), None, {f"/{name}" for name in y.symbols}, only_text=True)
    if x is None or not _is_factor(x) or x.kind == y.kind:
        return None
    quantity_of = _rules()[1].get((x.quantity, _quantity(y)))
    if quantity_of in _CHANGERS:
        return quantity_of if true_scale(x) == true_scale(y) else None
    if quantity_of is None and not _is_factor(y):
        return None
    dimension = tuple(i - j for i, j in zip(x.dimension, y.dimension, strict=True))
    return _best_match(dimension, true_scale(x) / true_scale(y), quantity_of, {f"{p}/{q}" for p, q in _names(x, y)})


def power(a: str, exponent: float) -> str | None:
    """The unit of a power: m² of m ** 2, m of m² ** 0.5; None where the table has none.

    Examples
    --------
    >>> power("m", 2), power("ft²", 0.5), power("kW", 2)
    ('m²', 'ft', None)
    """
    x = find(a)
    if exponent == 1:
        return a
    if x is None or not _is_factor(x) or not abs(exponent) < _MOST_POWER:
        return None
    wanted = [base * exponent for base in x.dimension]
    if any(base != int(base) for base in wanted) or not any(wanted):
        return None
    scale = Fraction(float(true_scale(x)) ** exponent)
    return _best_match(tuple(int(base) for base in wanted), scale, None, frozenset())


def _quantity(one: Unit) -> str:
    return one.symbol if one.symbol in _CHANGERS else one.quantity


def _is_factor(one: Unit) -> bool:
    """Whether a unit can be a factor: it has a dimension and no offset."""
    return any(one.dimension) and not one.offset


def _names(x: Unit, y: Unit) -> list[tuple[str, str]]:
    return [(p, q) for p in (x.name, *x.symbols) for q in (y.name, *y.symbols)]


def _cancelled(rate: Unit, factor: Unit) -> set[str]:
    """``kWh`` of ``kWh/m²`` x ``m²``."""
    head, slash, tail = rate.symbol.rpartition("/")
    return {head} if slash and tail in (factor.name, *factor.symbols) else set()


@functools.cache
def _by_dimension() -> Mapping[tuple[int, ...], tuple[Unit, ...]]:
    table: dict[tuple[int, ...], list[Unit]] = {}
    for one in all_units():
        if any(one.dimension) and not one.offset and one.quantity != "temperature":
            table.setdefault(one.dimension, []).append(one)
    return {dimension: tuple(units) for dimension, units in table.items()}


def _best_match(
    dimension: tuple[int, ...], scale: Fraction, quantity: str | None, texts: Set[str], *, only_text: bool = False
) -> str | None:
    units = [
        one
        for one in _by_dimension().get(dimension, frozenset())
        if (quantity is None or one.quantity == quantity) and abs(float(true_scale(one) / scale) - 1) < _NEAR
    ]
    for one in units:
        if not texts.isdisjoint((one.name, *one.symbols)):
            return one.symbol
    if only_text or not units or len({one.quantity for one in units}) > 1:
        return None
    return min(units, key=lambda one: abs(float(true_scale(one) / scale) - 1)).symbol
