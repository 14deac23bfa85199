"""What is exported is what his_read gives, in one file or in an archive, however the export was interrupted."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.archive import export as export_module
from hsframe.archive import fill, stage
from hsframe.errors import MetadataError, ReadWarning, ZoneWarning
from hsframe.frame.parquet import write_parquet
from hsframe.history import plan
from hsframe.history.planner import Planner
from hsframe.kinds import MARKER, Number
from hsframe.server.database import Database
from hsframe.server.demo import demo_building
from hsframe.testing.server import running_server
from tests.archive.building import FIRST_US, NOW_US, QUARTER_US, SINCE, add_point, assert_in_step, building
from tests.archive.warm import Warm
from tests.session.connected import break_point

pytestmark = pytest.mark.filterwarnings("ignore::hsframe.ZoneWarning")
TODAY = pd.Timestamp(NOW_US, unit="us", tz="UTC").date()
YESTERDAY = TODAY - pd.Timedelta("1D")
SPAN = (SINCE, YESTERDAY)


def day(days: float) -> Any:
    """The date so many days after that from which the histories are."""
    return (pd.Timestamp(SINCE) + pd.Timedelta(days=days)).date()


def assert_as_read(
    path: Path, session: Session | Archive, span: Any = SPAN, points: Any = "point", tz: str = "UTC"
) -> None:
    """The file is the one that `write_parquet` makes of the frame that is read, but for the time of the read."""
    df, read = hsframe.read_parquet(path), session.his_read(points, span, shape="tidy", tz=tz)
    pd.testing.assert_frame_equal(df, read)
    write_parquet(read, path.with_suffix(".read"))
    again = hsframe.read_parquet(path.with_suffix(".read"))
    path.with_suffix(".read").unlink()
    assert df.attrs == again.attrs
    pd.testing.assert_frame_equal(df, again)


@pytest.mark.parametrize("rows", [1_000_000, 1000])
def test_a_tidy_file_is_the_tidy_frame(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(export_module, "ROW_GROUP", rows)
    path = session.export("point", SPAN, tmp_path / "all.parquet", layout="tidy")
    assert path == tmp_path / "all.parquet"
    assert_as_read(tmp_path / "all.parquet", session)
    assert os.listdir(tmp_path) == ["all.parquet"]
    with pq.ParquetFile(path) as file:
        ids = file.read(columns=["id"])["id"].to_pylist()
        assert ids == sorted(ids)
        assert file.schema_arrow.field("ts").type.tz == "UTC"


def test_a_tidy_file_has_the_zone_that_is_asked_for(tmp_path: Path, session: Session) -> None:
    path = session.export("temp", SPAN, tmp_path / "t.parquet", layout="tidy", tz="Tokyo")
    assert_as_read(tmp_path / "t.parquet", session, points="temp", tz="Tokyo")
    assert str(hsframe.read_parquet(path)["ts"].dt.tz) == "Asia/Tokyo"
    with pytest.warns(ZoneWarning):
        session.export("point", SPAN, tmp_path / "t.parquet", layout="tidy")


def test_a_tidy_file_of_points_without_samples(tmp_path: Path, session: Session, database: Database) -> None:
    session.export("empty", SPAN, tmp_path / "none.parquet", layout="tidy")
    assert_as_read(tmp_path / "none.parquet", session, points="empty", tz="London")
    assert hsframe.read_parquet(tmp_path / "none.parquet")["unit"].cat.categories.tolist() == ["kW"]
    write_parquet(session.his_read("empty", SPAN, shape="tidy"), tmp_path / "none.parquet")
    assert hsframe.read_parquet(tmp_path / "none.parquet")["unit"].cat.categories.tolist() == ["kW"]
    add_point(database, "void", "Number", unit="°F", tz="Kathmandu")
    Archive(tmp_path / "trends").sync("temp or empty or void", session=session, since=SINCE)
    for source in (session, Archive(tmp_path / "trends")):
        source.export(["empty", "void", "temp"], SPAN, tmp_path / "some.parquet", layout="tidy", tz="UTC")
        assert_as_read(tmp_path / "some.parquet", source, points=["empty", "void", "temp"])
        assert hsframe.read_parquet(tmp_path / "some.parquet")["unit"].cat.categories.tolist() == ["kW", "°C", "°F"]


def test_a_span_to_the_present_has_what_is_there_and_forecasts(
    tmp_path: Path, session: Session, database: Database
) -> None:
    ahead_us = NOW_US + np.arange(1, 20) * QUARTER_US
    database.history("temp").merge(ahead_us, np.arange(19.0), np.zeros(19, bool))
    session.export("temp", (SINCE, None), tmp_path / "t.parquet", layout="tidy")
    df = hsframe.read_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(df, session.his_read("temp", (SINCE, None), shape="tidy", tz="point"))


def test_a_folder_is_an_archive_that_can_be_synced(tmp_path: Path, session: Session) -> None:
    path = session.export("point", (SINCE, day(10)), tmp_path / "trends")
    assert path == tmp_path / "trends"
    archive = Archive(path)
    assert_in_step(archive, session, span=(SINCE, day(10)))
    assert archive.points["until"].max() < pd.Timestamp(day(12), tz="UTC")
    assert archive.sync(session=session)["status"].drop(5).unique().tolist() == ["synced"]
    assert_in_step(archive, session)


@pytest.mark.one_python
def test_the_last_interval_has_the_sample_after_it(tmp_path: Path, session: Session, database: Database) -> None:
    for name, tags in {"meter": {"hisInterval": Number(15, "min")}, "register": {}, "cov": {"hisMode": "cov"}}.items():
        add_point(database, name, "Number", unit="kWh", hisTotalized=MARKER, **tags)
        database.set_history(name, FIRST_US + np.arange(1900) * QUARTER_US, np.arange(1900.0))
    span = (SINCE, day(9))
    session.export("point", span, tmp_path / "trends")
    archive = Archive(tmp_path / "trends")

    settings: list[dict[str, Any]] = [
        {"interval": "1D"},
        {"interval": "1D", "agg": {"METER": "mean", "POWER": "integral"}},
        {"boundary": "both"},
    ]
    for how in settings:
        ours, theirs = (one.his_read("point", span, tz="UTC", **how) for one in (archive, session))
        pd.testing.assert_frame_equal(ours, theirs, check_freq=False)
    assert archive.points["until"].max() == pd.Timestamp(day(10), tz="Europe/London"), "none counts as read further"
    assert_in_step(archive, session, span=span)
    archive.sync(session=session)
    assert_in_step(archive, session)


def test_the_same_command_reads_nothing_twice_and_a_longer_one_what_is_missing(
    tmp_path: Path, session: Session, database: Database
) -> None:
    session.export("temp or run", (day(8), day(10)), tmp_path)
    archive = Archive(tmp_path)
    versions = archive.versions
    database.set_history("run", np.empty(0, np.int64), np.empty(0, bool))  # so another read would show
    session.export("temp or run", (day(8), day(10)), tmp_path)
    pd.testing.assert_frame_equal(archive.versions, versions)
    assert len(archive.his_read("run", (day(8), day(10))))
    # What is between is read too: nobody is to take a hole for a time without samples.
    session.export("temp", (day(14), day(15)), tmp_path)
    assert_in_step(archive, session, "temp", (day(8), day(15)))
    session.export("temp", (day(3), day(4)), tmp_path)
    assert_in_step(archive, session, "temp", (day(3), day(15)))
    window = archive.points.set_index("id").loc["temp"]
    assert (window["since"], window["until"]) == (
        pd.Timestamp(day(3), tz="Europe/London"), pd.Timestamp(day(16), tz="Europe/London")
    )  # fmt: skip


def test_of_a_day_that_is_not_over_the_rest_comes_with_the_same_command(
    tmp_path: Path, session: Session, database: Database
) -> None:
    span = (SINCE, TODAY + pd.Timedelta("3D"))
    session.export("temp", span, tmp_path)
    now_us = int(pd.Timestamp.now("UTC").timestamp() * 1e6)
    assert Archive(tmp_path).points["until"].iloc[0] <= pd.Timestamp(now_us, unit="us", tz="UTC")
    database.history("temp").merge(np.array([now_us]), np.array([1.0]), np.zeros(1, bool))
    session.export("temp", span, tmp_path)
    assert_in_step(Archive(tmp_path), session, "temp", span)


def test_a_point_with_another_unit_than_in_the_archive_is_named(
    tmp_path: Path, session: Session, database: Database
) -> None:
    session.export("power or temp", (day(5), day(8)), tmp_path)
    database.update("power", {"unit": "W"})
    with pytest.raises(MetadataError, match=r"POWER\): its unit was kW and is W; export it to another folder"):
        session.export("power or temp", (day(7), day(12)), tmp_path)
    with pytest.warns(ReadWarning, match="1 of 2 points could not be read, .*@power"):
        session.export("power or temp", (day(7), day(12)), tmp_path, on_error="warn")
    assert_in_step(Archive(tmp_path), session, "temp", (day(5), day(12)))
    session.export("power", (day(4), day(12)), tmp_path)  # all of it, so nothing is mixed
    assert_in_step(Archive(tmp_path), session, "power", (day(4), day(12)))


@pytest.mark.parametrize("layout", ["wide", "tidy", None])
def test_points_that_cannot_be_read_are_named(
    tmp_path: Path, session: Session, database: Database, layout: Any
) -> None:
    break_point(database, "temp")
    path = tmp_path / ("all.parquet" if layout else "all")
    with pytest.raises(hsframe.CallError, match="temp"):
        session.export("point", SPAN, path, layout=layout)
    assert not path.is_file()
    with pytest.warns(ReadWarning, match=r"2 of 7 points could not be read.*@nobody"):
        session.export(
            ["temp", "power", "plain", "run", "mode", "empty", "nobody"], SPAN, path, layout=layout, on_error="warn"
        )
    if layout == "tidy":
        assert_as_read(path, session, points=["power", "plain", "run", "mode", "empty"])
    elif layout is None:
        assert_in_step(Archive(path), session, ["power", "plain", "run", "mode", "empty"], SPAN)
        assert Archive(path).points["id"].tolist() == ["temp", "power", "plain", "run", "mode", "empty"]
    assert os.listdir(tmp_path) == [path.name]


def test_a_dry_run_writes_nothing_and_says_what_is_left(tmp_path: Path, session: Session) -> None:
    path = tmp_path / "trends"
    table = session.export("temp or power or run", (day(1), day(10)), path, dry_run=True)
    assert isinstance(table, pd.DataFrame)
    assert table.dtypes.astype(str).to_dict() == {
        "id": "str", "dis": "str", "rows": "int64", "requests": "float64", "bytes": "int64",
        "status": "str", "reason": "str",
    }  # fmt: skip
    assert table["rows"].tolist()[:2] == [960, 960]
    assert table["requests"].sum() == 3 * 3 + 2 * 2  # two zones, changes of value; beside, where these may be far away
    assert table["bytes"].tolist() == [1920, 1920, 4800]
    assert not path.exists()
    session.export("temp", (day(1), day(5)), path)
    assert session.export("temp", (day(1), day(10)), path, dry_run=True)["rows"].tolist() == [480]
    for layout in ("wide", "tidy"):
        one = tmp_path / "all.parquet"
        assert session.export("temp", (day(1), day(10)), one, layout=layout, dry_run=True)["rows"].tolist() == [960]
    assert os.listdir(tmp_path) == ["trends"]


@pytest.mark.parametrize(
    ("path", "how", "said"),
    [
        ("trends", {"layout": "wide"}, r"layout='wide' is one file, and '.*trends' does not end in .parquet; leave"),
        ("a.parquet", {"layout": "long"}, r"layout='long' is unknown; expected 'wide' or 'tidy'"),
        ("a.parquet", {"layout": "tidy", "header": "navName"}, r"header='navName' names columns"),
        ("trends", {"tz": "Tokyo"}, r"an archive is in UTC, .* leave tz= out"),
        ("a.parquet", {"on_error": "catalog"}, r"on_error='catalog' is unknown; expected 'raise' or 'warn'"),
        ("none/a.parquet", {"layout": "tidy"}, r"there is no folder .*none; make it first"),
        ("s3://bucket/a.parquet", {}, r"a wide file is written to this machine; take layout='tidy' for a uri"),
        ("", {}, r"is no archive, and has other things in it \(notes.txt\)"),
    ],
)
def test_what_is_refused_is_refused_before_anything_is_read(
    tmp_path: Path, session: Session, path: str, how: dict[str, Any], said: str
) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(MetadataError, match=said):
        session.export("point", SPAN, path if ":" in path else tmp_path / path, **how)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_two_exports_of_one_tidy_file_are_not_at_once(tmp_path: Path, session: Session) -> None:
    with (
        export_module._alone(tmp_path / ".a.parquet.export", "a.parquet"),
        pytest.raises(MetadataError, match=r"another program exports to .*/a.parquet; wait for it"),
    ):
        session.export("temp", SPAN, tmp_path / "a.parquet", layout="tidy")
    session.export("temp", SPAN, tmp_path / "a.parquet", layout="tidy")
    assert os.listdir(tmp_path) == ["a.parquet"]


def test_a_window_is_never_larger_than_what_is_merged_at_once(
    tmp_path: Path, database: Database, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of points whose records do not say how many samples they have: the first answers tell."""
    monkeypatch.setattr(fill, "_ROWS_A_MERGE", 1000)
    most, seen = [], fill.rows_of

    def rows_of(histories: Any) -> Any:
        most.append(sum(len(history.ts_us) for history in histories))
        return seen(histories)

    monkeypatch.setattr(fill, "rows_of", rows_of)
    sent, send = [], Planner.send

    async def counted(self: Planner, request: Any) -> Any:
        sent.append(request)
        return await send(self, request)

    monkeypatch.setattr(Planner, "send", counted)
    session.export("point", SPAN, tmp_path)
    assert max(most) <= 1200
    assert len(most) < 80
    assert_in_step(Archive(tmp_path), session, span=SPAN)
    # Of points whose records say how many there are, a dry run says how many requests that takes, but for the proofs.
    some, sent[:] = tmp_path / "some", []
    said = session.export("temp or plain", SPAN, some, dry_run=True)["requests"].sum()
    session.export("temp or plain", SPAN, some)
    assert said == pytest.approx(sum(not one.is_exact for one in sent), rel=0.2)


