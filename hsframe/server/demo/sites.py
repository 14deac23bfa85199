"""The three sites of the demo: how their plant follows the weather, the clock and the people.

An office tower in New York (imperial units), a smaller one in London, a laboratory in Brisbane. The physics is rough
but consistent: power follows fans, cooling and people, meters count what the power was, rooms lag behind. A builder
makes records of it (sites, equipment, points), and histories of the signals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hsframe.arrays import Bools, Floats
from hsframe.durations import DAY_US
from hsframe.kinds import MARKER, Coord, Number, Ref
from hsframe.server.database import Database
from hsframe.server.demo.signals import LEAD, STEP_MIN, Axis, Local, daily_chance, lag, noise, weather
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
    dis: str

    def __post_init__(self) -> None:
        self.local = Local.of(self.axis, self.tz)
        self._site = Ref(self.key, self.dis)
        # The whole site is offline on some days, as when its gateway restarts.
        self._offline = self._window("gateway", _GAP_CHANCE / 2, 3.0, 9.0)

    def site(self, place: str, at: Coord, function: str, area: Number, built: int) -> None:
        city, country = place.split(", ")
        rec = {"id": self._site, "site": MARKER, "dis": self.dis, "tz": self.tz, "geoCoord": at, "area": area}
        rec |= {"geoCity": city, "geoCountry": country, "primaryFunction": function, "yearBuilt": Number(built)}
        self.database.add(rec)

    def equip(self, key: str, name: str, tags: str) -> Ref:
        """A piece of equipment; `tags` are its markers."""
        rec = self._rec(f"{self.key}-{key}", f"{self.dis} {name}", name)
        return self.database.add(rec | dict.fromkeys(["equip", *tags.split()], MARKER))

    def _rec(self, key: str, dis: str, name: str) -> dict[str, Any]:
        return {"id": Ref(key, dis), "dis": dis, "navName": name, "siteRef": self._site, "tz": self.tz}

    def number(self, equip: Ref, key: str, name: str, tags: str, unit: str, values: Signal, *, digits: int) -> None:
        """A Number point, sampled every 15 minutes; a setpoint (`tags` begin with ``sp``) is recorded on change."""
        rounded = np.round(np.asarray(values, np.float64)[LEAD:], digits) + 0.0  # no -0.0
        mode = "cov" if tags.startswith("sp ") else "sampled"
        self._add(equip, key, name, tags, "Number", rounded, unit=unit, hisMode=mode)

    def flag(self, equip: Ref, key: str, name: str, tags: str, values: Signal, enum: str = "off,on") -> None:
        self._add(equip, key, name, tags, "Bool", np.asarray(values, np.bool_)[LEAD:], enum=enum, hisMode="cov")

    def text(self, equip: Ref, key: str, name: str, tags: str, codes: Signal, texts: tuple[str, ...]) -> None:
        """A Str point of a few texts, recorded on change; `codes` count into `texts`."""
        values = np.asarray(texts, object)[np.asarray(codes, np.intp)[LEAD:]]
        self._add(equip, key, name, tags, "Str", values, enum=",".join(texts), hisMode="cov")

    def _add(self, equip: Ref, key: str, name: str, tags: str, kind: str, values: Signal, **more: Any) -> None:
        (last,) = values[-1:].tolist()
        current = Number(last, more["unit"]) if kind == "Number" else last
        is_cov = more["hisMode"] == "cov"
        markers = ["point", "his", "cur", *tags.split(), *(["cov"] if is_cov else [])]
        rec = self._rec(f"{equip.val}-{key}", f"{equip.dis} {name}", name) | dict.fromkeys(markers, MARKER) | more
        rec |= {"kind": kind, "equipRef": equip, "curVal": current, "curStatus": "ok"}
        id = self.database.add(rec)
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

    def _window(self, name: str, chance: float, shortest_h: float, longest_h: float) -> Bools:
        """Hours of trouble on some days, none of them among the last ones."""
        name = f"{self.key}/{name}"
        axis, local = self.axis, self.local
        start = 24 * daily_chance(axis, local, name + "/start")
        hours = shortest_h + (longest_h - shortest_h) * daily_chance(axis, local, name + "/hours")
        hit = (daily_chance(axis, local, name) < chance) & (local.hour >= start) & (local.hour < start + hours)
        return np.asarray(hit & (axis.ts_us < axis.end_us - _WHOLE_DAYS * DAY_US))


def _fahrenheit(celsius: Floats) -> Floats:
    return celsius * 1.8 + 32


def _meter(power: Floats, start: float = 0.0) -> Floats:
    """A meter that counts what the power was: its step is the power of the sample times a quarter of an hour."""
    return start + np.cumsum(np.round(power, 1)) * (STEP_MIN / 60)


def _people(axis: Axis, local: Local, name: str) -> Floats:
    """The share of people who are there, on some days more than on others."""
    return local.occupancy * (0.75 + 0.4 * daily_chance(axis, local, name))


def _main_meter(site: Builder, power: Floats, start: float) -> Ref:
    meter = site.equip("meter", "Main Meter", "elec meter siteMeter")
    site.number(meter, "kw", "Power", "sensor elec active power", "kW", power, digits=1)
    energy = _meter(power, start)
    site.number(meter, "kwh", "Energy", "sensor elec active energy hisTotalized", "kWh", energy, digits=2)
    return meter


def _weather_station(site: Builder, temp: Floats, temp_unit: str, humidity: Floats) -> None:
    station = site.equip("weather", "Weather", "weatherStation")
    site.number(station, "oat", "Outside Air Temp", "sensor outside air temp", temp_unit, temp, digits=1)
    site.number(station, "oah", "Outside Humidity", "sensor outside air humidity", "%RH", humidity, digits=0)


def new_york(database: Database, axis: Axis) -> None:
    """An office tower with an air handler, a VAV zone and a main meter."""
    site = Builder(database, axis, "nyc", "New_York", "Harbor Tower")
    local = site.local
    site.site("New York, US", Coord(40.7033, -74.0170), "Office", Number(186_000, "ft²"), 1987)
    oat, humidity = weather(axis, local, "nyc", mean_c=12.9, season_c=12.2, day_c=3.8, warmest_day=203)
    people = _people(axis, local, "nyc/people")

    _weather_station(site, _fahrenheit(oat), "°F", humidity)

    # The fan follows the working day, and runs by turns in nights of hard frost.
    fan = local.working_hours(6, 19) | ((oat < -6) & (local.hour.astype(np.int64) % 3 == 0))
    load = np.clip((oat - 12) / 18, 0, 1) * 0.75 + 0.25 * people
    speed = np.where(fan, 0.45 + 0.5 * load, 0.0)
    dat_sp = np.round(np.interp(oat, [12.0, 24.0], [64.0, 55.0]))
    room_f = lag(np.where(fan, 72.0, np.maximum(62.5, 64 + 0.35 * (_fahrenheit(oat) - 50))), 5) + 1.2 * lag(people, 1)
    room_f += 0.25 * noise(axis, "nyc/room", 3)
    dat = np.where(fan, dat_sp + 0.5 * noise(axis, "nyc/dat", 0.5), lag(room_f, 2))
    valve = np.where(fan, np.clip((oat - 13.5) / 15, 0, 1) * 100, 0.0)
    mode = np.where(~fan, 0, np.where(oat < 8, 1, np.where(oat < 15, 2, 3)))

    ahu = site.equip("ahu1", "AHU-1", "ahu")
    site.number(ahu, "dat", "Discharge Air Temp", "sensor discharge air temp", "°F", lag(dat, 0.25), digits=1)
    site.number(ahu, "datsp", "Discharge Air Temp Sp", "sp writable discharge air temp", "°F", dat_sp, digits=0)
    site.number(ahu, "rat", "Return Air Temp", "sensor return air temp", "°F", room_f + 0.9, digits=1)
    flow = speed * 24_000 * (1 + 0.015 * noise(axis, "nyc/flow", 0.5))
    site.number(ahu, "flow", "Discharge Air Flow", "sensor discharge air flow", "cfm", flow, digits=0)
    pressure = np.where(fan, 1.2 + 0.04 * noise(axis, "nyc/pressure", 0.5), 0.01)
    site.number(ahu, "press", "Duct Pressure", "sensor discharge air pressure", "inH₂O", pressure, digits=2)
    press_sp = np.where(fan, 1.2, 0.0)
    site.number(ahu, "presssp", "Duct Pressure Sp", "sp writable discharge air pressure", "inH₂O", press_sp, digits=1)
    site.number(ahu, "chwv", "Cooling Valve Cmd", "cmd writable cool valve", "%", lag(valve, 0.25), digits=0)
    site.flag(ahu, "fanrun", "Fan Status", "sensor discharge fan run", lag(fan * 1.0, 0.05) > 0.5)
    site.flag(ahu, "fancmd", "Fan Cmd", "cmd writable discharge fan run", fan)
    site.text(ahu, "mode", "Mode", "sensor ahuMode", mode, ("off", "heating", "economizer", "cooling"))

    vav = site.equip("vav101", "VAV-101", "vav")
    zone_sp = np.where(fan, np.where(local.day_of_year % 350 < 120, 71.0, 73.0), 64.0)
    site.number(vav, "zat", "Zone Air Temp", "sensor zone air temp", "°F", room_f, digits=1)
    site.number(vav, "zatsp", "Zone Air Temp Sp", "sp writable zone air temp", "°F", zone_sp, digits=0)
    co2 = 425 + 520 * lag(people, 0.7) + 12 * noise(axis, "nyc/co2", 0.5)
    site.number(vav, "co2", "Zone CO2", "sensor zone air co2", "ppm", co2, digits=0)
    damper = np.where(fan, 25 + 55 * load + 4 * noise(axis, "nyc/damper", 1), 0)
    site.number(vav, "damper", "Damper Position", "sensor damper", "%", np.clip(damper, 0, 100), digits=0)

    power = 62 + 165 * people + 75 * speed**3 + 2.1 * lag(valve, 0.5) + 4 * noise(axis, "nyc/power", 0.5)
    _main_meter(site, power, 4_210_000)


def london(database: Database, axis: Axis) -> None:
    """An office house with a gas boiler."""
    site = Builder(database, axis, "lon", "London", "Thames House")
    local = site.local
    site.site("London, GB", Coord(51.5072, -0.1021), "Office", Number(5_400, "m²"), 1968)
    oat, humidity = weather(axis, local, "lon", mean_c=11.4, season_c=6.6, day_c=3.1, warmest_day=205)
    people = _people(axis, local, "lon/people")

    _weather_station(site, oat, "°C", humidity)

    fan = local.working_hours(7, 18.5)
    room = lag(np.where(fan, 21.5, np.maximum(16.0, 16.5 + 0.25 * (oat - 10))), 7) + 0.9 * lag(people, 1)
    room += 0.15 * noise(axis, "lon/room", 3)
    speed = np.where(fan, 0.6 + 0.3 * people, 0.0)

    ahu = site.equip("ahu1", "AHU-1", "ahu")
    supply = np.where(fan, 18 + 0.4 * noise(axis, "lon/supply", 0.5), room)
    site.number(ahu, "dat", "Supply Air Temp", "sensor discharge air temp", "°C", lag(supply, 0.4), digits=1)
    flow = speed * 3_800 * (1 + 0.012 * noise(axis, "lon/flow", 0.5))
    site.number(ahu, "flow", "Supply Air Flow", "sensor discharge air flow", "L/s", flow, digits=0)
    static = np.where(fan, 260 + 6 * noise(axis, "lon/static", 0.5), 0.0)
    site.number(ahu, "press", "Static Pressure", "sensor discharge air pressure", "Pa", static, digits=0)
    site.flag(ahu, "fanrun", "Fan Status", "sensor discharge fan run", fan)

    office = site.equip("zone2", "Second Floor", "airTerminalUnit")
    site.number(office, "zat", "Room Temp", "sensor zone air temp", "°C", room, digits=1)
    room_sp = np.where(fan, 21.5, 16.0)
    site.number(office, "zatsp", "Room Temp Sp", "sp writable zone air temp", "°C", room_sp, digits=1)
    co2 = 430 + 640 * lag(people, 0.9) + 14 * noise(axis, "lon/co2", 0.5)
    site.number(office, "co2", "Room CO2", "sensor zone air co2", "ppm", co2, digits=0)
    indoors = np.clip(30 + 0.25 * humidity + 5 * people + 1.5 * noise(axis, "lon/rh", 4), 20, 75)
    site.number(office, "rh", "Room Humidity", "sensor zone air humidity", "%RH", indoors, digits=0)

    # Below 15.5 °C outside the boiler heats, at night for frost alone.
    heat = np.clip((15.5 - oat) / 16, 0, 1) * np.where(local.working_hours(5, 18), 1.0, 0.12)
    lockout = (daily_chance(axis, local, "lon/lockout") < 0.015) & (local.hour > 6) & (local.hour < 8.5)
    heat = np.where(lockout, 0.0, heat)
    state = np.where(lockout, 3, np.where(heat < 0.03, 0, np.where(heat < 0.4, 1, 2)))
    boiler = site.equip("boiler", "Boiler", "boiler hot water")
    water = lag(np.where(heat > 0.03, 52 + 25 * heat, 24.0), 0.8) + 0.4 * noise(axis, "lon/water", 1)
    site.number(boiler, "hws", "Hot Water Flow Temp", "sensor hot water leaving temp", "°C", water, digits=1)
    site.text(boiler, "state", "State", "sensor state", state, ("off", "low", "high", "lockout"))
    site.flag(boiler, "alarm", "Lockout Alarm", "sensor alarm", lockout, "normal,alarm")
    # A kilowatt of gas heat is 0.0948 m³ an hour.
    gas = _meter(210 * heat) * 0.0948
    site.number(boiler, "gas", "Gas Volume", "sensor naturalGas volume hisTotalized", "m³", 81_300 + gas, digits=2)

    power = 14 + 46 * people + 16 * speed**3 + 1.2 * (heat > 0.03) + 1.0 * noise(axis, "lon/power", 0.5)
    _main_meter(site, power, 992_000)


def brisbane(database: Database, axis: Axis) -> None:
    """A laboratory with a chiller that works most in January."""
    site = Builder(database, axis, "bne", "Brisbane", "River Laboratory")
    local = site.local
    site.site("Brisbane, AU", Coord(-27.4698, 153.0251), "Laboratory", Number(2_500, "m²"), 2009)
    oat, humidity = weather(axis, local, "bne", mean_c=20.6, season_c=5.2, day_c=4.4, warmest_day=22)
    people = _people(axis, local, "bne/people")

    _weather_station(site, oat, "°C", humidity)

    free = (oat < 12) & local.working_hours(6, 19)
    run = (local.working_hours(6, 19) & ~free) | (oat > 27)
    load = np.clip((oat - 11) / 20, 0.1, 1) * (0.7 + 0.3 * people)
    flow = np.where(run, 9 + 13 * load, 0.0) * (1 + 0.01 * noise(axis, "bne/flow", 0.5))
    leaving_sp = np.where(local.day_of_year % 300 < 90, 6.0, 7.0)
    leaving = np.where(run, leaving_sp + 0.2 * noise(axis, "bne/leaving", 0.5), 15 + 0.25 * (oat - 20))

    chiller = site.equip("chiller1", "Chiller-1", "chiller chilled water")
    site.number(chiller, "chws", "Chilled Water Leaving Temp", "sensor leaving temp", "°C", lag(leaving, 0.4), digits=1)
    entering = lag(leaving + np.where(run, 1.5 + 5.5 * load, 0.0), 0.4)
    site.number(chiller, "chwr", "Chilled Water Entering Temp", "sensor entering temp", "°C", entering, digits=1)
    site.number(chiller, "chwsp", "Chilled Water Sp", "sp writable leaving temp", "°C", leaving_sp, digits=1)
    site.number(chiller, "flow", "Chilled Water Flow", "sensor flow", "L/s", flow, digits=1)
    site.flag(chiller, "run", "Run Status", "sensor run", run)
    mode = np.where(run, 1, np.where(free, 2, 0))
    site.text(chiller, "mode", "Mode", "sensor chillerMode", mode, ("off", "cooling", "free cooling"))
    pump = site.equip("pump1", "Pump-1", "pump")
    hertz = np.where(run, 32 + 18 * load, 0.0)
    site.number(pump, "speed", "Speed Cmd", "cmd writable speed", "Hz", hertz, digits=1)
    dp = np.where(run, 4.2 * (hertz / 10) ** 2 / 1.05 + 0.8 * noise(axis, "bne/dp", 0.5), 0.0)
    site.number(pump, "dp", "Differential Pressure", "sensor delta pressure", "kPa", np.clip(dp, 0, None), digits=1)

    power = 21 + 33 * people + np.where(run, 12 + 58 * load, 0.0) + 1.1 * noise(axis, "bne/power", 0.5)
    meter = _main_meter(site, power, 1_730_000)
    volts = 241 - 0.03 * power + 1.3 * noise(axis, "bne/volts", 1)
    site.number(meter, "volt", "Voltage", "sensor elec volt", "V", volts, digits=1)
