"""The building whose histories are archived, and how an archive is compared with its server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hsframe import Archive, Session
from hsframe.archive.points import SERVER_KEY
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database

QUARTER_US = 900_000_000
DAY_US = 96 * QUARTER_US
# The last noon in UTC, when most zones have one date: the samples of a day are then the same at any time of day.
NOON_US = DAY_US // 2
NOW_US = (int(datetime.now(UTC).timestamp() * 1e6) - NOON_US) // DAY_US * DAY_US + NOON_US
FIRST_US = NOW_US - 20 * DAY_US
SINCE = (datetime.fromtimestamp(FIRST_US / 1e6, UTC) - pd.Timedelta("2D")).date()


def add_point(database: Database, name: str, kind: str, **tags: Any) -> None:
    record = {"id": Ref(name), "dis": name.upper(), "point": MARKER, "his": MARKER, "kind": kind, "tz": "London"}
    database.add(record | {name: MARKER, "navName": name, "equipRef": Ref("equip")} | tags)


def building() -> Database:
    """Points of each kind and of several zones, one with times of its own, gaps, NA, NaN and the infinities."""
    database = Database(name="works", tz="New_York")
    database.add({"id": Ref("site"), "site": MARKER, "dis": "Works"})
    database.add({"id": Ref("equip"), "equip": MARKER, "dis": "Boiler", "siteRef": Ref("site")})
    ts_us = FIRST_US + np.arange(20 * 96) * QUARTER_US
    values = np.round(np.sin(np.arange(len(ts_us)) / 50) * 20, 1)
    na = np.arange(len(ts_us)) % 100 == 7
    odd = values.copy()
    odd[[3, 4, 5]] = [np.nan, np.inf, -np.inf]
    fifteen = {"hisInterval": Number(15, "min")}
    add_point(database, "temp", "Number", unit="°C", **fifteen)
    add_point(database, "power", "Number", unit="kW", tz="Kathmandu", **fifteen)
    add_point(database, "plain", "Number", **fifteen)
    add_point(database, "run", "Bool", hisMode="cov")
    add_point(database, "mode", "Str", enum="on,off,@a,2026-01-01")
    add_point(database, "empty", "Number", unit="kW")
    database.set_history("temp", ts_us, values, na)
    database.set_history("power", np.delete(ts_us, slice(100, 400)), np.delete(odd, slice(100, 400)))
    database.set_history("plain", ts_us, odd)
    database.set_history("run", ts_us[::7] + 123_456 * (np.arange(len(ts_us[::7])) % 9), values[::7] > 0)
    database.set_history("mode", ts_us, [["on", "off", "@a", "2026-01-01"][one % 4] for one in range(len(ts_us))])
    return database


def forget_server(path: Path) -> None:
    """Let an archive that several tests copy go on with the server of each: one of another port is warned of."""
    Tables.open(Storage(str(path))).points.change_settings({SERVER_KEY: ""})


def assert_in_step(
    archive: Archive, session: Session, points: Any = "point", span: Any = (SINCE, None), **how: Any
) -> None:
    for shape in ("wide", "tidy"):
        settings: dict[str, Any] = {"shape": shape, "tz": "UTC", "na": "flag" if shape == "wide" else "nan", **how}
        pd.testing.assert_frame_equal(
            archive.his_read(points, span, **settings), session.his_read(points, span, **settings), check_freq=False
        )