@pytest.mark.one_python
def test_as_many_requests_are_told_as_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, send = [], Planner.send

    async def counted(self: Planner, request: Any) -> Any:
        sent.append(request)
        return await send(self, request)

    monkeypatch.setattr(Planner, "send", counted)
    with (
        running_server(demo_building(datetime(2026, 6, 2, tzinfo=UTC))) as server,
        hsframe.connect(server.uri, "demo", "demo") as demo,
    ):
        for days in (130, 7):
            span = (date(2026, 5, 31) - timedelta(days), date(2026, 5, 31))
            path = tmp_path / f"{days}"
            found = {"archive": demo.export("point and his", span, path, dry_run=True)}
            sent.clear()
            demo.export("point and his", span, path)
            counts = {"archive": len(sent)}
            found["read"] = demo.estimate("point and his", span)
            sent.clear()
            demo.his_read("point and his", span, tz="UTC")
            counts["read"] = len(sent)
            for name, table in found.items():
                assert 1 / 1.3 < table["requests"].sum() / counts[name] < 1.3, (days, name)


def test_half_a_stage_is_never_taken_for_a_whole_one(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a program is killed while it removes the stage of a file that has its name already."""

    def killed(folder: Path, **how: Any) -> None:
        for file in folder.rglob("*.parquet"):
            file.unlink()
        if not how:
            raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("hsframe.archive.storage.shutil.rmtree", killed)
        with pytest.raises(RuntimeError, match="killed"):
            session.export("temp", SPAN, tmp_path / "a.parquet", layout="tidy")
    assert sorted(os.listdir(tmp_path)) == [".a.parquet.export.removed", "a.parquet"]
    session.export("temp", SPAN, tmp_path / "a.parquet", layout="tidy")
    assert_as_read(tmp_path / "a.parquet", session, points="temp", tz="London")
    assert os.listdir(tmp_path) == ["a.parquet"]


def test_a_relative_span_goes_on_where_it_was_and_begins_where_it_does_now(
    tmp_path: Path, session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, how = tmp_path / "all.parquet", {"layout": "tidy", "tz": "UTC"}
    at_us = NOW_US - 20 * 3_600_000_000

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(at_us / 1e6, tz)

    monkeypatch.setattr(plan, "datetime", Then)
    with monkeypatch.context() as patched:
        patched.setattr(export_module.Export, "_write", lambda self, *how: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            session.export("point", "-10d", path, **how)
    old, history = at_us, database.history("temp")
    history.merge(history.ts_us.copy(), np.full(len(history.ts_us), 99.5), np.zeros(len(history.ts_us), bool))
    at_us = NOW_US
    assert session.export("temp", "-10d", path, dry_run=True, **how)["rows"].tolist() == [80]
    session.export("point", "-10d", path, **how)
    df, read = hsframe.read_parquet(path), session.his_read("point", "-10d", shape="tidy", tz="UTC")
    assert df[["id", "ts", "text"]].equals(read[["id", "ts", "text"]])
    assert (df["ts"] >= pd.Timestamp(NOW_US - 240 * 3_600_000_000, unit="us", tz="UTC")).all()
    is_new = df["ts"] >= pd.Timestamp(old, unit="us", tz="UTC")
    assert ((df["value"] == 99.5) == (is_new & (df["id"] == "temp"))).all()
    assert os.listdir(tmp_path) == ["all.parquet"]


@pytest.mark.parametrize("damage", ["empty", "zeros", "footer", "half", "other request"])
def test_a_part_that_is_damaged_or_of_another_request_is_removed_and_read_anew(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path, hidden = tmp_path / "all.parquet", tmp_path / ".all.parquet.export"

    def parts() -> dict[str, float]:
        with monkeypatch.context() as patched:
            patched.setattr(export_module.Export, "_write", lambda self, *how: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                session.export("point", SPAN, path, layout="tidy")
        return {part.name: part.stat().st_mtime for part in hidden.glob("*.arrow")}

    whole = parts()
    part = hidden / max(whole, key=lambda name: (hidden / name).stat().st_size)
    data = part.read_bytes()
    if damage == "other request":
        monkeypatch.setattr(stage, "DAY_US", 0)  # it is too old
    elif damage == "zeros":
        data = bytes(len(data))
    elif damage == "footer":
        data = data[:-500] + bytes(100) + data[-400:]
    else:
        data = data[: 0 if damage == "empty" else len(data) // 2]
    part.write_bytes(data)
    assert session.export("point", SPAN, path, layout="tidy", dry_run=True)["requests"].sum() > 0
    again = parts()
    left = whole.keys() & again.keys()
    assert left == (set() if damage == "other request" else whole.keys() - {part.name})
    session.export("point", SPAN, path, layout="tidy")
    assert_as_read(path, session)
    assert os.listdir(tmp_path) == ["all.parquet"]


@pytest.fixture
def elsewhere(database: Database) -> Iterator[Session]:
    """The same points from a server with another uri."""
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        yield session


@pytest.mark.parametrize("other", ["span", "day", "server", "wide", "fewer points", "same"])
def test_what_a_tidy_export_has_left_is_taken_for_the_same_span_of_the_same_day(
    tmp_path: Path,
    session: Session,
    elsewhere: Session,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    other: str,
) -> None:
    path, before = tmp_path / "all.parquet", pd.Timestamp.now("UTC")
    with monkeypatch.context() as patched:
        patched.setattr(export_module.Export, "_write", lambda self, *how: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            session.export("point", SPAN, path, layout="tidy")
    after = pd.Timestamp.now("UTC")
    history = database.history("temp")
    history.merge(history.ts_us[-900:], np.full(900, 99.5), np.zeros(900, bool))
    span = (day(9), YESTERDAY) if other == "span" else SPAN
    if other == "day":
        monkeypatch.setattr(stage, "DAY_US", 0)
    elif other == "server":
        session = elsewhere
    elif other == "wide":
        session.export("power", SPAN, path)
        assert os.listdir(tmp_path) == ["all.parquet"]
    points = "temp or mode" if other == "fewer points" else "point"
    session.export(points, span, path, layout="tidy")
    df = hsframe.read_parquet(path)
    assert set(df["id"]) == {*session.read(points)["id"]} - {"empty"}
    is_old = other in ("same", "fewer points")
    assert (df["value"] == 99.5).any() != is_old
    at = pd.Timestamp(df.hs.source["at"])
    assert before.floor("ms") <= at <= after if is_old else at >= after.floor("ms")
    assert os.listdir(tmp_path) == ["all.parquet"]


# Interruptions ------------------------------------------------------------------------------------------------------

KILLS = int(os.environ.get("HSFRAME_KILLS", "6"))


@pytest.fixture
def many() -> Iterator[Any]:
    database = building()
    ts_us = FIRST_US + np.arange(96 * 20) * QUARTER_US
    for number in range(12):
        name = f"p{number:02}"
        add_point(database, name, "Number", unit="kW", **({"hisInterval": Number(15, "min")} if number % 3 else {}))
        own = ts_us + (number * 1_000_001 if number % 4 == 0 else 0)
        database.set_history(name, own[number * 9 :], np.round(np.sin(np.arange(len(own))[number * 9 :]) * 9, 2))
    with running_server(database) as server:
        yield server


@pytest.fixture(scope="module")
def exporter() -> Iterator[Warm]:
    with Warm(50_000) as exporter:
        yield exporter


@pytest.mark.one_python
@pytest.mark.parametrize("name", ["all.parquet", "archive"])
def test_what_was_killed_goes_on_with_the_same_command(tmp_path: Path, many: Any, exporter: Warm, name: str) -> None:
    layout = "tidy" if name.endswith("parquet") else None
    path, span = tmp_path / "there" / name, (str(SINCE), str(YESTERDAY))
    path.parent.mkdir()
    task = {"uri": many.uri, "points": "point", "span": span, "path": str(path), "layout": layout}
    at_random, ends = random.Random(name), []
    for _ in range(KILLS):
        pid = exporter.start("export", **task)
        time.sleep(at_random.uniform(0.02, 0.4))
        exporter.kill(pid)
        ends.append(exporter.end(pid))
        assert ends[-1] in ("killed", "done")
        if path.is_file():
            assert pq.ParquetFile(path).metadata.num_rows > 0
            path.unlink()
    assert "killed" in ends
    assert exporter.end(exporter.start("export", **task)) == "done"
    with hsframe.connect(many.uri, "demo", "demo") as session:
        if layout:
            assert_as_read(path, session)
            assert os.listdir(path.parent) == [name]
        else:
            assert_in_step(Archive(path), session, span=SPAN)
            assert [file for file in path.rglob("*") if file.name.endswith(".part")] == []


@pytest.mark.one_python
@pytest.mark.parametrize("name", ["all.parquet", "archive"])
def test_a_full_disk_is_named_and_the_same_command_goes_on(
    tmp_path: Path, many: Any, exporter: Warm, name: str
) -> None:
    path = tmp_path / name
    layout = "tidy" if name.endswith("parquet") else None
    task = {"uri": many.uri, "points": "temp or power or run", "span": (str(SINCE), str(YESTERDAY)), "path": str(path)}
    ended = exporter.end(exporter.start("export", **task, layout=layout, most_bytes=3_000))
    assert ended.startswith("MetadataError")
    assert "cannot be written: File too large" in ended
    assert not path.is_file()
    assert exporter.end(exporter.start("export", **task, layout=layout)) == "done"
    assert os.listdir(tmp_path) == [name]
    with hsframe.connect(many.uri, "demo", "demo") as session:
        if layout:
            assert_as_read(path, session, points=task["points"])
        else:
            assert_in_step(Archive(path), session, task["points"], SPAN)
