"""The table of units (standard: chapter Units): which units there are, and how one becomes another.

The table is the standard's, in ``units.csv`` beside this file: 457 units under 977 names and symbols, in 60
quantities. Three columns are ours: the unit of each in the two systems, and in pint. A value in SI base units is
``value * scale + offset``; scales that are plain fractions are written as fractions, so 32 °F is exactly 0 °C. It is
read on first use.

Two units convert only where the dimension **and** the quantity agree: kWh and kVAh have the same dimension and are
different things. Currencies never convert. Of the dimensionless units only ppu, %, ppm and ppb convert among
themselves, and rad with deg and degPh.
"""

from __future__ import annotations

import csv
import difflib
import functools
import importlib.resources
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, Literal, overload

import numpy as np
from numpy.typing import NDArray

from hsframe import options
from hsframe.errors import UnitError

_log = logging.getLogger("hsframe.units")

_BASES = ("kg", "m", "s", "K", "A", "mol", "cd", "sr")
# The dimensionless units that are one thing in several sizes; every other one is a thing of its own.
_RATIOS = frozenset({"%", "ppu", "ppm", "ppb"})
_ANGLES = frozenset({"rad", "deg", "degPh"})
_DELTAS: Final = {"°F": "Δ°F", "°C": "Δ°C", "K": "ΔK"}
# Unicode has several of each of these signs, and keyboards give any.
_LOOKALIKES = str.maketrans({"μ": "µ", "Ω": "Ω", "∆": "Δ", "℃": "°C", "℉": "°F", "⁄": "/", "∕": "/"})
_PLAIN_DIGITS = str.maketrans("₂²³", "223")
_SLASH: Final = re.compile(r"\s*/\s*|[\s_]+per[\s_]+")

MISPRINTS: Final[Mapping[str, Fraction]] = MappingProxyType(
    {
        "µm": Fraction(1, 10**6),
        "kg/L": Fraction(1000),
        "mg/L": Fraction(1, 1000),
        "J/g": Fraction(1000),
        "fc": Fraction(1) / Fraction("0.09290304"),
        "cd/ft²": Fraction(1) / Fraction("0.09290304"),
        "galUK/min": Fraction("0.00454609") / 60,
        "rpm": Fraction("6.2831853071795865") / 60,
        "%/s": Fraction(1, 100),
    }
)
"""Units whose scale in the standard's table contradicts their own name, with the scale that the name asks for.

With ``hsframe.options.unit_factors = "standard"`` the figures are used as they are published, with a warning in the log
the first time that one of these is converted. ``kW/ton`` is another misprint: it is the inverse of a COP, and the table
lets it pass for one. Here 0.6 kW/ton is a COP of 5.86.
"""

_INVERSE = "kW/ton"
_KW_OF_A_TON = 12_000 * 1055.05585262 / 3_600_000  # a ton of refrigeration is 12,000 BTU/h


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of the table.

    Parameters
    ----------
    name : str
        The long name, ``"kilowatt_hour"``.
    symbols : tuple of str
        Every short form; the last is the preferred one. Empty where the name is the symbol (``acre``, ``day``).
    quantity : str
        What it measures, ``"energy"``.
    dimension : tuple of int
        The exponents of kg, m, s, K, A, mol, cd and sr.
    scale, offset : Fraction
        A value in SI base units is ``value * scale + offset``. Only temperatures have an offset.
    """

    name: str
    symbols: tuple[str, ...]
    quantity: str
    dimension: tuple[int, ...]
    scale: Fraction
    offset: Fraction

    @property
    def symbol(self) -> str:
        """The preferred symbol: what a server writes."""
        return self.symbols[-1] if self.symbols else self.name

    @property
    def kind(self) -> str:
        """What it converts within: units of one kind are sizes of one thing."""
        if self.quantity == "currency":
            return self.name
        if self.quantity == "dimensionless":
            symbol = self.symbol
            return "ratio" if symbol in _RATIOS else "angle" if symbol in _ANGLES else self.name
        return self.quantity

    def __str__(self) -> str:
        return self.symbol


@functools.cache
def read_table(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a file of this package."""
    with importlib.resources.files("hsframe.units").joinpath(name).open(encoding="utf-8") as lines:
        return tuple(csv.DictReader(lines))


@functools.cache
def all_units() -> tuple[Unit, ...]:
    """The 457 units of the standard's table, in its order."""
    return tuple(
        Unit(
            name=row["name"],
            symbols=tuple(row["symbols"].split()),
            quantity=row["quantity"],
            dimension=_dimension(row["dimension"]),
            scale=Fraction(row["scale"]),
            offset=Fraction(row["offset"] or 0),
        )
        for row in read_table("units.csv")
    )


@functools.cache
def equivalents(column: Literal["si", "ip", "pint"]) -> Mapping[str, str]:
    """What units are in a system or in pint, by their preferred symbols; those without an entry are left out."""
    rows = zip(all_units(), read_table("units.csv"), strict=True)
    return {one.symbol: row[column] for one, row in rows if row[column]}


