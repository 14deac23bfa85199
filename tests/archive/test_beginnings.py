"""How the history of a point begins in an archive: what was asked for in vain, what held before, wrong clocks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hsframe import Archive, Session
from hsframe.archive.fill import Filling, Job
from hsframe.archive.layout import Layout
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables
from hsframe.errors import SpanError
from hsframe.frame.points import Point
from hsframe.history.plan import ReadOptions
from hsframe.history.point_records import PointRecord
from hsframe.kinds import MARKER
from hsframe.server.database import Database
from tests.archive.building import DAY_US, FIRST_US, NOW_US, SINCE, add_point, assert_in_step
from tests.session.connected import break_point

pytestmark = pytest.mark.one_python

WEEK = datetime.fromtimestamp((NOW_US - 7 * DAY_US) / 1e6, UTC).date()


@pytest.fixture
def database(database: Database) -> Database:
    """Points of which the last sample is from before the week: a fan, a setpoint and a mode."""
    ago_us = FIRST_US + np.arange(2) * DAY_US
    add_point(database, "fan", "Bool", hisMode="cov", held=MARKER)
    add_point(database, "setpoint", "Number", unit="°C", hisMode="cov", held=MARKER)
    add_point(database, "word", "Str", held=MARKER)
    database.set_history("fan", ago_us, np.array([False, True]))
    database.set_history("setpoint", ago_us, np.array([20.0, 21.5]))
    database.set_history("word", ago_us, ["off", "on"])
    return database


@pytest.mark.parametrize("how", ["sync", "sync again", "export"])
def test_what_holds_at_the_start_of_an_archive_is_known(tmp_path: Path, session: Session, how: str) -> None:
    archive = Archive(tmp_path / "trends")
    if how == "export":
        assert session.export("held", (WEEK, None), tmp_path / "trends")
    elif how == "sync":
        table = archive.sync("held", session=session, since=WEEK)
        assert table["rows_new"].tolist() == [0, 0, 0], "they are not of the window"
    else:
        archive.sync("held", session=session, since=pd.Timestamp(WEEK) + pd.Timedelta("3D"))
        archive.sync(session=session, since=WEEK)
    for more in ({}, {"agg": {"FAN": "duration"}}):
        span = (WEEK, "yesterday")
        ours, theirs = (one.his_read("held", span, interval="12h", tz="UTC", **more) for one in (archive, session))
        pd.testing.assert_frame_equal(ours, theirs)
        assert ours.notna().all(axis=None)
    assert_in_step(archive, session, "held", (WEEK, None))
    assert archive.his_read("held", (WEEK, None)).empty
    assert archive.sync(session=session)["status"].tolist() == ["same"] * 3
    latest = archive.latest("held"), session.latest("held")
    pd.testing.assert_frame_equal(*(frame.drop(columns="age") for frame in latest))


def test_what_was_corrected_before_the_start_comes_with_an_earlier_since(
    tmp_path: Path, session: Session, database: Database
) -> None:
    archive = Archive(tmp_path)
    archive.sync("held", session=session, since=WEEK)
    database.history("fan").remove(np.array([FIRST_US + DAY_US]))
    archive.sync(session=session, since=SINCE)
    assert_in_step(archive, session, "held")


def test_a_point_that_failed_at_first_is_read_by_the_next_sync(
    tmp_path: Path, session: Session, database: Database
) -> None:
    archive = Archive(tmp_path)
    histories = database.histories
    break_point(database, "power")
    table = archive.sync("point", session=session, since=SINCE).set_index("id")
    assert table.loc["power", "status"] == "failed"
    assert archive.sync(session=session).set_index("id").loc["power", "status"] == "failed"
    database.histories = histories  # type: ignore[method-assign]
    assert archive.sync(session=session).set_index("id").loc["power", "status"] == "synced"
    assert_in_step(archive, session)


def test_points_that_an_interrupted_first_sync_did_not_reach_are_read_by_the_next_one(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, read = Archive(tmp_path), Filling._read

    async def interrupted(self: Filling, jobs: Any, *window: Any) -> None:
        if any(job.record.irregular for job in jobs):
            raise SystemError("interrupted")
        await read(self, jobs, *window)

    with monkeypatch.context() as patch:
        patch.setattr(Filling, "_read", interrupted)
        with pytest.raises(SystemError):
            archive.sync("point", session=session, since=SINCE)
    assert archive.sync(session=session)["id"].tolist() == session.read("point")["id"].tolist()
    assert_in_step(archive, session)


@pytest.mark.parametrize("since", ["2999-01-01", datetime(2999, 1, 1, tzinfo=UTC), ("2026-01-01", "2026-01-05")])
def test_a_since_that_is_no_instant_of_the_past_is_refused(tmp_path: Path, session: Session, since: Any) -> None:
    archive = Archive(tmp_path)
    with pytest.raises(SpanError, match=f"since must be .*got {re.escape(repr(since))}"):
        archive.sync("temp", session=session, since=since)
    assert archive.sync("temp", session=session, since=SINCE)["rows_new"].tolist() == [1920]


def test_a_start_of_the_future_in_a_record_is_none(tmp_path: Path, session: Session, database: Database) -> None:
    database.update("temp", {"hisStart": datetime(2999, 1, 1, tzinfo=UTC)})
    archive = Archive(tmp_path)
    assert archive.sync("temp", session=session)["rows_new"].tolist() == [1920]


def test_a_unit_by_its_long_name_is_the_same_unit(tmp_path: Path, session: Session, database: Database) -> None:
    archive = Archive(tmp_path)
    archive.sync("power", session=session, since=SINCE)
    database.update("power", {"unit": "kilowatt"})
    assert archive.sync(session=session)["status"].tolist() == ["synced"], "the unit is written in its new form"
    assert_in_step(archive, session, "power")


def test_windows_stay_finite_where_a_point_was_silent_in_thousands(tmp_path: Path) -> None:
    tables = Tables.open_or_create(Storage(str(tmp_path)), Layout())
    job = Job(PointRecord(Point("silent", "silent", tz="UTC")), 0, None, 0)
    filling = Filling(None, tables.samples, tables.points, ReadOptions())  # type: ignore[arg-type]
    filling._silent["silent"] = 5000
    assert [*filling._windows([job], FIRST_US, NOW_US)] == [(FIRST_US, NOW_US)]
