"""An archive is in step with a server: over real sockets, whatever changed there, and however a sync ended."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session, cli
from hsframe.archive import fill
from hsframe.archive import sync as syncing
from hsframe.archive.fill import Filling
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.errors import AuthError, MetadataError, ReadWarning, UnknownRecError
from hsframe.frame.reads import note_source
from hsframe.kinds import MARKER, Ref
from hsframe.protocol.dialects import forget
from hsframe.protocol.login_steps import AuthScheme
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.archive.building import DAY_US, FIRST_US, NOW_US, QUARTER_US, SINCE, assert_in_step, building
from tests.session.connected import break_point


def test_what_a_server_has_is_there_after_a_sync(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path / "trends")
    table = archive.sync("point", session=session, since=SINCE)
    assert table["status"].to_dict() == dict.fromkeys(range(6), "synced") | {5: "same"}
    assert table.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(("id", "dis", "status", "reason"), "str"),
        **dict.fromkeys(("rows_new", "rows_late", "rows_changed", "rows_removed"), "int64"),
        **dict.fromkeys(("first_change", "last_change", "first", "last"), "datetime64[us, UTC]"),
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
    counts = table.loc["temp", ["rows_new", "rows_late", "rows_changed", "rows_removed"]].tolist()
    assert counts == [2, 2, 5, 3]
    ends_us = [int(one.timestamp() * 1e6) for one in table.loc["temp", ["first_change", "last_change"]]]
    assert ends_us == [NOW_US - DAY_US + 1, NOW_US]
    assert table.loc["mode", ["rows_late", "first_change", "last_change"]].tolist() == [0, pd.NaT, pd.NaT]
    after = time.time_ns() // 1000
    history.merge(np.array([after]), np.ones(1), np.zeros(1, bool))
    assert archive.sync("temp", session=session)[["rows_new", "rows_late"]].iloc[0].tolist() == [1, 0]
    assert table["status"].to_dict() == {"temp": "synced", "mode": "same"}
    assert_in_step(archive, session)
    pd.testing.assert_frame_equal(archive.at(before).his_read("temp", (SINCE, None), tz="UTC"), old)


def test_what_is_read_once_more_does_not_count_as_unread_in_the_middle_of_it(
    tmp_path: Path, session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp or power", session=session, since=SINCE)
    before, version = archive.points, archive.versions["version"].iloc[0]
    monkeypatch.setattr(fill, "_ROWS_A_MERGE", 400)
    monkeypatch.setattr(fill, "_NOTING", 1e9)  # after each part
    database.history("temp").values[-1] = 77.0
    seen, note = list[pd.DataFrame](), Filling._note

    def noted(self: Filling) -> None:
        note(self)
        seen.append(archive.points)

    monkeypatch.setattr(Filling, "_note", noted)
    archive.sync(session=session, overlap="60D")
    assert len(seen) > 5
    assert all((points["until"] >= before["until"]).all() for points in seen)
    assert archive.at(version).points["until"].min() >= before["until"].min()


def test_what_changed_before_the_overlap_comes_with_since(tmp_path: Path, session: Session, database: Database) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    database.history("temp").merge(np.array([FIRST_US]), np.array([77.0]), np.zeros(1, bool))
    assert archive.sync(session=session)["rows_changed"].tolist() == [0]
    assert archive.sync(session=session, overlap="30D")["rows_changed"].tolist() == [1]
    database.history("temp").merge(np.array([FIRST_US - DAY_US * 30]), np.array([7.0]), np.zeros(1, bool))
    earlier = (pd.Timestamp(SINCE) - pd.Timedelta("40D")).date()
    assert archive.sync(session=session, since=earlier)[["rows_new", "rows_late"]].iloc[0].tolist() == [1, 0]
    assert_in_step(archive, session, "temp", (earlier, None))
    assert archive.points["since"].iloc[0] < pd.Timestamp(SINCE, tz="UTC")


def asked_from(session: Session, run: Any) -> tuple[Any, pd.Timestamp | None]:
    """What a call gives, and the earliest start of a hisRead meanwhile."""
    seen: list[str] = []
    real = session.client.his_read_batch, session.client.his_read

    async def spy(real: Any, ids: Any, range: str, **how: Any) -> Any:
        seen.append(range.partition(",")[0].partition(" ")[0])
        return await real(ids, range, **how)

    for name, one in zip(("his_read_batch", "his_read"), real, strict=True):
        setattr(session.client, name, functools.partial(spy, one))
    try:
        return run(), min(map(pd.Timestamp, seen), default=None)
    finally:
        for name in ("his_read_batch", "his_read"):
            delattr(session.client, name)


def test_since_reads_what_is_before_and_nothing_twice(tmp_path: Path, session: Session, database: Database) -> None:
    archive = Archive(tmp_path)
    middle = SINCE + timedelta(days=12)
    archive.sync("temp or run", session=session, since=middle)
    young = pd.Timestamp.now("UTC") - pd.Timedelta("49h")
    for _ in range(2):  # the line of a crontab
        _, first = asked_from(session, lambda: archive.sync("temp or run", session=session, since=middle))
        assert first is not None
        assert first > young
    history = database.history("temp")
    late = history.ts_us[np.searchsorted(history.ts_us, (pd.Timestamp(middle).value // 1000) + DAY_US)]
    history.merge(np.array([late]), np.array([555.0]), np.zeros(1, bool))
    table, first = asked_from(session, lambda: archive.sync("temp or run", session=session, since=SINCE))
    assert first is not None
    assert first < pd.Timestamp(SINCE, tz="UTC") + pd.Timedelta("1D")
    assert table["rows_changed"].tolist() == [0, 0]  # what was read is not read again
    assert (table["first"] < pd.Timestamp(middle, tz="UTC")).all()
    assert (archive.points["since"].dt.date <= SINCE).all()
    assert (archive.points["until"] > young).all()
    table = archive.sync("temp", session=session, since=middle)  # later than the start: on purpose
    assert table["rows_changed"].tolist() == [1]
    assert_in_step(archive, session, ["@temp", "@run"])
    assert (archive.points["since"].dt.date <= SINCE).all()


def test_a_first_fill_that_was_killed_goes_on(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    monkeypatch.setattr("hsframe.archive.fill._ROWS_A_MERGE", 300)
    real, calls = Filling._merge, []

    def killed(self: Filling, *args: Any) -> None:
        calls.append(args)
        if len(calls) == 6:
            raise RuntimeError("killed")
        real(self, *args)

    monkeypatch.setattr(Filling, "_merge", killed)
    monkeypatch.setattr(Filling, "_note", noted := _Noted(Filling._note))
    with pytest.raises(RuntimeError, match="killed"):
        archive.sync("temp", session=session, since=SINCE)
    assert noted.calls >= 2  # soon, and not at the end alone
    until = archive.points["until"].iloc[0]
    _, first = asked_from(session, lambda: archive.sync("temp", session=session, since=SINCE))
    assert first is not None
    assert first > until - pd.Timedelta("49h") > pd.Timestamp(SINCE, tz="UTC")
    assert_in_step(archive, session, "temp")


class _Noted:
    def __init__(self, real: Any) -> None:
        self.real, self.calls = real, 0

    def __get__(self, filling: Any, kind: Any) -> Any:
        def note() -> None:
            self.calls += 1
            self.real(filling)

        return note


def test_another_server_is_refused_until_it_is_said_that_it_moved(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    Tables.open(Storage(str(tmp_path))).points.change_settings({"hsframe.server": "https://there.example/api"})
    for name in ("USER", "PASSWORD"):
        monkeypatch.setenv(f"HSFRAME_{name}", "demo")
    monkeypatch.setenv("HSFRAME_URI", session.uri)
    versions = archive.versions
    with pytest.raises(MetadataError, match=r"is from the server https://there\.example/api, and this is") as caught:
        archive.sync("temp", session=session)
    assert session.uri in str(caught.value)
    with pytest.raises(MetadataError, match="is from the server"):
        session.export("power", (SINCE, None), tmp_path)
    pd.testing.assert_frame_equal(archive.versions, versions)
    assert cli.main(["sync", str(tmp_path), "--json"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "sync once with --other-server; else" in told.err
    assert cli.main(["sync", str(tmp_path), "--other-server", "--quiet"]) == 0
    assert archive.sync(session=session)["status"].tolist() == ["same"]


def test_a_server_of_this_machine_may_have_another_port(tmp_path: Path, session: Session) -> None:
    Archive(tmp_path).sync("temp", session=session, since=SINCE)
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as other:
        assert server.uri != session.uri
        for dry_run in (True, False):  # once each run, until the new one is noted
            with pytest.warns(
                ReadWarning,
                match=rf"is from {session.uri}#works.*, and this is {server.uri}#works.*: it is read all the same",
            ) as told:
                table = Archive(tmp_path).sync("temp", session=other, dry_run=dry_run)
            assert [one.filename for one in told] == [__file__]
        assert table["status"].tolist() == ["same"]
        assert Archive(tmp_path).sync("temp", session=other)["status"].tolist() == ["same"]
        with pytest.warns(ReadWarning, match=rf"is from {server.uri}#works.*, and this is {session.uri}#works"):
            session.export("temp", (SINCE, None), tmp_path)


@pytest.mark.parametrize("how", ["sync", "added"])
def test_servers_behind_tunnels_are_told_apart_by_what_they_call_themselves(
    tmp_path: Path, session: Session, database: Database, how: str
) -> None:
    archive, other = Archive(tmp_path / "trends"), building()
    if how == "sync":
        archive.sync("temp", session=session, since=SINCE)
    else:
        archive.add(session.his_read("temp", "yesterday"))
        archive.sync(session=session)  # what the server calls itself is known from now on
    other.name, versions = "mill", archive.versions
    with running_server(other) as server, hsframe.connect(server.uri, "demo", "demo") as there:
        words = (
            rf"is from the server {session.uri}#works, New_York, .*, and this is {server.uri}#mill, .* sync once with"
        )
        for dry_run in (True, False):
            with pytest.raises(MetadataError, match=words):
                archive.sync(session=there, dry_run=dry_run)
            with pytest.raises(MetadataError, match=words):
                there.export("power", (SINCE, None), tmp_path / "trends", dry_run=dry_run)
        pd.testing.assert_frame_equal(archive.versions, versions)
        archive.sync(session=there, other_server=True)
    with pytest.raises(MetadataError, match="and this is"):
        archive.sync(session=session)


def test_the_uri_of_an_archive_is_not_doubted_where_its_server_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        Archive(tmp_path / "trends").sync("temp", session=session, since=SINCE)
    for name, value in (("URI", server.uri), ("USER", "demo"), ("PASSWORD", "demo")):
        monkeypatch.setenv(f"HSFRAME_{name}", value)
    hint = "a Haystack uri ends in the path of the API"
    for command, is_known in ((["about"], True), (["about"], False), (["sync", str(tmp_path / "trends")], True)):
        if not is_known:  # what was learned before in this process
            forget(server.uri)
        assert cli.main([*command, "--retries", "0"]) == 3
        told = capsys.readouterr().err
        assert "nothing answers there" in told
        assert (hint in told) != is_known


@pytest.mark.parametrize("less", ["none", "plaintext", "basic"])
def test_a_server_that_asked_for_scram_once_does_not_answer_by_less(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch, capsys: Any, less: AuthScheme
) -> None:
    """In cron each process is new, and something else may answer in the place of the server."""
    archive, now = Archive(tmp_path), (SINCE, None)
    archive.sync("temp", session=session, since=SINCE)
    versions = archive.versions
    words = rf"by SCRAM before, and now offers .*connect with auth='{less}'"
    how: dict[str, Any] = {"users": {}} if less == "none" else {"scheme": less}
    with running_server(building(), **how) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another port, and no login, which the session itself takes
        for is_logged_in in (False, True):
            with hsframe.connect(server.uri, "demo", "demo") as other:
                for dry_run in (True, False):
                    if is_logged_in and dry_run:
                        other.read("site")
                    with pytest.raises(AuthError, match=words):
                        archive.sync(session=other, dry_run=dry_run)
                    with pytest.raises(AuthError, match=words):
                        other.export("power", now, tmp_path, dry_run=dry_run)
        pd.testing.assert_frame_equal(archive.versions, versions)
        for name in ("USER", "PASSWORD"):
            monkeypatch.setenv(f"HSFRAME_{name}", "demo")
        monkeypatch.setenv("HSFRAME_URI", server.uri)
        assert cli.main(["sync", str(tmp_path), "--quiet"]) == 3
        told = capsys.readouterr().err.splitlines()[-1]
        assert re.match(rf"hsframe: \d{{4}}-\d\d-\d\dT\S+ {re.escape(str(tmp_path))}: login as 'demo'", told)
        assert f"connect with --auth {less}" in told
        assert cli.main(["sync", str(tmp_path), "--quiet", "--auth", less, "--dry-run"]) == 0
        assert cli.main(["sync", str(tmp_path), "--quiet"]) == 3
        assert cli.main(["sync", str(tmp_path), "--quiet", "--auth", less]) == 0
        assert cli.main(["sync", str(tmp_path), "--quiet"]) == 0  # it is noted that this is meant


def test_a_frame_says_from_which_server_a_new_archive_is(tmp_path: Path, session: Session) -> None:
    df = session.his_read("temp", "yesterday")
    note_source(df, {**df.hs.source, "uri": "https://there.example/api"})
    Archive(tmp_path).add(df)
    with pytest.raises(MetadataError, match=r"is from the server https://there\.example/api, and this is"):
        Archive(tmp_path).sync(session=session)


def test_json_is_the_result_of_a_sync_and_errors_are_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, database: Database
) -> None:
    path = str(tmp_path / "trends")
    with running_server(database) as server:
        monkeypatch.setenv("HSFRAME_URI", server.uri)
        for password, code in (("wrong", 3), ("demo", 0)):
            command = ["sync", path, "--user", "demo", "--password", password, "power", "--json", "--since"]
            assert cli.main([*command, f"{SINCE}"]) == code
            told = capsys.readouterr()
            assert [json.loads(line)["exit"] for line in told.out.splitlines()] == [code] * (not code)
            assert len(told.err.splitlines()) == bool(code)
        database.update("power", {"unit": "W"})
        assert cli.main(["sync", path, "--user", "demo", "--password", "demo", "--json"]) == 1
        line = json.loads(capsys.readouterr().out)
        assert f"--since {SINCE}, or earlier, reads all of it anew" in line["problems"][0]["reason"]
        assert cli.main(["sync", path, "--user=demo", "--password=demo", "--json", "--since", f"{SINCE}"]) == 0
        assert json.loads(capsys.readouterr().out)["changed"] == 0
        monkeypatch.setenv("HSFRAME_URI", server.uri.replace("//", "//me:secret@"))
    assert cli.main(["sync", path, "--user=demo", "--password=demo", "--json", "--retries", "0"]) == 3
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines()), "secret" in told.err) == ("", 1, False)


def test_a_dry_run_of_a_first_fill_says_what_it_assumes(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name, value in {"URI": session.uri, "USER": "demo", "PASSWORD": "demo"}.items():
        monkeypatch.setenv(f"HSFRAME_{name}", value)
    for wrong in (["temp", "--since", "2026-13-01"], ["temp and"], ["temp", "--overlap", "5x"]):
        assert cli.main(["sync", str(tmp_path), *wrong]) == 2
    assert cli.main(["sync", str(tmp_path), "temp or run", "--dry-run"]) == 0
    assert "assuming ten years of 2 points whose records have no hisStart" in capsys.readouterr().out
    assert cli.main(["sync", str(tmp_path), "temp or run", "--dry-run", "--since", "-30d"]) == 0
    assert "assuming" not in capsys.readouterr().out


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
    assert archive.sync("equipRef->siteRef and tz", session=session).set_index("id")["status"]["power"] == "gone"
    assert archive.sync("temp", session=session)["id"].tolist() == ["temp"]  # a filter that does not mean it
    with pytest.raises(UnknownRecError, match="power"):
        archive.sync("point and his", session=session, on_error="raise")
    database.update("temp", {"his": None})  # it is still there
    assert set(archive.sync("point and his", session=session, dry_run=True)["id"]) == {
        "plain",
        "run",
        "mode",
        "empty",
        "power",
    }
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
    reason = table.loc["temp", "reason"]
    assert re.search(r"the server gave no samples where the archive has \d{2,3}: they stay", reason)
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
    with pytest.warns(ReadWarning, match="1 of 6 points could not be read and have no new samples: @temp;"):
        archive.sync("point", session=session, on_error="warn")


@pytest.mark.parametrize("limits", [hsframe.Limits(cells=500), hsframe.Limits(answer_bytes=9000)], ids=str)
def test_of_what_is_larger_than_is_allowed_all_parts_come(
    tmp_path: Path, session: Session, limits: hsframe.Limits
) -> None:
    """Of a point without hisStart ten years are asked for first, of which each half that has all of it is too large."""
    archive = Archive(tmp_path)
    with hsframe.connect(session.uri, "demo", "demo", limits=limits) as limited:
        table = archive.sync("point", session=limited)
    assert set(table["status"]) == {"synced", "same"}
    assert_in_step(archive, session)


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
    assert re.fullmatch(r"points 2, rows 5,760, requests \d+, bytes 11,520, seconds [\d.]+\n", told.out)
    assert (told.err, Path(path).exists()) == ("", False)
    assert cli.main(["sync", path, "power or temp", "--since", "-30d"]) == 0
    assert re.fullmatch(
        r"points 2, rows new 3,5\d\d, rows late 0, rows changed 0, rows removed 0, seconds [\d.]+\n",
        capsys.readouterr().out,
    )
    odd = database.history("temp")
    for value, command in enumerate([["--json"], []]):
        odd.merge(NOW_US - np.array([1, 2]) * QUARTER_US, np.full(2, 70.0 + value), np.zeros(2, bool))
        assert cli.main(["sync", path, *command]) == 0
        told = capsys.readouterr()
        if command:
            first, last = (pd.Timestamp(NOW_US - back * QUARTER_US, unit="us", tz="UTC") for back in (2, 1))
            line = json.loads(told.out)
            assert line["points_differing"] == 1
            assert line["changes"] == [
                {"id": "temp", "dis": "TEMP", "rows_late": 0, "rows_changed": 2, "rows_removed": 0}
                | {"first_change": first.isoformat(), "last_change": last.isoformat()}
            ]
    assert re.search(r"rows changed 2, rows removed 0, differing @temp \(TEMP\) 2, seconds", told.out)
    database.remove("power")
    assert cli.main(["sync", path, "--json"]) == 0
    told = capsys.readouterr()
    summary = json.loads(told.out)
    assert {name: summary[name] for name in ("points", "rows_new", "gone", "failed")} == {
        "points": 2, "rows_new": 0, "gone": 1, "failed": 0
    }  # fmt: skip
    assert (summary["uri"], summary["archive"], summary["version"], summary["exit"]) == (session.uri, path, 3, 0)
    assert [(one["id"], one["status"]) for one in summary["problems"]] == [("power", "gone")]
    assert abs(datetime.fromisoformat(summary["time"]) - datetime.now(UTC)) < pd.Timedelta("10min")
    assert re.match(rf"hsframe: \S+ {re.escape(path)}: @power \(POWER\) gone: ", told.err)
    assert cli.main(["sync", path, "@nobody", "--json"]) == 1  # it was never there: a slip, and no news of the server
    summary = json.loads(capsys.readouterr().out)
    assert {name: summary[name] for name in ("gone", "failed", "exit")} == {"gone": 0, "failed": 1, "exit": 1}
    assert cli.main(["sync", path, "--quiet", "--on-error", "raise"]) == 1
    assert "@power" in capsys.readouterr().err
    for order in (["temp", "--quiet", "--overlap", "1h"], ["--quiet", "temp"], ["--overlap", "1h", "--quiet", "@temp"]):
        assert cli.main(["sync", path, *order]) == 0
        assert capsys.readouterr() == ("", "")
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.main(["sync", str(tmp_path), "temp"]) == 2
    assert "has other things in it" in capsys.readouterr().err
    assert cli.main(["sync", path, "--quiet", "--json"]) == 2


def test_a_sync_of_other_points_at_the_same_time_keeps_what_it_has_read(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, referenced, done = Archive(tmp_path), syncing._referenced, list[str]()
    archive.sync("temp", session=session, since=SINCE)
    # As a sync of it has it that has begun, before it has read anything.
    tags = {"id": Ref("power"), "point": MARKER, "kind": "Number", "unit": "kW", "tz": "Kathmandu"}
    Tables.open(Storage(str(tmp_path))).points.put([ArchivedRecord(tags, (FIRST_US, FIRST_US))])

    def sync_power() -> None:
        with hsframe.connect(session.uri, "demo", "demo") as other:
            Archive(tmp_path).sync("power", session=other, since=SINCE)

    async def beside(*args: Any) -> Any:
        found = await referenced(*args)
        if not done:
            done.append("power")
            await asyncio.to_thread(sync_power)
        return found

    monkeypatch.setattr(syncing, "_referenced", beside)
    archive.sync("plain", session=session, since=SINCE)
    points = archive.points.set_index("id")
    assert set(points.index) == {"temp", "power", "plain"}
    assert points.loc["power", "until"] > pd.Timestamp(NOW_US - QUARTER_US, unit="us", tz="UTC")