def _dimension(text: str) -> tuple[int, ...]:
    exponents = dict.fromkeys(_BASES, 0)
    for term in text.split():
        base = term.rstrip("-0123456789")
        exponents[base] = int(term[len(base) :] or 1)
    return tuple(exponents.values())


@functools.cache
def _by_identifier() -> Mapping[str, Unit]:
    return {identifier: one for one in all_units() for identifier in (one.name, *one.symbols)}


def with_slash(symbol: str) -> str:
    """The symbol as the table would write it: ``$/kWh`` of ``$ / kWh``, ``$ per kWh`` and ``$_per_kWh``."""
    return _SLASH.sub("/", symbol.translate(_LOOKALIKES).strip())


@functools.lru_cache(maxsize=4096)
def find(symbol: str) -> Unit | None:
    """The unit of a symbol or a long name, None where the table has none.

    A server may have units of its own, so an unknown symbol is not an error until someone asks to convert it.

    Parameters
    ----------
    symbol : str
        ``"kW"`` or ``"kilowatt"``. Look-alike characters (the Greek µ, the ohm sign) are taken for one another, and so
        are ``"/"``, ``" / "`` and ``" per "``. Upper and lower case are not: mW is no MW.

    Examples
    --------
    >>> find("kilowatt").symbol, find("furlong")
    ('kW', None)
    """
    if not isinstance(symbol, str):
        raise UnitError(f"a unit must be a text, as 'kW'; got {symbol!r}")
    table = _by_identifier()
    return table.get(symbol) or table.get(with_slash(symbol))


def unit(symbol: str) -> Unit:
    """The unit of a symbol or a long name.

    Parameters
    ----------
    symbol : str
        ``"kW"`` or ``"kilowatt"``.

    Raises
    ------
    UnitError
        The table has no such unit; the message names the nearest.

    Examples
    --------
    >>> unit("inH₂O").quantity
    'pressure'
    >>> unit("kwh")
    Traceback (most recent call last):
    ...
    hsframe.errors.UnitError: the unit table has no 'kwh'; did you mean 'kWh'?
    """
    found = find(symbol)
    if found is None:
        raise UnitError(unknown(symbol))
    return found


def unknown(symbol: str) -> str:
    """The message that the table does not have a unit, with the nearest that it has."""
    says = f"the unit table has no {symbol!r}; "
    if symbol.startswith("_"):  # standard: Units, a custom unit
        return f"{says}a unit that begins with _ is the server's own, and its size is not known"
    identifiers = list(_by_identifier())
    same = (one.symbol for identifier, one in _by_identifier().items() if _typed(identifier) == _typed(symbol))
    near = [*dict.fromkeys(same)] or difflib.get_close_matches(symbol, identifiers, n=3, cutoff=0.6)
    if not near:
        return f"{says}hsframe.units.all_units() lists what there is"
    return f"{says}did you mean {' or '.join(map(repr, near))}?"


def _typed(identifier: str) -> str:
    """How a unit is typed where a keyboard has none of its signs: degC, m3/h, kwh, in H2O."""
    text = identifier.casefold().replace("degrees", "°").replace("deg", "°").replace(" ", "").replace("_", "")
    return text.translate(_PLAIN_DIGITS)


@functools.lru_cache(maxsize=1024)
def delta(symbol: str) -> str:
    """The unit of a difference: Δ°F of °F; every other unit is its own.

    >>> delta("°F"), delta("kW")
    ('Δ°F', 'kW')
    """
    found = find(symbol)
    return symbol if found is None else _DELTAS.get(found.symbol, symbol)


def convertible(source: str, target: str) -> bool:
    """Whether values of one unit can be converted to the other.

    Every unit converts to itself, also one that the table does not have.

    Examples
    --------
    >>> convertible("kWh", "BTU"), convertible("kWh", "kVAh"), convertible("°F", "Δ°F")
    (True, False, False)
    """
    if source == target:
        return True
    a, b = find(source), find(target)
    return a is not None and b is not None and (a is b or a.kind == b.kind)


