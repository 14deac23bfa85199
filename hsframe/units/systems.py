"""The metric and the inch-pound unit of a value, as building engineers write them.

``"si"`` is what a metric plant is read in, not the base units: °C and not K, kWh and not J, L/s and not m³/s.
A unit that its system already uses stays as it is (kW and bar are metric, kW and kWh are also read in the United
States, minutes and % belong to both), so only the units of the *other* system are replaced, each by one of about its
size: the columns ``si`` and ``ip`` of ``units.csv``. The choices that are a matter of taste:

- Energy and heat in metric are kWh, kW and MJ; in inch-pound kBTU and kBTU/h, except what is electric there too:
  W, kW, MW, Wh, kWh, MWh stay.
- Energy by area, the index that buildings are compared by, is kWh/m² on one side and kBTU/ft² on the other.
- L/s does not tell air from water: ``"ip"`` makes it cfm; for water ask for ``"gal/min"``. ``"si"`` makes
  both cfm and gal/min L/s.
- Wind in mph becomes km/h, duct velocity in ft/min becomes m/s, rain in in/h becomes mm/h. Knots stay.
- Barometers: inHg becomes kPa; hPa and mbar become inHg.
- A share, a currency, a count, an angle, a time have no system. Degree days, ``%obsc/ft`` and the like have one but
  no factor in the table, and stay; so does kW/ton, the inverse of a COP.
"""

from __future__ import annotations

from typing import Final, Literal

from hsframe import options
from hsframe.errors import UnitError
from hsframe.units.table import MISPRINTS, equivalents, find

System = Literal["si", "ip"]

_SYSTEMS: Final[dict[str, System]] = {"si": "si", "metric": "si", "ip": "ip", "imperial": "ip", "us": "ip"}


def system_of(target: str) -> System | None:
    """The system that a text names: ``"si"`` or ``"metric"``, ``"ip"``, ``"imperial"`` or ``"us"``, in any case.

    None for what names none, as a unit.
    """
    return _SYSTEMS.get(target.casefold()) if isinstance(target, str) else None


def to_system(symbol: str, system: System | str) -> str:
    """The unit that a system uses for values of a unit.

    Parameters
    ----------
    symbol : str
        A unit; one that the table does not have stays as it is.
    system : "si" or "ip"
        Metric, or inch-pound; ``"metric"``, ``"imperial"`` and ``"us"`` are understood too.

    Returns
    -------
    str
        `symbol` itself where the system uses it already or has no other. With ``options.unit_factors = "standard"``
        the units whose factors the standard misprints (:data:`hsframe.units.MISPRINTS`) stay too.

    Raises
    ------
    UnitError
        No such system.

    Examples
    --------
    >>> to_system("cfm", "si"), to_system("kWh/m²", "ip"), to_system("kW", "ip"), to_system("%RH", "si")
    ('L/s', 'kBTU/ft²', 'kW', '%RH')
    """
    if (known := system_of(system)) is None:
        raise UnitError(f"there is no unit system {system!r}; expected 'si' or 'ip'")
    found = find(symbol)
    target = None if found is None else equivalents(known).get(found.symbol)
    if found is None or target is None:
        return symbol
    if options.unit_factors != "corrected" and (found.symbol in MISPRINTS or target in MISPRINTS):
        return symbol
    return target


def unit_in(symbol: str, target: str) -> str:
    """The unit to convert values of a unit to where someone asks for a system or for a unit."""
    return to_system(symbol, target) if system_of(target) else target
