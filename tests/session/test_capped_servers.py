"""Every verb that reads histories, on servers that leave out rows without a word."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import IncompleteError, ReadWarning
from hsframe.kinds import MARKER, Ref
from hsframe.server.database import Database
from hsframe.spans import epoch_us, resolve
from hsframe.testing.quirk_wrappers import SILENT_CAPS
from hsframe.testing.server import running_server

ROWS = 1501


@pytest.mark.parametrize(
    "quirks", [[f"{cap}={rows}"] for cap in SILENT_CAPS for rows in (100, 200)] + [["mixed-up=2"], ["rusty-haystack"]]
)
def test_all_of_it_is_there(quirks: list[str], tmp_path: Path) -> None:
    end = pd.Timestamp.now("UTC").floor("min")
    index = pd.date_range(end=end, periods=ROWS, freq="min", unit="us", name="ts")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "UTC"}
    database = Database([{"id": Ref("a"), **tags}, {"id": Ref("b"), **tags}], tz="UTC")
    database.set_history("a", index.asi8, np.arange(ROWS) / 4)
    span = (index[0], end + pd.Timedelta("1s"))
    with running_server(database, quirks=quirks) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        written = pd.DataFrame({"b": np.arange(ROWS) / 8}, index)
        report = session.his_write(written, points={"b": "b"}, verify=True)
        assert report["status"].tolist() == ["verified"]
        assert session.his_write(written, points={"b": "b"}, dry_run=True)["same"].tolist() == [ROWS]
        latest = session.latest(["a", "b"])
        assert latest["ts"].tolist() == [end, end]
        assert latest["value"].tolist() == [(ROWS - 1) / 4, (ROWS - 1) / 8]
        df = hsframe.read_parquet(session.export(["a", "b"], span, tmp_path / "all.parquet", header="id"))
        assert df.index.equals(index)
        assert df["a"].to_numpy("float64").tolist() == (np.arange(ROWS) / 4).tolist()
        hours = session.his_read(["a"], span, interval="1h", agg="count", header="id")
        assert int(hours["a"].sum()) >= ROWS - 60  # whole hours


@pytest.mark.parametrize("quirk", ["", *(f"{cap}={rows}" for cap in SILENT_CAPS for rows in (300, 1000, 2000))])
@pytest.mark.parametrize(("step_s", "count"), [(60, 4320), (60, 2880), (900, 960)])
def test_a_server_of_whole_dates_gives_all_rows_or_an_error(quirk: str, step_s: int, count: int) -> None:
    """Also where a limit is less than the rows of a day, which then cannot be read; a day is all that can be asked."""
    database = Database([{"id": Ref("a"), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"}], tz="UTC")
    ts_us = epoch_us(datetime(2026, 1, 1, tzinfo=UTC)) + np.arange(count, dtype=np.int64) * step_s * 1_000_000
    database.set_history("a", ts_us, np.arange(count) / 4)
    quirks = ["dates-only", quirk] if quirk else ["dates-only"]
    with running_server(database, quirks=quirks) as server, hsframe.connect(server.uri, "demo", "demo") as s:
        for text in (
            "2026-01-01,2026-01-10",
            "2026-01-01,2026-01-03",
            "2026-01-02",
            "2026-01-01T05:00:00Z UTC,2026-01-01T11:00:00Z UTC",
        ):
            span = resolve(text, "UTC")
            assert span.end_us is not None
            inside = ts_us[(ts_us >= span.start_us) & (ts_us < span.end_us)]
            try:
                found = s.his_read("@a", text).index
            except IncompleteError:
                assert quirk, text
            else:
                assert found.as_unit("us").asi8.tolist() == inside.tolist(), text


def test_whole_dates_of_points_that_are_cut_at_different_days() -> None:
    """One point has exactly the limit, another one row more, a day later: instants are compared, not how many."""
    database = Database(tz="UTC")
    begin = epoch_us(datetime(2026, 1, 1, tzinfo=UTC))
    for name, first_min, step_min, count in ("a", 2 * 1440 + 720, 10, 150), ("b", 3 * 1440 + 360, 15, 151):
        database.add({"id": Ref(name), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"})
        ts_us = begin + (first_min + np.arange(count, dtype=np.int64) * step_min) * 60_000_000
        database.set_history(name, ts_us, np.arange(count) / 4)
    with running_server(database, quirks=["dates-only", "point-cap-first=150"]) as server:
        for _ in range(2):
            with hsframe.connect(server.uri, "demo", "demo") as s, pytest.raises(IncompleteError, match="at most"):
                s.his_read(["a", "b"], "2026-01")


@pytest.mark.parametrize("quirk", ["point-cap-first=1440", "point-cap-newest=1440"])
def test_what_ends_have_shown_is_not_shown_of_the_days_beside_them(quirk: str) -> None:
    database = Database(tz="UTC")
    begin = epoch_us(datetime(2026, 1, 2, 9, 36, tzinfo=UTC))
    for name, first_s, step_s, count in ("a", 0, 980, 2529), ("b", 19 * 86_400, 60, 4320):
        database.add({"id": Ref(name), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"})
        ts_us = begin + (first_s + np.arange(count, dtype=np.int64) * step_s) * 1_000_000
        database.set_history(name, ts_us, np.arange(count) / 4)
    with running_server(database, quirks=["dates-only", quirk]) as server:
        for _ in range(3):
            with hsframe.connect(server.uri, "demo", "demo") as s, pytest.raises(IncompleteError, match="at most"):
                s.his_read(["a", "b"], "2026-01")


def test_rows_of_one_day_that_cannot_be_proven_are_told() -> None:
    database = Database([{"id": Ref("a"), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"}], tz="UTC")
    ts_us = epoch_us(datetime(2026, 1, 1, tzinfo=UTC)) + np.arange(301, dtype=np.int64) * 60_000_000
    database.set_history("a", ts_us, np.arange(301) / 4)
    with (
        running_server(database, quirks=["dates-only", "cap-first=300"]) as server,
        hsframe.connect(server.uri, "demo", "demo") as s,
        pytest.warns(ReadWarning, match="exactly 300"),
    ):
        s.his_read("@a", "2026-01")


def test_a_server_that_takes_dates_only_since_an_update() -> None:
    """What is remembered of the server at a uri is doubted again."""
    ids = [f"p{number}" for number in range(12)]
    database = Database(tz="UTC")
    ts_us = epoch_us(datetime(2026, 1, 1, tzinfo=UTC)) + np.arange(96, dtype=np.int64) * 900_000_000
    for ident in ids:
        database.add({"id": Ref(ident), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC"})
        database.set_history(ident, ts_us, np.arange(96) / 4)
    with running_server(database, quirks=["dates-only"]) as server, hsframe.connect(server.uri, "demo", "demo") as s:
        dialect = s.client.dialect
        dialect.dates_only, dialect.his_read_batch = False, False  # so that several requests fail at the same time
        assert s.his_read(ids, "2026-01-01").shape == (96, 12)
        assert dialect.dates_only
