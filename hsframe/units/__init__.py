"""Units of measurement: the standard's table, conversions, products, and the two systems.

>>> from hsframe import units
>>> units.convert(100.0, "kW", "BTU/h")
341442.594963...
>>> units.unit("kilowatt_hour").symbol, units.multiply("kW", "h"), units.to_system("°F", "si")
('kWh', 'kWh', '°C')
"""

from __future__ import annotations

from hsframe.units.algebra import divide, multiply, power
from hsframe.units.systems import to_system
from hsframe.units.table import (
    MISPRINTS,
    Conversion,
    Unit,
    all_units,
    convert,
    converter,
    convertible,
    delta,
    find,
    unit,
)

__all__ = [
    "MISPRINTS", "Conversion", "Unit", "all_units", "convert", "converter", "convertible", "delta", "divide", "find",
    "multiply", "power", "to_system", "unit",
]  # fmt: skip
