"""An archive is in step with a server: over real sockets, whatever changed there, and however a sync ended."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hsframe import Archive, Session, cli
from hsframe.errors import MetadataError, ReadWarning
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from tests.session.connected import break_point

QUARTER_US = 900_000_000
DAY_US = 96 * QUARTER_US
# Whole quarters, some days back: the tests run at any time of day.
NOW_US = int(datetime.now(UTC).timestamp()) // 900 * QUARTER_US
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


def assert_in_step(
    archive: Archive, session: Session, points: Any = "point", span: Any = (SINCE, None), **how: Any
) -> None:
    for shape in ("wide", "tidy"):
        settings: dict[str, Any] = {"shape": shape, "tz": "UTC", "na": "flag" if shape == "wide" else "nan", **how}
        pd.testing.assert_frame_equal(
            archive.his_read(points, span, **settings), session.his_read(points, span, **settings), check_freq=False
        )


def test_what_a_server_has_is_there_after_a_sync(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path / "trends")
    table = archive.sync("point", session=session, since=SINCE)
    assert table["status"].to_dict() == dict.fromkeys(range(6), "synced") | {5: "same"}
    assert table.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(("id", "dis", "status", "reason"), "str"),
        **dict.fromkeys(("rows_new", "rows_changed", "rows_removed"), "int64"),
        **dict.fromkeys(("first", "last"), "datetime64[us, UTC]"),
    }
    assert_in_step(archive, session)
    assert_in_step(archive, session, "temp or power", interval="1h", na="nan")
    assert_in_step(archive, session, ["@power", "@mode"], "yesterday")
    pd.testing.assert_frame_equal(
        archive.his_read("point", "yesterday", header=("equipRef->dis", "navName"), tz="UTC"),
        session.his_read("point", "yesterday", header=("equipRef->dis", "navName"), tz="UTC"),
    )
    latest = archive.latest("point", tz="UTC"), session.latest("point", tz="UTC")
    pd.testing.assert_frame_equal(*(frame.drop(columns="age") for frame in latest))
    assert list(archive.read('equipRef->siteRef->dis == "Works"')["id"]) == list(session.read("point")["id"])
    assert archive.read_by_ids("site")["dis"].tolist() == ["Works"]
    assert archive.points["since"].notna().all()


def test_a_second_sync_changes_nothing_and_makes_no_version(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path)
    archive.sync("point", session=session, since=SINCE)
    versions, files = archive.versions, sorted(tmp_path.rglob("*"))
    table = archive.sync(session=session)
    assert table["status"].unique().tolist() == ["same"]
    pd.testing.assert_frame_equal(archive.versions, versions)
    assert [one for one in sorted(tmp_path.rglob("*")) if "points" not in one.parts] == [
        one for one in files if "points" not in one.parts
    ]


def test_new_late_changed_and_removed_samples_come_with_the_next_sync(
    tmp_path: Path, session: Session, database: Database
) -> None:
    archive = Archive(tmp_path)
    archive.sync("point", session=session, since=SINCE)
    before = archive.versions["version"].iloc[0]
    old = archive.his_read("temp", (SINCE, None), tz="UTC")
    history = database.history("temp")
    recent = np.flatnonzero(history.ts_us > NOW_US - DAY_US)
    history.merge(history.ts_us[recent[:5]], np.full(5, 99.5), np.zeros(5, bool))
    history.remove(history.ts_us[recent[10:13]])
    history.merge(np.array([NOW_US - DAY_US + 1, NOW_US]), np.array([1.0, 2.0]), np.zeros(2, bool))
    table = archive.sync("temp or mode", session=session).set_index("id")
    counts = table.loc["temp", ["rows_new", "rows_changed", "rows_removed"]].tolist()
    assert counts == [2, 5, 3]
    assert table["status"].to_dict() == {"temp": "synced", "mode": "same"}
    assert_in_step(archive, session)
    pd.testing.assert_frame_equal(archive.at(before).his_read("temp", (SINCE, None), tz="UTC"), old)


def test_what_changed_before_the_overlap_comes_with_since(tmp_path: Path, session: Session, database: Database) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    database.history("temp").merge(np.array([FIRST_US]), np.array([77.0]), np.zeros(1, bool))
    assert archive.sync(session=session)["rows_changed"].tolist() == [0]
    assert archive.sync(session=session, overlap="30D")["rows_changed"].tolist() == [1]
    database.history("temp").merge(np.array([FIRST_US - DAY_US * 30]), np.array([7.0]), np.zeros(1, bool))
    earlier = (pd.Timestamp(SINCE) - pd.Timedelta("40D")).date()
    assert archive.sync(session=session, since=earlier)["rows_new"].tolist() == [1]
    assert_in_step(archive, session, "temp", (earlier, None))
    assert archive.points["since"].iloc[0] < pd.Timestamp(SINCE, tz="UTC")


def test_a_point_that_changes_its_unit_is_named_and_not_mixed(
    tmp_path: Path, session: Session, database: Database
) -> None:
    archive = Archive(tmp_path)
    archive.sync("power or temp", session=session, since=SINCE)
    old = archive.his_read("power", (SINCE, None))
    database.update("power", {"unit": "W"})
    table = archive.sync(session=session).set_index("id")
    assert table.loc["power", "status"] == "changed"
    assert "its unit was kW and is W: not read" in table.loc["power", "reason"]
    pd.testing.assert_frame_equal(archive.his_read("power", (SINCE, None)), old)
    assert archive.sync("power", session=session, since=SINCE)["status"].tolist() == ["synced"]
    assert_in_step(archive, session, "power")
    assert archive.his_read("power", "yesterday").hs.units == {"POWER": "W"}


def test_a_point_that_the_server_has_no_more_is_named_and_stays(
    tmp_path: Path, session: Session, database: Database
) -> None:
    archive = Archive(tmp_path)
    archive.sync("power or temp", session=session, since=SINCE)
    old = archive.his_read("power", (SINCE, None))
    database.remove("power")
    table = archive.sync(session=session).set_index("id")
    assert table["status"].to_dict() == {"temp": "same", "power": "gone"}
    pd.testing.assert_frame_equal(archive.his_read("power", (SINCE, None)), old)


def test_a_server_that_suddenly_has_nothing_takes_nothing_away(
    tmp_path: Path, session: Session, database: Database
) -> None:
    archive = Archive(tmp_path)
    archive.sync("power or temp", session=session, since=SINCE)
    old = archive.his_read("temp", (SINCE, None))
    database.set_history("temp", np.empty(0, np.int64), np.empty(0))
    table = archive.sync(session=session).set_index("id")
    assert table.loc["temp", "status"] == "kept"
    assert "the server gave no samples where the archive has 19" in table.loc["temp", "reason"]
    pd.testing.assert_frame_equal(archive.his_read("temp", (SINCE, None)), old)


def test_forecasts_come_and_go(tmp_path: Path, session: Session, database: Database) -> None:
    archive = Archive(tmp_path)
    ahead_us = NOW_US + np.arange(1, 200) * QUARTER_US
    database.history("temp").merge(ahead_us, np.arange(199.0), np.zeros(199, bool))
    archive.sync("temp", session=session, since=SINCE)
    assert_in_step(archive, session, "temp")
    database.history("temp").remove(ahead_us[::2])
    assert archive.sync(session=session)["rows_removed"].tolist() == [100]
    assert_in_step(archive, session, "temp")


def test_points_that_cannot_be_read_are_named_and_the_others_come(
    tmp_path: Path, session: Session, database: Database
) -> None:
    break_point(database, "temp")
    archive = Archive(tmp_path)
    table = archive.sync("point", session=session, since=SINCE).set_index("id")
    assert table.loc["temp", "status"] == "failed"
    assert set(table["status"].drop("temp")) <= {"synced", "same"}
    with pytest.warns(ReadWarning, match="1 of 6 points could not be read: temp"):
        archive.sync("point", session=session, on_error="warn")


def test_a_folder_of_other_things_is_refused_and_nothing_is_read_from_none(tmp_path: Path, session: Session) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MetadataError, match=r"is no archive, and has other things in it \(notes.txt\)"):
        Archive(tmp_path)
    with pytest.raises(MetadataError, match=r"is a file; an archive is a folder"):
        Archive(tmp_path / "notes.txt")
    empty = Archive(tmp_path / "new")
    with pytest.raises(MetadataError, match=r"there is no archive in .*new; Archive\(.*\)\.sync\('point'\) makes one"):
        empty.his_read("point", "today")
    with pytest.raises(MetadataError, match=r"has no points yet; name some"):
        empty.sync(session=session)
    assert not (tmp_path / "new").exists()


def test_an_older_version_is_not_synced(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    with pytest.raises(MetadataError, match=r"is version 0; open it without version="):
        archive.at(0).sync(session=session)
    with pytest.warns(ReadWarning, match="the archive has not read its history"):
        assert archive.at(0).his_read("temp", (SINCE, None)).empty


def test_a_dry_run_says_what_would_be_read_and_writes_nothing(
    tmp_path: Path, session: Session, database: Database
) -> None:
    archive = Archive(tmp_path / "trends")
    plan = archive.sync("point", session=session, since=SINCE, dry_run=True).set_index("id")
    assert not (tmp_path / "trends").exists()
    assert plan["status"].unique().tolist() == ["dry run"]
    assert plan.loc["temp", "rows"] == pytest.approx(22 * 96, abs=2 * 96)
    assert 1 <= plan["requests"].sum() < 20
    archive.sync("point", session=session, since=SINCE)
    database.update("power", {"unit": "W"})
    versions = archive.versions
    plan = archive.sync(session=session, dry_run=True).set_index("id")
    assert plan.loc["temp", "rows"] == pytest.approx(2 * 96, abs=2)
    assert plan.loc["power", ["rows", "requests", "status"]].tolist() == [0, 0, "changed"]
    pd.testing.assert_frame_equal(archive.versions, versions)


def test_the_command_syncs_for_cron(
    tmp_path: Path, session: Session, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name, value in {"URI": session.uri, "USER": "demo", "PASSWORD": "demo"}.items():
        monkeypatch.setenv(f"HSFRAME_{name}", value)
    path = str(tmp_path / "trends")
    assert cli.main(["sync", path, "power or temp", "--since", "-30d", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert re.fullmatch(r"points 2, rows 5,760, requests \d+, seconds [\d.]+\n", told.out)
    assert (told.err, Path(path).exists()) == ("", False)
    assert cli.main(["sync", path, "power or temp", "--since", "-30d"]) == 0
    assert re.fullmatch(
        r"points 2, rows new 3,5\d\d, rows changed 0, rows removed 0, seconds [\d.]+\n", capsys.readouterr().out
    )
    database.remove("power")
    assert cli.main(["sync", path, "--json"]) == 1
    told = capsys.readouterr()
    summary = json.loads(told.out)
    assert {name: summary[name] for name in ("points", "rows_new", "gone", "failed")} == {
        "points": 2, "rows_new": 0, "gone": 1, "failed": 0
    }  # fmt: skip
    assert told.err.startswith("hsframe: @power (POWER) gone: ")
    assert cli.main(["sync", path, "temp", "--quiet", "--overlap", "1h"]) == 0
    assert capsys.readouterr() == ("", "")
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.main(["sync", str(tmp_path), "temp"]) == 1
    assert "has other things in it" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        cli.main(["sync", path, "--quiet", "--json"])
