"""An archive says what of a read it cannot know, because it was never read from the server."""

from __future__ import annotations

import functools
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.archive.served import ArchiveDatabase
from hsframe.archive.storage import Storage
from hsframe.errors import ReadWarning
from hsframe.kinds import MARKER, Number
from hsframe.server.database import Database
from hsframe.spans import from_epoch_us
from hsframe.testing.server import running_server
from tests.archive.building import (
    FIRST_US,
    NOW_US,
    QUARTER_US,
    SINCE,
    add_point,
    assert_in_step,
    building,
    forget_server,
)
from tests.session.connected import break_point

pytestmark = pytest.mark.one_python

TODAY = pd.Timestamp(NOW_US, unit="us").date()
# What the archive has: fifteen days, of which the last ended nine days ago.
SPAN = (SINCE, TODAY - timedelta(days=10))
END = TODAY - timedelta(days=9)
OF_KEEPER = r"(sync\([^)]*\)) by whoever keeps the archive"
LATER = (TODAY - timedelta(days=7), TODAY - timedelta(days=5))


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """An archive for tests that only read."""
    path = tmp_path_factory.mktemp("rest") / "trends"
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        session.export("point", SPAN, path)
    forget_server(path)
    return Archive(path)


@pytest.fixture
def archive(at_rest: Archive, tmp_path: Path) -> Archive:
    """A copy, for tests that change it."""
    return Archive(shutil.copytree(at_rest._storage.uri, tmp_path / "trends"))


def told_of(read: Any) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = read()
    told = [one for one in told if one.category is ReadWarning]
    assert {one.filename for one in told} <= {__file__}
    return result, [str(one.message) for one in told]


