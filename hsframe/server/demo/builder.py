"""The records of the demo building (sites, equipment, points), and signals made into histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hsframe.durations import DAY_US
from hsframe.kinds import MARKER, Coord, Number, Ref
from hsframe.server.database import Database
from hsframe.server.demo.signals import LEAD, Axis, Local, daily_chance
from hsframe.server.priority import DEFAULT_LEVEL

Signal = NDArray[Any]

# The last days have no gaps: a read of the last week finds every sampled point.
_WHOLE_DAYS: Final = 10
_NA_CHANCE: Final = 0.012
_GAP_CHANCE: Final = 0.012


@dataclass
class Builder:
    """Puts one site into a database; `key` begins every id of it, and `tz` is the Haystack name of its zone."""

    database: Database
    axis: Axis
    key: str
    tz: str

    def __post_init__(self) -> None:
        self.local = Local.of(self.axis, self.tz)
        self._site: Ref | None = None
        self._site_dis = ""
        # The whole site is offline on some days, as when its gateway restarts.
        self._offline = self._window("gateway", _GAP_CHANCE / 2, 3.0, 9.0)

    def site(self, dis: str, place: str, at: Coord, function: str, area: Number, built: int) -> None:
        city, country = place.split(", ")
        self._site, self._site_dis = Ref(self.key, dis), dis
        rec = {"id": self._site, "site": MARKER, "dis": dis, "tz": self.tz, "geoCoord": at, "area": area}
        rec |= {"geoCity": city, "geoCountry": country, "primaryFunction": function, "yearBuilt": Number(built)}
        self.database.add(rec)

    def equip(self, key: str, name: str, tags: str) -> Ref:
        """A piece of equipment; `tags` are its markers."""
        dis = f"{self._site_dis} {name}"
        ref = Ref(f"{self.key}-{key}", dis)
        markers = dict.fromkeys(tags.split(), MARKER)
        self.database.add(
            {"id": ref, "equip": MARKER, **markers, "dis": dis, "navName": name, "siteRef": self._site, "tz": self.tz}
        )
        return ref

    def number(self, equip: Ref, key: str, name: str, tags: str, unit: str, values: Signal, *, digits: int) -> None:
        """A Number point, sampled every 15 minutes; a setpoint (`tags` begin with ``sp``) is recorded on change."""
        rounded = np.round(np.asarray(values, np.float64)[LEAD:], digits) + 0.0  # no -0.0
        mode = "cov" if tags.startswith("sp ") else "sampled"
        rec = self._rec(equip, key, name, tags, "Number", unit=unit, hisMode=mode)
        self._store(rec, rounded)

    def flag(self, equip: Ref, key: str, name: str, tags: str, values: Signal, enum: str = "off,on") -> None:
        rec = self._rec(equip, key, name, tags, "Bool", enum=enum, hisMode="cov")
        self._store(rec, np.asarray(values, np.bool_)[LEAD:])

    def text(self, equip: Ref, key: str, name: str, tags: str, codes: Signal, texts: tuple[str, ...]) -> None:
        """A Str point of a few texts, recorded on change; `codes` count into `texts`."""
        rec = self._rec(equip, key, name, tags, "Str", enum=",".join(texts), hisMode="cov")
        self._store(rec, np.asarray(texts, object)[np.asarray(codes, np.intp)[LEAD:]])

    def _rec(self, equip: Ref, key: str, name: str, tags: str, kind: str, **more: Any) -> dict[str, Any]:
        dis = f"{equip.dis} {name}"
        return {
            "id": Ref(f"{equip.val}-{key}", dis),
            **dict.fromkeys(["point", "his", "cur", *tags.split()], MARKER),
            "dis": dis,
            "navName": name,
            "kind": kind,
            "tz": self.tz,
            "siteRef": self._site,
            "equipRef": equip,
            **more,
        }

    def _store(self, rec: dict[str, Any], values: Signal) -> None:
        id: Ref = rec["id"]
        (last,) = values[-1:].tolist()
        current = Number(last, rec["unit"]) if rec["kind"] == "Number" else last
        rec["curVal"], rec["curStatus"] = current, "ok"
        is_cov = rec["hisMode"] == "cov"
        if is_cov:
            rec["cov"] = MARKER
        self.database.add(rec)
        ts_us = self.axis.ts_us[LEAD:]
        if is_cov:
            changes = np.append(True, values[1:] != values[:-1])
            self.database.set_history(id, ts_us[changes], values[changes])
        else:
            there = ~(self._offline | self._window(id.val + "/gap", _GAP_CHANCE, 1.0, 14.0))[LEAD:]
            na = self._window(id.val + "/na", _NA_CHANCE, 0.5, 3.0)[LEAD:]
            self.database.set_history(id, ts_us[there], values[there], na[there])
        if "writable" in rec:
            self.database.priorities(id).write(DEFAULT_LEVEL, current, "demo")
            self.database.update(id, {"writeVal": current, "writeLevel": Number(DEFAULT_LEVEL)})

    def _window(self, name: str, chance: float, shortest_h: float, longest_h: float) -> NDArray[np.bool_]:
        """Hours of trouble on some days, none of them among the last ones."""
        name = f"{self.key}/{name}"
        axis, local = self.axis, self.local
        start = 24 * daily_chance(axis, local, name + "/start")
        hours = shortest_h + (longest_h - shortest_h) * daily_chance(axis, local, name + "/hours")
        hit = (daily_chance(axis, local, name) < chance) & (local.hour >= start) & (local.hour < start + hours)
        return np.asarray(hit & (axis.ts_us < axis.end_us - _WHOLE_DAYS * DAY_US))
