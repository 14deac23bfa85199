"""Every verb that reads histories, on servers that leave out rows without a word."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import IncompleteError
from hsframe.kinds import MARKER, Ref
from hsframe.server.database import Database
from hsframe.spans import epoch_us, resolve
from hsframe.testing.quirk_wrappers import SILENT_CAPS
from hsframe.testing.server import running_server

ROWS = 1500


@pytest.mark.parametrize("quirks", [[f"{cap}=200"] for cap in SILENT_CAPS] + [["mixed-up=2"], ["rusty-haystack"]])
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