@dataclass(frozen=True, slots=True)
class Conversion:
    """``(value + before) * times / over + after``, so that the usual cases lose no digit; or ``inverse / value``.

    Parameters
    ----------
    before, after : float
        Of the two at most one is not 0, and only for temperatures.
    times, over : float
        The factor as a fraction; `over` is 1 where the fraction has no small terms.
    inverse : float
        Not 0 where one unit is the inverse of the other.
    """

    before: float
    times: float
    over: float
    after: float
    inverse: float = 0.0

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing: two names of one unit."""
        return self.times == self.over and self.before == self.after == self.inverse == 0.0

    def __call__(self, values: Any) -> Any:
        """The converted float or float64 array; an array is not changed in place."""
        if self.inverse:
            with np.errstate(divide="ignore"):
                converted = np.divide(self.inverse, values)
            return converted if isinstance(values, np.ndarray) else float(converted)
        if self.before:
            values = values + self.before
        if self.times != 1.0:
            values = values * self.times
        if self.over != 1.0:
            values = values / self.over
        if self.after:
            values = values + self.after
        return values


def converter(source: str, target: str) -> Conversion:
    """How values of one unit become values of another.

    Parameters
    ----------
    source, target : str
        Symbols or long names.

    Returns
    -------
    Conversion
        A callable that takes a float or a float64 array.

    Raises
    ------
    UnitError
        A unit is not in the table, or the two measure different things.
    """
    return _converter(source, target, options.unit_factors)


@functools.lru_cache(maxsize=1024)
def _converter(source: str, target: str, factors: str) -> Conversion:
    if source == target:
        return Conversion(0.0, 1.0, 1.0, 0.0)
    a, b = unit(source), unit(target)
    if a is b:
        return Conversion(0.0, 1.0, 1.0, 0.0)
    if a.kind != b.kind:
        raise UnitError(f"{source} cannot be converted to {target}: {_difference(a, b)}")
    if factors == "corrected" and (a.symbol == _INVERSE) != (b.symbol == _INVERSE):
        other = b if a.symbol == _INVERSE else a
        return Conversion(0.0, 1.0, 1.0, 0.0, _KW_OF_A_TON / float(other.scale))
    scale_a, scale_b = (true_scale(a), true_scale(b)) if factors == "corrected" else (a.scale, b.scale)
    for symbol in (a.symbol, b.symbol) if factors != "corrected" else ():
        if symbol in MISPRINTS or symbol == _INVERSE:
            _log.warning(
                "the standard's table misprints the scale of %s, and %s -> %s follows the table, as "
                'hsframe.options.unit_factors = "standard" has it; "corrected" follows the name of the unit',
                *(symbol, source, target),
            )
    factor = scale_a / scale_b
    shift = a.offset - b.offset
    # The shift goes to the side where it is a round number: -32 before °F -> °C, +32 after °C -> °F.
    before, after = shift / scale_a, shift / scale_b
    before, after = (before, Fraction(0)) if before.denominator < after.denominator else (Fraction(0), after)
    if factor.numerator < 2**40 and factor.denominator < 2**40:
        return Conversion(float(before), float(factor.numerator), float(factor.denominator), float(after))
    return Conversion(float(before), float(factor), 1.0, float(after))


def true_scale(one: Unit) -> Fraction:
    """The scale, corrected where the standard misprints it (:data:`MISPRINTS`)."""
    return MISPRINTS.get(one.symbol, one.scale)


def _difference(a: Unit, b: Unit) -> str:
    if {a.quantity, b.quantity} == {"temperature", "temperature differential"}:
        return "one is a temperature, the other a difference of temperatures"
    if a.quantity == b.quantity == "currency":
        return "the table has no exchange rates"
    if a.quantity == b.quantity == "dimensionless":
        return f"{a.name} and {b.name} are both without dimension, but they are different things"
    return f"one measures {a.quantity}, the other {b.quantity}"


@overload
def convert(values: float, source: str, target: str) -> float: ...
@overload
def convert(values: NDArray[np.float64] | Sequence[float], source: str, target: str) -> NDArray[np.float64]: ...
def convert(values: Any, source: str, target: str) -> float | NDArray[np.float64]:
    """Values of one unit, converted to another.

    Parameters
    ----------
    values : float, float64 array, or list of float
        Magnitudes in `source`. NaN and the infinities stay what they are. What carries a unit converts itself:
        ``value.to(...)`` of a Number or a value of a column, ``hs.to(...)`` of a column or a frame.
    source, target : str
        Symbols or long names.

    Returns
    -------
    float or float64 array
        Magnitudes in `target`; an array is a new one, unless the units are the same.

    Raises
    ------
    UnitError
        A unit is not in the table, or the two measure different things; `values` are no numbers, or carry a unit, and
        would keep it.

    Examples
    --------
    >>> convert(72.5, "°F", "°C"), convert(9, "Δ°F", "Δ°C"), convert(1.0, "kWh", "MJ")
    (22.5, 5.0, 3.6)
    >>> convert(1.0, "kWh", "kVAh")
    Traceback (most recent call last):
    ...
    hsframe.errors.UnitError: kWh cannot be converted to kVAh: one measures energy, the other apparent energy
    """
    given = np.array(values, dtype=object) if isinstance(values, list | tuple) else values
    dtypes = np.ravel(np.array(getattr(given, "dtypes", getattr(given, "dtype", None)), dtype=object))
    cells = np.ravel(np.asarray(given)) if np.dtype(object) in dtypes else ()
    if own := next((unit for one in (values, *dtypes, *cells) if (unit := getattr(one, "unit", None))), None):
        raise UnitError(
            f"the values carry the unit {own}, and would keep it; use value.to({target!r}), or hs.to({target!r}) of a "
            "column or frame"
        )
    try:
        plain = values if given is values else given.astype(np.float64)
        return converter(source, target)(plain)  # type: ignore[no-any-return]  # doubles of doubles
    except (TypeError, ValueError) as error:
        raise UnitError(f"values must be a number, or an array or a list of numbers: {error}") from error
