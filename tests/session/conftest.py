"""A small building on the embedded server: fast to make, and every sample known."""

from __future__ import annotations

import os
import socket
import textwrap
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import hsframe
from hsframe.kinds import MARKER, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server
from tests.session.programs import Program, warm

MINUTE_US = 60_000_000
# 2026-10-30T04:00Z, New York's midnight; ten days in steps of 15 minutes hold the hour that comes twice.
FIRST_US = 1_793_332_800_000_000
ROWS = 960


def small_building() -> Database:
    """Three points in New York, one in London, one in Brisbane, each with ten days of samples."""
    database = Database([{"id": Ref("hq"), "dis": "HQ", "site": MARKER, "tz": "New_York"}], tz="New_York")
    common = {"point": MARKER, "his": MARKER, "siteRef": Ref("hq")}
    points = [
        {"id": Ref("kw"), "dis": "Power", "kind": "Number", "unit": "kW", "tz": "New_York", "power": MARKER},
        {"id": Ref("oat"), "dis": "Outside", "kind": "Number", "unit": "°F", "tz": "New_York", "temp": MARKER},
        {"id": Ref("fan"), "dis": "Fan", "kind": "Bool", "tz": "New_York"},
        {"id": Ref("lon"), "dis": "Power", "kind": "Number", "unit": "kW", "tz": "London", "power": MARKER},
        {"id": Ref("p:bne:1"), "dis": "Mode", "kind": "Str", "tz": "Brisbane"},
    ]
    ts_us = FIRST_US + np.arange(ROWS, dtype=np.int64) * 15 * MINUTE_US
    numbers = np.arange(ROWS, dtype=np.float64)
    for point in points:
        database.add({**common, **point})
        values = {"Bool": numbers % 2 == 0, "Str": ["auto" if n % 3 else "off" for n in range(ROWS)]}
        database.set_history(point["id"], ts_us, values.get(str(point["kind"]), numbers))
    return database


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(small_building()) as running:
        yield running


@pytest.fixture
def login(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> RunningServer:
    monkeypatch.setenv("HSFRAME_URI", server.uri)
    monkeypatch.setenv("HSFRAME_USER", server.user)
    monkeypatch.setenv("HSFRAME_PASSWORD", server.password)
    return server


@pytest.fixture
def session(server: RunningServer) -> Iterator[hsframe.Session]:
    with hsframe.connect(server.uri, server.user, server.password) as connected:
        yield connected


@pytest.fixture(autouse=True)
def _no_default_session_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HSFRAME_URI", "HSFRAME_USER", "HSFRAME_PASSWORD", "HSFRAME_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", os.devnull)  # not that of who runs the tests
    yield
    hsframe.close()


@pytest.fixture(scope="session")
def line() -> Iterator[socket.socket]:
    """The line to a program that has imported hsframe, and others are forked from."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    # Python 3.12 warns of every fork of a process with threads.
    with warm("-W", "error::RuntimeWarning", "-W", "ignore::DeprecationWarning") as line:
        yield line


@pytest.fixture
def script(line: socket.socket) -> Callable[[str], Program]:
    """Start a program of this text."""
    return lambda text: Program(line, textwrap.dedent(text))
