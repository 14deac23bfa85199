"""What stops a change of an archive loses nothing and leaves nothing twice: kill -9, a full disk, a wrong clock."""

from __future__ import annotations

import os
import random
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.errors import MetadataError
from hsframe.history import plan
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.archive.building import DAY_US, FIRST_US, NOW_US, SINCE, assert_in_step
from tests.archive.warm import Warm

pytestmark = pytest.mark.one_python

# As many as these are killed; HSFRAME_KILLS=50 takes half a minute.
KILLS = int(os.environ.get("HSFRAME_KILLS", "12"))


def test_two_programs_that_change_an_archive_are_killed_and_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    database = Database(tz="UTC")
    ts_us = FIRST_US + np.arange(20 * 96) * 900_000_000
    for number in range(12):
        tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "UTC"}
        database.add({"id": Ref(f"p{number}"), "dis": f"P{number}", "hisInterval": Number(15, "min"), **tags})
        database.set_history(f"p{number}", ts_us, np.round(np.sin(ts_us / 1e9 + number), 2))
    at_random = random.Random(7)
    killed = 0
    with Warm() as warm, running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        how = {"points": "point", "since": str(SINCE), "overlap": "30D"}
        file = tmp_path / "earlier.parquet"  # of the values of now, of which some are others when they are added
        hsframe.write_parquet(session.his_read("point", (SINCE, None), header="id"), file)
        added = {"path": str(tmp_path / "a"), "file": str(file)}
        began = time.monotonic()
        assert warm.end(warm.start("sync", server.uri, path=str(tmp_path / "first"), **how)) == "done"
        usual_s = time.monotonic() - began
        for verb in ("add", "compact", "vacuum"):  # they do end where nothing is killed
            alone = {"path": str(tmp_path / "first")} | ({"file": str(file)} if verb == "add" else {})
            assert warm.end(warm.start(verb, server.uri, **alone)) == "done"
        while killed < KILLS:
            verbs = ["sync", at_random.choice(["sync", "compact", "add", "vacuum"])]
            tasks = {verb: {"path": str(tmp_path / "a"), **how} for verb in verbs} | {"add": added}
            pids = [warm.start(verb, server.uri, **tasks[verb]) for verb in verbs]
            time.sleep(at_random.uniform(0.3, 1.7) * usual_s)
            for pid in pids:
                warm.kill(pid)
                killed += 1
            name, begin = f"p{at_random.randrange(12)}", at_random.randrange(1500)
            # There is something to do again: other values, or samples at other instants.
            some = ts_us[begin : begin + 400] + at_random.choice([0, killed, killed])
            database.history(name).merge(some, np.full(400, float(killed)), np.zeros(400, bool))
        archive, whole = Archive(tmp_path / "a"), Archive(tmp_path / "b")
        assert len(archive.versions) > 3
        for one in (archive, whole):
            assert set(one.sync("point", session=session, since=SINCE, overlap="30D")["status"]) <= {"synced", "same"}
        assert archive.sync(session=session)["status"].unique().tolist() == ["same"]
        order = [("id", "ascending"), ("ts", "ascending")]
        found, wanted = (one.to_arrow().to_table().sort_by(order) for one in (archive, whole))
        assert found.equals(wanted)
        assert found.num_rows >= 12 * len(ts_us)
        archive.compact(overlap="1h")
        assert archive.check()["problem"].str.startswith("no version counts it").all()
        for path in tmp_path.rglob("*.parquet"):
            os.utime(path, (1e9, 1e9))
        archive.vacuum()
        assert archive.check().empty
        assert not list(tmp_path.rglob("*.part"))
        assert archive.to_arrow().count_rows() == found.num_rows


def test_threads_that_add_to_an_archive_that_is_not_there_yet_make_one_of_all(tmp_path: Path) -> None:
    index = pd.date_range("2026-01-01", periods=200, freq="15min", tz="UTC", unit="us", name="ts")
    frames = [pd.DataFrame({f"@p{n}": pd.array(np.arange(200.0) + n, "unit[kW]")}, index) for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        [*pool.map(lambda df: Archive(tmp_path / "a").add(df), frames)]
    archive = Archive(tmp_path / "a")
    assert archive.check().empty
    rows = archive.to_arrow().to_table().sort_by([("id", "ascending"), ("ts", "ascending")])
    assert rows["value"].to_pylist() == [value + number for number in range(8) for value in range(200)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_disk_that_is_full_is_named_and_loses_nothing(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    before = archive.his_read("temp", (SINCE, None))
    files = {path for path in tmp_path.rglob("*") if "_delta_log" not in path.parts}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(MetadataError, match=r"parquet cannot be written: File too large"):
            archive.sync("point", session=session, since=SINCE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    left = {path for path in tmp_path.rglob("*") if "_delta_log" not in path.parts and path.parent.name != "points"}
    assert {path for path in left - files if path.is_file()} == set()
    assert archive.check().empty
    assert archive.his_read("temp", (SINCE, None)).equals(before)
    archive.sync("point", session=session, since=SINCE)
    assert_in_step(archive, session)
    assert archive.check().empty


@pytest.mark.parametrize("ahead", [True, False])
def test_a_clock_that_was_wrong_leaves_no_gap(
    tmp_path: Path, session: Session, database: Database, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    history = database.history("temp")
    late = history.ts_us[history.ts_us > NOW_US - 8 * DAY_US]
    values = np.asarray(history.values)[-len(late) :]
    history.remove(late)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            days = timedelta(days=300 if ahead else -6000)
            return datetime.now(tz) + days

    archive = Archive(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(plan, "datetime", Wrong)
        archive.sync("temp", session=session, since=SINCE if ahead else "2001-01-01")
    history.merge(late, values, np.zeros(len(late), bool))
    if ahead:
        assert archive.check()["problem"].str.contains("a clock was wrong").sum() == 1
    archive.sync(session=session)
    assert_in_step(archive, session, "temp")
    assert archive.check().empty
