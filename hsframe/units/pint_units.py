"""Units of pint: which of them each Haystack unit is, or that it is none, and the other way round.

Pint must not read the symbols: it takes ``cfm`` for a centi-fermi and ``pH`` for a pico-henry. So each unit that it
has an equal for is written out here in pint's own words, and every other is refused by name: currencies, ratios of
things that pint does not tell apart (pf, COP, PUE), scales (pH, dB), gas by its heat.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from hsframe.errors import MetadataError, UnitError
from hsframe.units.table import find, unit

if TYPE_CHECKING:
    from hsframe.unit_array.array import UnitArray

# Haystack symbol = pint expression. Where pint's unit differs from the table's by more than rounding (the British
# thermal unit has several definitions), the one nearest to the table is named.
_TABLE: Final = """
% = percent | ppu = dimensionless | ppm = ppm | ppb = 1e-9
rad = radian | deg = degree | degPh = degree | sr = steradian
g/kg = gram / kilogram | gH₂O/kgAir = gram / kilogram | V/K = volt / kelvin | psi/°F = psi / delta_degree_Fahrenheit
m²/N = meter ** 2 / newton | W/m²K = watt / meter ** 2 / kelvin | px = pixel
m/s² = meter / second ** 2 | rad/s² = radian / second ** 2 | Js = joule * second | rad/s = radian / second
rpm = revolutions_per_minute
m² = meter ** 2 | mm² = millimeter ** 2 | cm² = centimeter ** 2 | km² = kilometer ** 2 | in² = inch ** 2
ft² = foot ** 2 | yd² = yard ** 2 | mile² = mile ** 2 | acre = acre
F = farad | EER = Btu / watt / hour
kg/m³ = kilogram / meter ** 3 | g/m³ = gram / meter ** 3 | mg/m³ = milligram / meter ** 3
µg/m³ = microgram / meter ** 3 | kg/L = kilogram / liter | mg/L = milligram / liter
C = coulomb | Ah = ampere * hour | S = siemens | A = ampere | mA = milliampere | Am² = ampere * meter ** 2
A/m² = ampere / meter ** 2 | V/m = volt / meter | V = volt | mV = millivolt | kV = kilovolt | MV = megavolt
Ω = ohm | kΩ = kiloohm | MΩ = megaohm | mΩ = milliohm | S/m = siemens / meter | Ωm = ohm * meter
J = joule | kJ = kilojoule | Wh = watt_hour | kWh = kilowatt_hour | MWh = megawatt_hour | GWh = gigawatt_hour
BTU = Btu | kBTU = kiloBtu | MMBTU = megaBtu | hph = horsepower * hour | cal = calorie | therm = therm
tonrefh = refrigeration_ton * hour | MJ = megajoule | GJ = gigajoule | Nm = newton * meter
VAh = volt_ampere * hour | kVAh = kilovolt_ampere * hour | MVAh = megavolt_ampere * hour
J/m² = joule / meter ** 2 | Wh/m² = watt_hour / meter ** 2 | Wh/ft² = watt_hour / foot ** 2
kWh/m² = kilowatt_hour / meter ** 2 | kWh/ft² = kilowatt_hour / foot ** 2
MWh/m² = megawatt_hour / meter ** 2 | MWh/ft² = megawatt_hour / foot ** 2
MJ/m² = megajoule / meter ** 2 | MJ/ft² = megajoule / foot ** 2
BTU/ft² = Btu / foot ** 2 | kBTU/ft² = kiloBtu / foot ** 2 | MBTU/ft² = megaBtu / foot ** 2
J/m³ = joule / meter ** 3 | GJ/m³ = gigajoule / meter ** 3 | kWh/m³ = kilowatt_hour / meter ** 3
J/g = joule / gram | J/kg = joule / kilogram | J/kg_dry = joule / kilogram | BTU/lb = Btu / pound
btu/lb_dry = Btu / pound | kJ/kg = kilojoule / kilogram | kJ/kg_dry = kilojoule / kilogram
MJ/kg_dry = megajoule / kilogram | cal/g = calorie / gram
J/°K = joule / kelvin | kJ/°K = kilojoule / kelvin | MJ/°K = megajoule / kelvin
N = newton | lbf = pound_force
Hz = hertz | kHz = kilohertz | MHz = megahertz | cph = 1 / hour | cpm = 1 / minute | /min = 1 / minute
/s = 1 / second | /h = 1 / hour | %/s = percent / second | ACH = 1 / hour
kg/m² = kilogram / meter ** 2 | g/m² = gram / meter ** 2
K/s = kelvin / second | °C/h = delta_degree_Celsius / hour | °C/min = delta_degree_Celsius / minute
°F/h = delta_degree_Fahrenheit / hour | °F/min = delta_degree_Fahrenheit / minute | K/h = kelvin / hour
K/min = kelvin / minute
lx = lux | fc = lumen / foot ** 2 | phot = lumen / centimeter ** 2 | H = henry
W/m²_irr = watt / meter ** 2 | W/ft²_irr = watt / foot ** 2
m = meter | µm = micrometer | mm = millimeter | cm = centimeter | km = kilometer | in = inch | ft = foot | yd = yard
mile = mile | cd/m² = candela / meter ** 2 | cd/ft² = candela / foot ** 2 | lm = lumen | cd = candela
A/m = ampere / meter | Wb = weber | T = tesla
kg = kilogram | mg = milligram | g = gram | oz = ounce | lb = pound | klb = kilopound | ton = metric_ton | t = short_ton
kg/s = kilogram / second | kg/min = kilogram / minute | kg/h = kilogram / hour | lb/min = pound / minute
lb/h = pound / hour | lb/s = pound / second | klb/h = kilopound / hour | g/s = gram / second | g/min = gram / minute
ton/h = metric_ton / hour | Ns = newton * second
W = watt | mW = milliwatt | kW = kilowatt | MW = megawatt | GW = gigawatt | BTU/h = Btu / hour | therm/h = therm / hour
hp = horsepower | ftlbs/sec = foot * pound_force / second | tonref = refrigeration_ton | kBTU/h = kiloBtu / hour
MMBTU/h = megaBtu / hour | J/h = joule / hour | kJ/h = kilojoule / hour | MJ/h = megajoule / hour
GJ/h = gigajoule / hour
W/m² = watt / meter ** 2 | W/ft² = watt / foot ** 2 | kW/m² = kilowatt / meter ** 2 | kW/ft² = kilowatt / foot ** 2
kBTU/h/ft² = kiloBtu / hour / foot ** 2
W/m³/s = watt / (meter ** 3 / second) | W/cfm = watt / (foot ** 3 / minute)
kW/kcfm = kilowatt / (1000 * foot ** 3 / minute) | kW/gal/min = kilowatt / (gallon / minute)
VA = volt_ampere | kVA = kilovolt_ampere | mVA = megavolt_ampere
Pa = pascal | kPa = kilopascal | bar = bar | atm = atmosphere | psi = psi | cmH₂O = centimeter_H2O
inH₂O = inch_H2O_60F
mmHg = millimeter_Hg | cmHg = centimeter_Hg | inHg = inch_Hg | hPa = hectopascal | mbar = millibar
J/kg°K = joule / kilogram / kelvin | N/m = newton / meter | W/m°K = watt / meter / kelvin
°F = degree_Fahrenheit | °C = degree_Celsius | K = kelvin
Δ°F = delta_degree_Fahrenheit | Δ°C = delta_degree_Celsius | ΔK = kelvin
ns = nanosecond | µs = microsecond | ms = millisecond | cs = centisecond | ds = decisecond | sec = second | min = minute
hr = hour | day = day | wk = week | mo = month | yr = 365 * day
m/s = meter / second | km/s = kilometer / second | km/h = kilometer / hour | mph = mile / hour | ft/s = foot / second
ft/min = foot / minute | in/h = inch / hour | mm/s = millimeter / second | mm/min = millimeter / minute
mm/h = millimeter / hour | m/min = meter / minute | m/h = meter / hour | knot = knot
cfm/ft² = foot ** 3 / minute / foot ** 2
m³ = meter ** 3 | mm³ = millimeter ** 3 | cm³ = centimeter ** 3 | mL = milliliter | hL = hectoliter | L = liter
kL = kiloliter | in³ = inch ** 3 | ft³ = foot ** 3 | yd³ = yard ** 3 | gal = gallon | kgal = kilogallon | qt = quart
pt = pint | fl_oz = fluid_ounce | galUK = imperial_gallon | hft³ = 100 * foot ** 3 | Hcf = 100 * foot ** 3
Ccf = 100 * foot ** 3 | Mcf = 1000 * foot ** 3 | MMcf = 1000000 * foot ** 3
m³/s = meter ** 3 / second | mL/s = milliliter / second | hL/s = hectoliter / second | L/s = liter / second
cfs = foot ** 3 / second | cfm = foot ** 3 / minute | cfh = foot ** 3 / hour | kcfm = 1000 * foot ** 3 / minute
galUK/min = imperial_gallon / minute | L/min = liter / minute | gal/min = gallon / minute | gph = gallon / hour
L/h = liter / hour | m³/min = meter ** 3 / minute | m³/h = meter ** 3 / hour
byte = byte | kB = kibibyte | MB = mebibyte | GB = gibibyte | TB = tebibyte | PB = pebibyte
"""


@functools.cache
def _table() -> Mapping[str, str]:
    pairs = (pair.split(" = ") for line in _TABLE.strip().splitlines() for pair in line.split(" | "))
    return {unit(symbol.strip()).symbol: expression.strip() for symbol, expression in pairs}


def pint_unit(symbol: str) -> str:
    """What pint calls a unit, as an expression that ``pint.UnitRegistry`` parses; a UnitError where it has no equal.

    >>> pint_unit("cfm"), pint_unit("kWh")
    ('foot ** 3 / minute', 'kilowatt_hour')
    """
    found = find(symbol)
    expression = None if found is None else _table().get(found.symbol)
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
    for symbol, expression in sorted(_table().items(), key=lambda pair: len(pair[0])):
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
