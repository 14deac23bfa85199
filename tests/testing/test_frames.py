"""A server of frames, and the fixtures for the tests of users."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"id": "n"}, {"dis": "x"}], r"each with an id, .*; number 2 is \{'dis': 'x'\}"),
        ([{"id": None}], "number 1 is "),
        (pd.DataFrame({"id": ["n"]}), "must be a list of mappings, .*; number 1 is 'id'"),
        (["n"], "number 1 is 'n'"),
        ([{"id": "n", "Bad tag": 1}], "records= number 1, of @n: .*'Bad tag' cannot be the name of a tag"),
        ([{"id": "n", "tag": object()}], "records= number 1, of @n: .*value of type .*object"),
    ],
)
def test_records_that_cannot_be_served_are_named(records: Any, said: str) -> None:
    with pytest.raises(hsframe.MetadataError, match=said):
        database_of(frame(), records=records)


def test_a_record_and_a_quirk_may_be_given_by_themselves() -> None:
    with (
        hsframe.testing.serve(frame(), records={"id": "n", "power": True}, quirks="rowcap=7") as uri,
        hsframe.connect(uri) as s,
    ):
        asked = {"id": hsframe.Ref("n"), "range": "2026-10-31,2026-11-02"}
        with pytest.raises(hsframe.CallError, match="exceeds the limit of 7 rows"):
            s.call("hisRead", hsframe.Grid.from_rows({}, list(asked), [asked]))
        assert s.read("power")["id"].tolist() == ["n"]
    with pytest.raises(hsframe.MetadataError, match="no quirk 'nigara'; did you mean niagara"), ExitStack() as opened:
        opened.enter_context(hsframe.testing.serve(frame(), quirks="nigara"))


def test_times_of_an_offset_and_columns_of_times() -> None:
    df = frame()[["n"]].assign(end=TS)
    df.index = TS.tz_convert(timezone(timedelta(hours=-5)))
    with pytest.warns(hsframe.ReadWarning, match="frame 1: the column 'end' is not served; no history has timestamp"):
        database = database_of(df)
    assert (database.get("n") or {})["tz"] == "GMT+5"
    assert len(database.history("n").ts_us) == len(df)
    df.index = TS.tz_convert(timezone(timedelta(hours=5, minutes=30)))
    with pytest.raises(
        hsframe.MetadataError, match=r"times of frame 1 are in no zone of Haystack: the fixed offset .*30"
    ):
        database_of(df[["n"]])


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
