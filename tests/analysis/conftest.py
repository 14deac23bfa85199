"""A server with the samples of one day."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import hsframe
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server
from tests.analysis.one_day import FIRST_US, HOUR_US


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    database = Database(tz="New_York")
    for name, record in {
        "kw": {"kind": "Number", "unit": "kW", "hisInterval": Number(1, "hr")},
        "sp": {"kind": "Number", "unit": "°F", "hisMode": "cov"},
        "fan": {"kind": "Bool"},
        "late": {"kind": "Bool"},
        "night": {"kind": "Bool"},
        "mode": {"kind": "Str", "enum": "off,on"},
    }.items():
        tags = {"point": MARKER, "his": MARKER, "tz": "New_York"}
        database.add({"id": Ref(name), "dis": name.title(), **tags, **record})
    hours = np.arange(24)
    values = np.where(hours < 6, 1.0, np.where(hours < 12, 5.0, 3.0))
    kept = (hours < 14) | (hours > 19)  # a gap of seven hours
    database.set_history("kw", FIRST_US + hours[kept] * HOUR_US, values[kept], (hours == 8)[kept])
    database.set_history("sp", FIRST_US + np.array([-10, 3, 20]) * HOUR_US, [60.0, 70.0, 60.0])
    database.set_history("fan", FIRST_US + np.array([-5, 2, 9, 30]) * HOUR_US, [True, False, True, False])
    database.set_history("late", FIRST_US + np.array([-5, 20, 21]) * HOUR_US, [True, True, True], [False, True, False])
    database.set_history("night", FIRST_US + np.array([1, 3.5, 5]) * HOUR_US, [True] * 3, [False, True, False])
    database.set_history("mode", FIRST_US + np.array([-5, 4]) * HOUR_US, ["off", "on"])
    with running_server(database) as running:
        yield running


@pytest.fixture
def session(server: RunningServer) -> Iterator[hsframe.Session]:
    with hsframe.connect(server.uri, "demo", "demo") as session:
        yield session
