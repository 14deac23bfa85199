"""Answers of ``read`` to measure with: point records like those of a large site, thirty tags each.

What costs is in them: names, ids, instants and programs that no two records share; refs with display names that many
share; tags that most records lack; tags that hold a Number here and a Bool or a Str there; lists, and a few dicts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hsframe.codecs import encode_exact
from hsframe.codecs.json4 import Json4
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref, Uri

__all__ = ["ENTITY_BODIES", "entity_grid", "spaced_json4"]

_EQUIPS = ("AHU", "VAV", "Chiller", "Boiler", "Pump", "Meter", "FCU", "Tower")
_POINTS = (
    ("Discharge Air Temp", "°F", ("discharge", "air", "temp", "sensor")),
    ("Zone Air Temp", "°F", ("zone", "air", "temp", "sensor")),
    ("Fan Speed Cmd", "%", ("fan", "speed", "cmd")),
    ("Fan Run", None, ("fan", "run", "cmd")),
    ("Electric Power", "kW", ("elec", "power", "sensor")),
    ("Water Flow", "gal/min", ("water", "flow", "sensor")),
    ("Occupancy Mode", "enum", ("occ", "mode", "sp")),
)
_FILLERS = (
    "hisCollectInterval",
    "navName",
    "disMacro",
    "bacnetWrite",
    "bacnetHis",
    "weatherStationRef",
    "precision",
    "writable",
    "installed",
    "docUri",
    "tags",
    "foo",
    "spec",
    "area",
    "curErr",
)
_MODIFIED = datetime(2023, 5, 1, 12, tzinfo=UTC)
_TAGS = 30


def _record(number: int, rnd: random.Random) -> dict[str, Any]:
    site = number // 1000
    equip = number // 12
    name, unit, markers = _POINTS[number % len(_POINTS)]
    equip_dis = f"Site {site} {_EQUIPS[equip % len(_EQUIPS)]}-{equip}"
    kind = "Bool" if unit is None else "Str" if unit == "enum" else "Number"
    rec: dict[str, Any] = {
        "id": Ref(f"p:demo:r:{0x2A3B4C00 + number * 7919:08x}-{rnd.randrange(2**32):08x}", f"{equip_dis} {name}"),
        "dis": f"{equip_dis} {name}",
        "point": MARKER,
        "his": MARKER,
        **dict.fromkeys(markers, MARKER),
        "equipRef": Ref(f"p:demo:r:e{equip:07x}", equip_dis),
        "siteRef": Ref(f"p:demo:r:s{site:07x}", f"Site {site}"),
        "kind": kind,
        "tz": "New_York",
        "cur": MARKER,
        "curStatus": rnd.choice(("ok", "ok", "ok", "stale", "fault")),
        "hisMode": "cov" if kind != "Number" else "sampled",
        "mod": (_MODIFIED + timedelta(milliseconds=rnd.randrange(10**11))).astimezone(UTC),
        "bacnetCur": f"{'AI' if kind == 'Number' else 'BI'}{number % 400}",
        "bacnetConnRef": Ref(f"p:demo:r:c{equip // 4:07x}", f"BACnet {equip // 4}"),
        "hisEnd": (_MODIFIED + timedelta(minutes=15 * (number % 96))).astimezone(ZoneInfo("America/New_York")),
        "hisSize": Number(rnd.randrange(100_000)),
    }
    if kind == "Number":
        rec["unit"] = unit
        rec["curVal"] = Number(round(rnd.uniform(0, 120), 2), unit)
        rec["minVal"] = Number(0, unit)
    else:
        rec["curVal"] = rnd.random() < 0.5 if kind == "Bool" else rnd.choice(("occ", "unocc"))
        rec["enum"] = "off,on" if kind == "Bool" else "occ,unocc,bypass"
    values: Mapping[str, Callable[[], Any]] = {
        "hisCollectInterval": lambda: Number(15, "min"),
        "navName": lambda: name,
        "disMacro": lambda: "$equipRef $navName",
        "bacnetWrite": lambda: f"AO{number % 300}",
        "bacnetHis": lambda: f"TL{number}",
        "weatherStationRef": lambda: Ref(f"p:demo:r:w{site}", f"Weather {site}"),
        "precision": lambda: Number(number % 3),
        "writable": lambda: MARKER,
        "installed": lambda: _MODIFIED.date() - timedelta(days=number % 900),
        "docUri": lambda: Uri(f"https://docs.example/{equip}"),
        "tags": lambda: ["hvac", Ref(f"p:demo:r:g{number % 7}"), Number(number % 5)],
        "foo": lambda: {"rev": Number(number % 9), "by": f"user-{number % 20}"},
        "spec": lambda: Ref(f"ph.points::{''.join(part.title() for part in markers)}Point"),
        "area": lambda: Number(100 + number % 50, "ft²"),
        "curErr": lambda: f'if (x > {number}) "high" else\n  null',
    }
    for tag in rnd.sample(_FILLERS, _TAGS - len(rec)):
        rec[tag] = values[tag]()
    return rec


def entity_grid(rows: int, seed: int = 0) -> Grid:
    """So many point records, thirty tags each."""
    rnd = random.Random(seed)
    records = [_record(number, rnd) for number in range(rows)]
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    return Grid.from_rows({}, list(names), records)


def spaced_json4(grid: Grid) -> bytes:
    """Version 4 as Haxall spaces it: a row a line, a blank behind each comma but none behind a colon."""
    import json

    cols = ",\n".join(json.dumps({"name": name}, separators=(", ", ":")) for name in grid.col_names)
    rows = ",\n".join(
        json.dumps(Json4().write(dict(row)), ensure_ascii=False, separators=(", ", ":")) for row in grid.rows
    )
    return f'{{\n"_kind": "grid",\n"meta": {{"ver":"3.0"}},\n"cols": [\n{cols}\n],\n"rows":[\n{rows}\n]\n}}\n'.encode()


ENTITY_BODIES: dict[str, Callable[[Grid], bytes]] = {
    "zinc": lambda grid: encode_exact(grid, "zinc"),
    "json4": lambda grid: encode_exact(grid, "json4"),
    "json4, spaced": spaced_json4,
    "json3": lambda grid: encode_exact(grid, "json3"),
}
