"""The metric and the inch-pound unit of a value, as building engineers write them.

``"si"`` is what a metric plant is read in, not the base units: °C and not K, kWh and not J, L/s and not m³/s.
A unit that its system already uses stays as it is (kW and bar are metric, kW and kWh are also read in the United
States, minutes and % belong to both), so only the units of the *other* system are replaced, each by one of about its
size. The choices that are a matter of taste:

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

import functools
from collections.abc import Mapping
from typing import Final, Literal

from hsframe import options
from hsframe.errors import UnitError
from hsframe.units.table import MISPRINTS, find

System = Literal["si", "ip"]

_TO_SI: Final = """
°F °C | Δ°F Δ°C | °F/h °C/h | °F/min °C/min
BTU kWh | kBTU kWh | MMBTU kWh | therm kWh | hph kWh | tonrefh kWh
ft³_gas m³_gas | Hcf_natural_gas m³_gas | Ccf_natural_gas m³_gas | Mcf_natural_gas m³_gas | MMcf_natural_gas m³_gas
BTU/h kW | kBTU/h kW | MMBTU/h kW | therm/h kW | hp kW | ftlbs/sec W | tonref kW
W/ft² W/m² | kW/ft² kW/m² | kBTU/h/ft² W/m² | W/ft²_irr W/m²_irr
Wh/ft² Wh/m² | kWh/ft² kWh/m² | MWh/ft² MWh/m² | MJ/ft² MJ/m² | BTU/ft² kWh/m² | kBTU/ft² kWh/m² | MBTU/ft² kWh/m²
BTU/lb kJ/kg | btu/lb_dry kJ/kg_dry
W/cfm W/m³/s | kW/kcfm W/m³/s | kW/gal/min W/m³/s | EER COP
cfm L/s | kcfm m³/s | cfs m³/s | cfh m³/h | gal/min L/s | gph L/h | galUK/min L/s
ft³ m³ | yd³ m³ | in³ cm³ | hft³ m³ | Hcf m³ | Ccf m³ | Mcf m³ | MMcf m³
gal L | kgal m³ | qt L | pt L | fl_oz mL | galUK L
oz g | lb kg | klb kg | t ton | lb/s kg/s | lb/min kg/min | lb/h kg/h | klb/h kg/h
in mm | ft m | yd m | mile km | in² cm² | ft² m² | yd² m² | mile² km² | acre m²
ft/min m/s | ft/s m/s | mph km/h | in/h mm/h | cfm/ft² mm/s
psi kPa | inH₂O Pa | inHg kPa | lbf N | fc lx | cd/ft² cd/m²
"""

_TO_IP: Final = """
°C °F | K °F | Δ°C Δ°F | ΔK Δ°F | °C/h °F/h | °C/min °F/min | K/h °F/h | K/min °F/min | K/s °F/min
J BTU | kJ BTU | MJ kBTU | GJ MMBTU | cal BTU | m³_gas ft³_gas
J/h BTU/h | kJ/h BTU/h | MJ/h kBTU/h | GJ/h MMBTU/h
W/m² W/ft² | kW/m² kW/ft² | W/m²_irr W/ft²_irr
J/m² BTU/ft² | Wh/m² Wh/ft² | kWh/m² kBTU/ft² | MWh/m² MBTU/ft² | MJ/m² kBTU/ft²
J/kg BTU/lb | kJ/kg BTU/lb | J/g BTU/lb | cal/g BTU/lb
J/kg_dry btu/lb_dry | kJ/kg_dry btu/lb_dry | MJ/kg_dry btu/lb_dry
W/m³/s W/cfm
L/s cfm | m³/s cfm | m³/min cfm | m³/h cfm | L/min gal/min | L/h gph | mL/s gph | hL/s gal/min
m³ ft³ | cm³ in³ | mm³ in³ | L gal | kL gal | hL gal | mL fl_oz
mg oz | g oz | kg lb | ton t | kg/s lb/h | kg/min lb/min | kg/h lb/h | g/s lb/h | g/min lb/h | ton/h klb/h
mm in | cm in | m ft | km mile | mm² in² | cm² in² | m² ft² | km² mile²
m/s ft/min | m/min ft/min | m/h ft/min | mm/s ft/min | mm/min ft/min | km/h mph | mm/h in/h
Pa inH₂O | kPa psi | bar psi | hPa inHg | mbar inHg | cmH₂O inH₂O | mmHg inHg | cmHg inHg
N lbf | lx fc | phot fc | cd/m² cd/ft²
"""


@functools.cache
def _table(system: System) -> Mapping[str, str]:
    text = _TO_SI if system == "si" else _TO_IP
    pairs = (pair.split() for line in text.strip().splitlines() for pair in line.split("|"))
    return {pair[0]: pair[1] for pair in pairs}


def to_system(symbol: str, system: System) -> str:
    """The unit that a system uses for values of a unit.

    Parameters
    ----------
    symbol : str
        A unit; one that the table does not have stays as it is.
    system : "si" or "ip"
        Metric, or inch-pound.

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
    if system not in ("si", "ip"):
        raise UnitError(f"there is no unit system {system!r}; expected 'si' or 'ip'")
    found = find(symbol)
    target = None if found is None else _table(system).get(found.symbol)
    if found is None or target is None:
        return symbol
    if options.unit_factors != "corrected" and (found.symbol in MISPRINTS or target in MISPRINTS):
        return symbol
    return target


def unit_in(symbol: str, target: str) -> str:
    """The unit to convert values of a unit to where someone asks for a system or for a unit."""
    return to_system(symbol, target) if target in ("si", "ip") else target  # type: ignore[arg-type]  # narrowed
