"""The embedded server over an archive: what it has, of the newest version, and nothing is written into it."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session, cli
from hsframe.archive.histories import read_histories
from hsframe.archive.layout import Layout
from hsframe.archive.parquet_file import START_US
from hsframe.archive.points import ArchivedRecord
from hsframe.archive.samples import merge
from hsframe.archive.served import ArchiveDatabase
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.errors import CallError, ReadWarning
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.app import _THREADS, STATE
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.archive.building import DAY_US, FIRST_US, NOW_US, SINCE
from tests.archive.test_samples import rows

pytestmark = pytest.mark.one_python

SINCE_US = FIRST_US - 3 * DAY_US


@pytest.fixture
def served(trends: Archive, tmp_path: Path) -> Iterator[Session]:
    with (
        running_server(ArchiveDatabase(Storage(str(tmp_path / "trends"), {}))) as server,
        hsframe.connect(server.uri, "demo", "demo") as session,
    ):
        yield session


@pytest.mark.filterwarnings("ignore:.*may lack samples")  # of 2001, as of the archive itself
def test_it_answers_as_the_server_that_the_archive_is_from(session: Session, served: Session) -> None:
    for points, span, how in [
        ("point", (SINCE, None), {"shape": "tidy", "tz": "UTC"}),
        ("point", "yesterday", {"na": "flag", "tz": "UTC", "header": ("equipRef->dis", "navName")}),
        ("temp or power or run", (SINCE, None), {"interval": "1h", "tz": "UTC"}),
        ("@mode", (SINCE, None), {"chunk": "3D"}),
        ("temp", "2001-02-03", {}),
    ]:
        frames = [one.his_read(points, span, **how) for one in (served, session)]  # type: ignore[call-overload]
        pd.testing.assert_frame_equal(*frames, check_freq=False)
    assert list(served.read('equipRef->siteRef->dis == "Works"')["id"]) == list(session.read("point")["id"])
    assert list(served.nav("equip")["id"]) == list(session.nav("equip")["id"])
    assert served.about().loc[0, "serverName"] == "trends"


def test_no_more_is_read_than_a_request_asks_for(served: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    windows: list[tuple[int, int]] = []

    def reading(table: Any, points: Any, start_us: int, end_us: int, most: int) -> Any:
        windows.append((start_us, end_us))
        return read_histories(table, points, start_us, end_us, most)

    monkeypatch.setattr("hsframe.archive.served.read_histories", reading)
    served.his_read("point", "yesterday", tz="UTC")
    assert windows
    assert all(end_us - start_us < 3 * DAY_US for start_us, end_us in windows)


def test_while_much_is_read_other_clients_are_answered(served: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def reading(*args: Any) -> Any:
        begun.release()
        assert go_on.wait(30)
        return read_histories(*args)

    monkeypatch.setattr("hsframe.archive.served.read_histories", reading)
    with ThreadPoolExecutor(6) as pool, hsframe.connect(served.uri, "demo", "demo") as other:
        day = f"{pd.Timestamp(NOW_US - 5 * DAY_US, unit='us'):%Y-%m-%d}"
        large = [pool.submit(served.his_read, "@temp", day) for _ in range(6)]
        try:
            assert all(begun.acquire(timeout=30) for _ in range(_THREADS))  # no more are read at once
            assert other.about().loc[0, "serverName"] == "trends"
            assert not any(one.done() for one in large)
        finally:
            go_on.set()
        assert [len(one.result()) for one in large] == [96] * 6


def test_what_is_read_at_once_is_bounded(session: Session, served: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsframe.archive.served._MOST", 300)
    with pytest.raises(CallError, match="there are more than 300 samples, the limit of one read; ask for a shorter"):
        served.run(lambda client: client.his_read("temp", f"{SINCE},2100-01-01", raw=True))
    monkeypatch.setattr(sys.modules["hsframe.server.ops.his_read"], "_MOST_CELLS", 600)
    refs = [hsframe.Ref("run"), hsframe.Ref("mode"), hsframe.Ref("temp")]
    days = ",".join(f"{pd.Timestamp(NOW_US - back * DAY_US, unit='us'):%Y-%m-%d}" for back in (6, 5))
    monkeypatch.setattr("hsframe.archive.served._MOST", 600)
    with pytest.raises(CallError, match="cells beside them, and the limit is 600"):
        served.run(lambda client: client.his_read_batch(refs, days, raw=True))
    frames = [one.his_read("point", (SINCE, None), shape="tidy", tz="UTC") for one in (served, session)]
    pd.testing.assert_frame_equal(*frames)


def test_points_of_all_kinds_and_of_none(tmp_path: Path) -> None:
    tables = Tables.open_or_create(Storage(str(tmp_path / "trends"), {}), Layout())
    values = {
        "Date": "2026-01-31",
        "Ref": "@a",
        "Uri": "`http://a/`",
        "Coord": "C(1.5,2.5)",
        "DateTime": None,
        None: "x",
    }
    for place, (kind, text) in enumerate(values.items()):
        tags = {"id": Ref(f"p{place}"), "dis": f"P{place}", "point": MARKER, "his": MARKER, "tz": "UTC"}
        tables.points.put([ArchivedRecord(tags | ({"kind": kind} if kind else {}), (SINCE_US, NOW_US))])
        merge(
            tables.samples, rows({(f"p{place}", FIRST_US): (None, text, None)}), [f"p{place}"], START_US, FIRST_US + 1
        )
    with (
        running_server(ArchiveDatabase(Storage(str(tmp_path / "trends"), {}))) as server,
        hsframe.connect(server.uri, "demo", "demo") as served,
    ):
        both = served, Archive(tmp_path / "trends")
        # Of days that were read, whatever the time of day is now.
        frames = [one.his_read("point", (SINCE, SINCE + timedelta(days=3)), shape="dict") for one in both]
    for name, df in frames[1].items():
        pd.testing.assert_frame_equal(frames[0][name], df)
    assert [df.iloc[0, 0] for df in frames[0].values()][:2] == [date(2026, 1, 31), Ref("a")]


def test_a_sync_of_meanwhile_is_there_with_the_next_request(
    trends: Archive, session: Session, served: Session, database: Database
) -> None:
    before = len(served.his_read("temp", (SINCE, None)))
    database.history("temp").merge(np.array([NOW_US - 1]), np.array([7.0]), np.zeros(1, bool))
    database.add({**(database.get("temp") or {}), "id": hsframe.Ref("more"), "dis": "More"})
    database.set_history("more", np.array([FIRST_US]), np.array([1.0]))
    trends.sync("point", session=session, since=SINCE)
    assert len(served.his_read("@temp", (SINCE, None))) == before + 1
    assert served.his_read("@more", (SINCE, None)).hs.units == {"More": "°C"}


def test_an_archive_that_is_gone_is_an_error_in_words(served: Session, tmp_path: Path) -> None:
    served.his_read("temp", "yesterday")
    shutil.rmtree(tmp_path / "trends")
    with pytest.raises(CallError, match=r"the op failed: "):
        served.his_read("temp", "yesterday")


def test_files_of_an_archive_that_are_damaged_or_gone_are_named_until_they_are_back(
    served: Session, tmp_path: Path
) -> None:
    span = (SINCE, None)
    before = served.his_read("temp", span)
    kept = {file: file.read_bytes() for file in (tmp_path / "trends" / "samples").rglob("*.parquet")}
    for harm, words in ((lambda file: file.write_bytes(b"PAR1"), "is damaged"), (Path.unlink, "is not there")):
        for file in kept:
            harm(file)
        with pytest.raises(CallError, match=rf"\.parquet {words}"):
            served.his_read("temp", span)
        assert len(served.read("temp")) == 1, "what needs no such file is answered"
    for file, content in kept.items():
        file.write_bytes(content)
    pd.testing.assert_frame_equal(served.his_read("temp", span), before)


@pytest.mark.filterwarnings("ignore:.*may lack samples")
def test_an_archive_in_the_place_of_another_is_served_with_the_next_request(
    trends: Archive, session: Session, served: Session, tmp_path: Path
) -> None:
    place, other, away = (tmp_path / name for name in ("trends", "other", "away"))
    Archive(other).sync("temp", session=session, since=pd.Timestamp(NOW_US - 2 * DAY_US, unit="us", tz="UTC"))
    want = [Archive(path).his_read("@temp", (SINCE, None)) for path in (other, place)]
    assert len(want[0]) < len(want[1])
    place.rename(away)
    other.rename(place)
    pd.testing.assert_frame_equal(served.his_read("@temp", (SINCE, None)), want[0])
    assert list(served.read("point")["id"]) == ["temp"]
    place.rename(other)
    away.rename(place)
    pd.testing.assert_frame_equal(served.his_read("@temp", (SINCE, None)), want[1])
    assert len(served.read("point")) > 1


def test_nothing_is_written_into_it(trends: Archive, served: Session) -> None:
    assert not {"hisWrite", "pointWrite", "invokeAction"} & set(served.ops()["name"])
    df = served.his_read("temp", "yesterday")
    versions = trends.versions
    with pytest.raises(CallError, match=r"hisWrite: this server gives what an archive has, and takes nothing"):
        served.his_write(df)
    with pytest.raises(CallError, match=r"pointWrite: this server gives what an archive has"):
        served.point_write_array("temp")
    with pytest.raises(CallError, match=r"invokeAction: this server gives what an archive has"):
        served.invoke_action("temp", "restart")
    pd.testing.assert_frame_equal(trends.versions, versions)


@pytest.mark.filterwarnings("ignore:.*may lack samples")
def test_a_value_in_another_unit_keeps_it(served: Session, tmp_path: Path) -> None:
    table = Tables.open(Storage(str(tmp_path / "trends"), {})).samples
    cells = [(1.5, None, "kW"), (1.5, None, "W"), (None, "fault", None), (None, None, None)]
    odd = {("power", FIRST_US - DAY_US * 9 + place): cell for place, cell in enumerate(cells)}
    merge(table, rows(odd), ["power"], START_US, FIRST_US)
    span = (pd.Timestamp(SINCE, tz="UTC") - pd.Timedelta("20D"), pd.Timestamp(FIRST_US, unit="us", tz="UTC"))
    with pytest.warns(ReadWarning, match="texts"):
        beside = served.his_read(["@power", "@temp"], span, tz="UTC")
    assert beside["POWER"].tolist()[:3] == [Number(1.5, "kW"), Number(1.5, "W"), "fault"]


def test_quirks_see_what_is_beside_the_window(trends: Archive, session: Session, tmp_path: Path) -> None:
    def rows_of(session: Session) -> int:
        day = f"{pd.Timestamp(NOW_US - 5 * DAY_US, unit='us'):%Y-%m-%d}"
        return len(session.run(lambda client: client.his_read("temp", day, raw=True)))

    database = ArchiveDatabase(Storage(str(tmp_path / "trends"), {}))
    with (
        running_server(database, quirks=["extra-samples"]) as server,
        hsframe.connect(server.uri, "demo", "demo") as odd,
    ):
        assert rows_of(odd) == rows_of(session) + 2


def test_a_present_value_of_then_is_stale(tmp_path: Path, session: Session, database: Database) -> None:
    database.update("empty", {"curVal": Number(3, "kW"), "curStatus": "ok"})
    archive = Archive(tmp_path / "trends")
    archive.sync("empty", session=session, since=SINCE)
    assert archive.read("empty")["curStatus"].tolist() == ["stale"]
    assert archive.latest("@empty")[["source", "status"]].to_numpy().tolist() == [["cur", "stale"]]
    assert ArchiveDatabase(Storage(str(tmp_path / "trends"), {})).query('curStatus == "stale"')


@pytest.mark.filterwarnings("always:everybody who reaches")
def test_the_command_serves_it(
    trends: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[object] = []

    async def serving(app: Any, *given: Any) -> None:
        found.append(app[STATE].database)

    monkeypatch.setattr("hsframe.server.run._serve", serving)
    for host, told in {
        "127.0.0.1": "",
        "0.0.0.0": "hsframe: everybody who reaches 0.0.0.0 can call without a login",
    }.items():
        assert cli.main(["serve", str(tmp_path / "trends"), "--anonymous", "--host", host]) == 0
        err = capsys.readouterr().err
        assert (err[: len(told)], err.count("\n")) == (told, bool(told))
    assert isinstance(found[0], ArchiveDatabase)
    assert len(found[0]) == 8