READS: dict[str, Any] = {
    "samples": lambda reader, span: reader.his_read("point", span, tz="UTC"),
    "tidy": lambda reader, span: reader.his_read("point", span, shape="tidy"),
    "dict": lambda reader, span: reader.his_read("point", span, shape="dict"),
    "around": lambda reader, span: reader.his_read("point", span, boundary="both", tz="UTC"),
    "means": lambda reader, span: reader.his_read("point", span, interval="1D", tz="UTC"),
    "counts": lambda reader, span: reader.his_read("temp", span, interval="1D", agg="count"),
    "part": lambda reader, span: reader.his_read("temp", span, interval="1D", edges="partial"),
    "iter": lambda reader, span: list(reader.his_iter("point", span, by="1W", points_at_once=2, tz="UTC")),
    "arrow": lambda reader, span: reader.to_arrow("point", span),
    "matrix": lambda reader, span: reader.matrix({"t": "temp"}, span, by="id"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize(
    "span", [LATER, (SINCE, LATER[1]), (TODAY - timedelta(days=11), None), (TODAY - timedelta(days=90), SPAN[1])]
)
def test_a_read_beyond_what_was_read_is_warned_of_once(at_rest: Archive, read: Any, span: Any) -> None:
    _, told = told_of(lambda: read(at_rest, span))
    assert len(told) == 1, told
    assert "points may lack samples: of the first, @" in told[0]
    assert f"the archive has read it from {SINCE} 00:00 to {END} 00:00 (" in told[0]
    earlier = "archive.sync(since=" in told[0]
    assert (earlier, "sync() brings what is later" in told[0]) == (span[1] == SPAN[1], span[1] != SPAN[1])


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("span", [SPAN, SPAN[1], (SINCE, SPAN[1] - timedelta(days=3))])
def test_a_read_of_what_was_read_is_not(at_rest: Archive, read: Any, span: Any) -> None:
    assert told_of(lambda: read(at_rest, span))[1] == []


def test_the_catalog_has_the_reason_of_each_point(archive: Archive, session: Session) -> None:
    df, told = told_of(lambda: archive.his_read("temp or empty", (SINCE, LATER[1]), tz="UTC"))
    catalog = df.hs.catalog
    assert catalog["status"].tolist() == ["ok", "empty"]
    assert catalog["reason"].str.startswith("the archive has read it from ").all()
    df, told = told_of(lambda: archive.his_read("temp or empty", LATER, tz="UTC"))
    assert df.hs.catalog["status"].tolist() == ["unread", "unread"]
    assert told[0].startswith("2 of 2 points may lack samples")
    both = session.his_read("temp", LATER), told_of(lambda: archive.his_read("temp", SPAN))[0]
    assert pd.concat(both).hs.catalog["status"].tolist() == ["ok"]


def test_a_row_that_ends_after_its_span_is_warned_of(at_rest: Archive) -> None:
    span = (TODAY - timedelta(days=12), SPAN[1])
    for length, lacks in {"1h": False, "1D": False, "7D": True}.items():
        assert len(told_of(lambda: at_rest.his_read("temp", span, interval=length, agg="count"))[1]) == lacks  # noqa: B023


def test_after_a_sync_a_read_up_to_the_present_is_whole_for_an_hour(
    archive: Archive, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.sync(session=session)
    spans = ("today", "-3d", (SINCE, None), "yesterday")

    def told_after(minutes: int) -> list[bool]:
        until = archive.points["until"].iloc[0] + pd.Timedelta(minutes=minutes)
        monkeypatch.setattr("hsframe.history.plan.datetime", _At(until.to_pydatetime()))
        return [bool(told_of(lambda span=span: archive.his_read("temp", span))[1]) for span in spans]

    assert told_after(0) == [False] * 4
    assert told_after(119)[1:3] == [False] * 2
    assert told_after(121)[1:3] == [True] * 2
    assert told_after(60 * 24 * 5) == [True] * 4
    monkeypatch.undo()
    assert told_of(lambda: archive.his_read("temp", (SINCE, TODAY - timedelta(days=1))))[1] == []


class _At:
    """A clock that stands."""

    def __init__(self, now: Any) -> None:
        self._now = now

    def now(self, zone: Any) -> Any:
        return self._now.astimezone(zone)


def test_latest_values_of_an_old_archive_are_not_the_latest(archive: Archive, session: Session) -> None:
    df, told = told_of(lambda: archive.latest("temp or power", tz="UTC"))
    assert told[0].startswith("2 of 2 points may lack samples: of the first, @")
    assert df["status"].tolist() == ["ok", "ok"]
    assert df.hs.catalog["reason"].str.contains("sync").all()
    archive.sync(session=session)
    assert told_of(lambda: archive.latest("point", tz="UTC"))[1] == []


def test_what_began_later_than_asked_lacks_nothing(tmp_path: Path, session: Session, database: Database) -> None:
    begin = pd.Timestamp(FIRST_US, unit="us", tz="UTC").to_pydatetime()
    add_point(database, "young", "Number", hisInterval=Number(15, "min"), hisStart=begin)
    database.set_history("young", FIRST_US + np.arange(96) * QUARTER_US, np.arange(96.0))
    archive = Archive(tmp_path / "trends")
    archive.sync("young", session=session)
    assert told_of(lambda: archive.his_read("young", (SINCE - timedelta(days=300), None)))[1] == []


def test_a_point_whose_first_read_failed_was_never_read(tmp_path: Path, session: Session, database: Database) -> None:
    break_point(database, "temp")
    archive = Archive(tmp_path / "trends")
    archive.sync("temp or power", session=session, since=SINCE)
    df, told = told_of(lambda: archive.his_read("temp or power", SPAN, tz="UTC"))
    assert told[0].startswith("1 of 2 points may lack samples: of the first, @temp (TEMP), the archive has not read")
    assert df.hs.catalog["status"].to_dict() == {"TEMP": "unread", "POWER": "ok"}


def test_samples_that_were_added_count_as_read(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path / "trends")
    first, second, third = (SINCE + timedelta(days=days) for days in (4, 8, 12))
    day = timedelta(days=1)
    archive.add(session.his_read("temp", (second, third - day)))
    assert told_of(lambda: archive.his_read("temp", (second, third - day)))[1] == []
    assert len(told_of(lambda: archive.his_read("temp", (first, third - day)))[1]) == 1
    archive.add(session.his_read("temp", (first, second - day)))  # before it, and side by side
    assert told_of(lambda: archive.his_read("temp", (first, third - day)))[1] == []
    archive.add(session.his_read("temp", third))
    assert told_of(lambda: archive.his_read("temp", (first, third)))[1] == []
    later = third + 3 * day
    archive.add(session.his_read("temp", later))  # with a hole before it
    assert len(told_of(lambda: archive.his_read("temp", (first, later)))[1]) == 1


def test_dask_says_it_too(archive: Archive) -> None:
    pytest.importorskip("dask")
    assert len(told_of(lambda: archive.to_dask("temp", (SINCE, LATER[1])))[1]) == 1
    assert told_of(lambda: archive.to_dask("temp", SPAN))[1] == []


def test_a_server_is_asked_and_says_it_all(session: Session) -> None:
    for name, read in READS.items():
        assert name == "arrow" or told_of(lambda read=read: read(session, (SINCE - timedelta(days=90), None)))[1] == []


def test_a_server_over_an_archive_says_what_that_would(at_rest: Archive) -> None:
    with served(at_rest) as session:
        for name, span in {"samples": LATER, "means": (TODAY - timedelta(days=90), None), "iter": SPAN}.items():
            told = [told_of(lambda one=one: READS[name](one, span))[1] for one in (session, at_rest)]  # noqa: B023
            assert [re.sub(OF_KEEPER, r"archive.\1", one) for one in told[0]] == told[1]
        assert (
            "sync() by whoever keeps the archive brings what is later"
            in told_of(lambda: READS["samples"](session, LATER))[1][0]
        )
        frames = [told_of(lambda one=one: one.his_read("point", LATER, tz="UTC"))[0] for one in (session, at_rest)]
        catalogs = [one.hs.catalog.replace({"reason": OF_KEEPER}, r"archive.\1", regex=True) for one in frames]
        pd.testing.assert_frame_equal(*catalogs)
        assert set(frames[0].hs.catalog["status"]) == {"unread"}
        assert len(told_of(lambda: session.latest("point", tz="UTC"))[1]) == 1


def test_a_sync_from_a_server_over_an_archive_goes_as_far_as_that(
    archive: Archive, session: Session, database: Database, tmp_path: Path
) -> None:
    def windows(one: Archive) -> Any:
        return one.points.set_index("id")[["since", "until"]]

    other = Archive(tmp_path / "other")
    with served(archive) as between:
        table = other.sync("point", session=between, since=SINCE)
        assert set(table["status"]) == {"synced", "same"}
        assert table["reason"].str.startswith(f"the archive has read it from {SINCE} 00:00 to {END} 00:00 (").all()
        pd.testing.assert_frame_equal(windows(other), windows(archive))
        assert not {"archiveSince", "archiveUntil"} & {*other.read("point"), *archive.read("point")}
        version = other.versions["version"].iloc[0]
        assert set(other.sync(session=between)["status"]) == {"same"}
        assert other.versions["version"].iloc[0] == version
        temp = database.history("temp")
        temp.merge(np.array([NOW_US + 90 * QUARTER_US]), np.array([7.0]), np.zeros(1, bool))  # a forecast
        archive.sync(session=session)
        assert_in_step(archive, session)
        table = other.sync(session=between)
        assert set(table["status"]) == {"synced", "same"}
        assert not table["reason"].any()
        database.history("plain").remove(np.array([NOW_US - 50 * QUARTER_US]))
        archive.sync(session=session)
        assert other.sync(session=between)["rows_removed"].sum() == 1
        pd.testing.assert_frame_equal(windows(other), windows(archive))
        assert_in_step(other, session)


def test_an_archive_that_is_behind_takes_nothing_from_one_that_is_ahead(
    archive: Archive, session: Session, tmp_path: Path
) -> None:
    ahead = Archive(tmp_path / "ahead")
    ahead.sync("point", session=session, since=TODAY - timedelta(days=12))
    before = ahead.his_read("point", (TODAY - timedelta(days=12), None), tz="UTC")
    with served(archive) as behind:
        table = ahead.sync(session=behind, overlap="30D", other_server=True)
        assert set(table["status"]) <= {"same", "kept"}
        told_of(lambda: behind.export("point", (SINCE, None), tmp_path / "ahead"))
    told_of(lambda: archive.export("point", (SINCE - timedelta(days=1), None), tmp_path / "ahead"))
    now = told_of(lambda: ahead.his_read("point", (TODAY - timedelta(days=12), None), tz="UTC"))[0]
    pd.testing.assert_frame_equal(now.loc[before.index], before, check_freq=False)


def added(archive: Archive, at: Path, span: Any) -> Archive:
    df = archive.his_read("temp", span)
    archive.add(df)
    return archive


def added_elsewhere(archive: Archive, at: Path, span: Any) -> Archive:
    other = Archive(at / "other")
    other.add(archive.his_read("temp", span, shape="tidy"), points=archive.read("point"))
    return other


def exported(archive: Archive, at: Path, span: Any) -> Archive:
    archive.export("temp", span, at / "other")
    return Archive(at / "other")


def by_file(layout: Any) -> Any:
    def ways(archive: Archive, at: Path, span: Any) -> Archive:
        archive.export("temp", span, at / "part.parquet", layout=layout)
        other = Archive(at / "other")
        other.add(at / "part.parquet")
        return other

    return ways


@contextmanager
def served(archive: Archive) -> Iterator[Session]:
    database = ArchiveDatabase(Storage(archive._storage.uri))
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        yield session


def served_and_exported(archive: Archive, at: Path, span: Any) -> Archive:
    with served(archive) as session:
        session.export("temp", span, at / "other")
    return Archive(at / "other")


def served_and_synced(archive: Archive, at: Path, span: Any) -> Archive:
    other = Archive(at / "other")
    with served(archive) as session:
        other.sync("temp", session=session, since=span[0])
        session.his_read("temp", span)
    return other


WAYS = {
    "served": served_and_exported,
    "served, sync": served_and_synced,
    "frame": added,
    "tidy frame": added_elsewhere,
    "archive": exported,
    "wide file": by_file("wide"),
    "tidy file": by_file("tidy"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_was_not_read_does_not_count_as_read_after_it_went_out_and_came_back(
    way: Any, archive: Archive, session: Session, tmp_path: Path
) -> None:
    span = (SINCE, None)  # the archive ends nine days ago
    other, told = told_of(lambda: way(archive, tmp_path, span))
    assert [one for one in told if "1 of 1 points may lack samples" in one]
    assert told_of(lambda: other.his_read("temp", span))[1] != []
    other.sync("temp", session=session, other_server="served" in way.__name__)
    df, told = told_of(lambda: other.his_read("temp", span))
    assert told == []
    pd.testing.assert_frame_equal(df.dropna(), session.his_read("temp", span).dropna())  # a frame has no NA of its own


def test_the_last_interval_of_an_archive_that_ends_there_is_told_of(
    tmp_path: Path, session: Session, database: Database
) -> None:
    add_point(database, "meter", "Number", unit="kWh", hisTotalized=MARKER, hisInterval=Number(15, "min"))
    database.set_history("meter", FIRST_US + np.arange(1920) * QUARTER_US, np.arange(1920.0))
    archive = Archive(tmp_path / "trends")
    session.export("point", SPAN, tmp_path / "a.parquet", layout="tidy", tz="UTC")  # it has nothing after its span
    archive.add(tmp_path / "a.parquet", points=session.read("point"))
    for edges in (None, "partial"):
        df, told = told_of(lambda edges=edges: archive.his_read("meter", SPAN, interval="1D", edges=edges))
        assert len(told) == 1
        assert df.hs.catalog["reason"].str.contains("brings the sample after the end").all()
        for name, how in {"meter": {"agg": "count"}, "run": {}, "mode": {}}.items():  # which need none
            read = functools.partial(archive.his_read, name, SPAN, interval="1D", edges=edges, **how)
            assert told_of(lambda read=read: read())[1] == []
    assert told_of(lambda: archive.his_read("point", SPAN, tz="UTC"))[1] == []
    archive.sync(session=session)
    assert told_of(lambda: archive.his_read("point", SPAN, interval="1D", tz="UTC"))[1] == []


def test_an_export_keeps_the_reading_before_a_span_that_begins_between_two(
    tmp_path: Path, session: Session, database: Database
) -> None:
    add_point(database, "meter", "Number", unit="kWh", hisTotalized=MARKER, hisInterval=Number(15, "min"))
    database.set_history("meter", FIRST_US + np.arange(1920) * QUARTER_US, np.arange(1920.0))
    start, end = (from_epoch_us(FIRST_US + us, UTC) for us in (10 * QUARTER_US + 1_000_000, 1000 * QUARTER_US))
    session.export("meter", (start, end), tmp_path)
    reads: list[dict[str, Any]] = [{"boundary": "both"}, {"interval": "1D", "edges": "partial", "agg": "delta"}]
    for how in reads:
        df, told = told_of(lambda how=how: Archive(tmp_path).his_read("meter", (start, end), **how))
        assert told == []
        pd.testing.assert_frame_equal(df, session.his_read("meter", (start, end), **how))
