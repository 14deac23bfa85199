"""A server of frames, and the fixtures for the tests of users."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.pytest_plugin import hsframe_server, hsframe_session  # noqa: F401 - fixtures
from hsframe.testing.frames import database_of
from hsframe.testing.quirks import BUNDLES
from hsframe.testing.server import RunningServer, running_server

TS = pd.date_range("2026-10-31 22:00", periods=40, freq="15min", tz="America/New_York")
FAN = pd.Categorical(["off", "on"] * 20, categories=["off", "on", "fault"])


def frame() -> pd.DataFrame:
    """Two hours before the day on which a clock repeats one, and what a frame may hold."""
    kw = pd.array([None, *np.arange(39) / 4], dtype="unit[kW]")
    return pd.DataFrame({"Main kW": kw, "Fan": FAN, "On": [True, False] * 20, "n": np.arange(40.0)}, index=TS)


def read(uri: str, points: str = "point") -> pd.DataFrame:
    with hsframe.connect(uri):
        return hsframe.his_read(points, "2026-10-31,2026-11-02")


def test_what_a_frame_has_is_served() -> None:
    with hsframe.testing.serve(frame()) as uri:
        found = read(uri)
    assert found.hs.units == {"Main kW": "kW", "Fan": None, "On": None, "n": None}
    assert found.hs.points["id"].tolist() == ["Main_kW", "Fan", "On", "n"]
    assert found.index.equals(TS)
    plain = frame().astype({"Fan": "str", "On": "boolean"})
    pd.testing.assert_frame_equal(found.astype({"Fan": "str"}), plain, check_freq=False, check_names=False)


@pytest.mark.parametrize("server", BUNDLES)
def test_what_was_read_is_served_and_read_again(server: str) -> None:
    """With its ids, zones and kinds; and whatever the server does otherwise."""
    with hsframe.testing.serve(frame()) as uri:
        first = read(uri)[["Main kW", "n"]]
    with hsframe.testing.serve(first, quirks=[server]) as uri, hsframe.connect(uri):
        again = hsframe.his_read(first, "2026-10-31,2026-11-02")
    assert again.hs.points.equals(first.hs.points)
    pd.testing.assert_frame_equal(again, first, rtol=1e-5)


def test_points_of_several_frames_and_other_records() -> None:
    df, site = frame(), {"id": "hq", "site": hsframe.MARKER, "area": 1500}
    tags = [site, {"id": "@n", "equipRef": hsframe.Ref("ahu"), "power": hsframe.MARKER}]
    with hsframe.testing.serve(df[["n"]].iloc[:20], df[["n"]].iloc[20:], records=tags) as uri:
        assert read(uri, "power and equipRef == @ahu")["n"].tolist() == list(range(40))
        with hsframe.connect(uri):
            assert hsframe.read("area").area.tolist() == [1500]


def test_frames_that_cannot_be_served_are_named() -> None:
    df = frame()
    with pytest.raises(hsframe.MetadataError, match=r"frame 2 has no column of times with a zone"):
        database_of(df, df.tz_localize(None))
    with hsframe.testing.serve(df) as uri, hsframe.connect(uri):
        tidy = hsframe.his_read("@n", "2026-10-31", shape="tidy")
        both = hsframe.his_read("@n", "2026-10-31", interval="1h", agg=["min", "max"])
    with pytest.raises(hsframe.MetadataError, match=r"frame 1 has a row per sample"):
        database_of(tidy)
    with pytest.raises(hsframe.MetadataError, match=r"frame 1 has the point @n in two columns, .*'min'.* and .*'max'"):
        database_of(both)


def test_the_fixtures(hsframe_session: hsframe.Session, hsframe_server: RunningServer) -> None:  # noqa: F811
    assert hsframe_session.uri == hsframe_server.uri
    df = hsframe.his_read("power", "yesterday", tz="UTC")
    assert len(df) >= 92
    assert hsframe.his_write(df.iloc[:, :1].dropna().iloc[:1]).status.tolist() == ["written"]


@pytest.mark.parametrize("hsframe_server", ["zinc-only", ["haxall", "rowcap=50"]], indirect=True)
def test_the_server_has_quirks_by_a_parameter(hsframe_session: hsframe.Session) -> None:  # noqa: F811
    assert len(hsframe.his_read("power", "yesterday", tz="UTC")) >= 92


@pytest.mark.one_python
def test_pytest_finds_the_fixtures_by_one_line(tmp_path: Path) -> None:
    """And one that a file defines in the place of ours."""
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['hsframe.pytest_plugin']\n")
    (tmp_path / "test_one.py").write_text(
        "import pytest, hsframe\n"
        "from hsframe.testing.server import running_server\n"
        "from hsframe.server.database import Database\n"
        "@pytest.fixture\n"
        "def hsframe_server():\n"
        "    with running_server(Database(name='mine')) as server:\n"
        "        yield server\n"
        "def test_one(hsframe_session):\n"
        "    assert hsframe.about().serverName[0] == 'mine'\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_users_and_roles_beside_a_frame() -> None:
    server = running_server(database_of(frame()), {"ann": "pw"}, roles={"ann": "viewer"})
    with server as running, hsframe.connect(running.uri, "ann", "pw") as session:
        df = session.his_read("@n", "2026-10-31")
        with pytest.raises(hsframe.CallError, match="viewer"):
            session.his_write(df)
