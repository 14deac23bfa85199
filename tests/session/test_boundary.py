"""The samples around a span, over a real socket: each at its own instant, also of sparse points, and few requests."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.kinds import MARKER
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.session.connected import break_point, connected, floats

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
START = pd.Timestamp("2026-06-10", tz="America/New_York").value // 1000
END = START + DAY
SPAN = "2026-06-10"
NAN = math.nan


def building() -> Database:
    database = Database([], tz="New_York")

    def add(ident: str, ts_us: Any, values: Any, na: Any = None, **tags: Any) -> None:
        record = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York", **tags}
        database.add({**record, "id": hsframe.Ref(ident), "dis": ident})
        if len(ts_us):
            database.set_history(hsframe.Ref(ident), np.asarray(ts_us, dtype=np.int64), values, na)

    quarters = START - 2 * DAY + np.arange(5 * 96, dtype=np.int64) * 15 * MINUTE
    add("dense", quarters, np.arange(480.0))
    add("brisbane", quarters, np.arange(480.0), tz="Brisbane")
    add("cov", [START - 100 * DAY, START + 60 * MINUTE, END + 30 * DAY], [1.0, 2, 3], hisMode="cov")
    add("around", [START - 7 * MINUTE, END], [1.0, 2])
    add("first", [START, END - 1_000_000], [1.0, 2])
    add("na", [START - DAY, START - 60 * MINUTE, START + 60 * MINUTE], [1.0, 0, 2], [False, True, False])
    add("old", [START - 500 * DAY, END + 500 * DAY], [1.0, 2])
    add("fan", [START - 5 * DAY, END + 5 * DAY], [True, False], kind="Bool", unit=None)
    add("empty", [], [])
    return database


@pytest.fixture
def s() -> Iterator[hsframe.Session]:
    with connected(building()) as session:
        yield session


def samples(df: pd.DataFrame, name: str) -> dict[float, float]:
    """The minutes from the start of the span, and the values."""
    column = df[name].dropna()
    minutes = (column.index.as_unit("us").asi8 - START) / MINUTE
    return dict(zip(minutes.tolist(), floats(column), strict=True))


ALL = ["@dense", "@cov", "@around", "@first", "@na", "@old", "@fan", "@empty"]


@pytest.mark.parametrize("boundary", ["none", "before", "both"])
def test_each_point_has_its_own(s: hsframe.Session, boundary: Any) -> None:
    df = s.his_read(ALL, SPAN, boundary=boundary)
    is_before, is_after = boundary != "none", boundary == "both"
    dense = {15.0 * n: 192.0 + n for n in range(-is_before, 96 + is_after)}
    assert samples(df, "dense") == dense
    days = 24.0 * 60
    assert samples(df, "cov") == {
        **({-100 * days: 1.0} if is_before else {}),
        60: 2,
        **({31 * days: 3.0} if is_after else {}),
    }
    # One that is exactly at the end does not belong to the span: it is the first after it.
    assert samples(df, "around") == {**({-7: 1.0} if is_before else {}), **({days: 2.0} if is_after else {})}
    assert samples(df, "fan") == {**({-5 * days: 1.0} if is_before else {}), **({6 * days: 0.0} if is_after else {})}
    assert len(samples(df, "first")) == 2
    assert df["old"].isna().all()  # further than 400 days away
    assert df["empty"].isna().all()
    assert df["fan"].dtype == "boolean"
    assert df.index.is_monotonic_increasing
    assert df.index.is_unique
    assert df.hs.catalog["rows"]["around"] == is_before + is_after


def test_na_is_what_held(s: hsframe.Session) -> None:
    df = s.his_read("@na", SPAN, boundary="before", na="flag")
    assert floats(df["na"]) == pytest.approx([NAN, 2], nan_ok=True)
    assert df["na [na]"].tolist()[0] == "NA"
    assert df.index[0] == pd.Timestamp("2026-06-09T23:00", tz="America/New_York")


def test_it_is_the_nearest_of_a_read_of_all_samples(s: hsframe.Session) -> None:
    whole = s.his_read("@dense", ("2026-06-08", "2026-06-12"))
    for begin, end in [("10:07", "10:52"), ("10:15", "10:30"), ("10:16", "10:17")]:
        start, stop = (pd.Timestamp(f"2026-06-10T{at}", tz="America/New_York") for at in (begin, end))
        df = s.his_read("@dense", (start, stop), boundary="both")
        first, last = whole.index[whole.index < start][-1], whole.index[whole.index >= stop][0]
        pd.testing.assert_frame_equal(df, whole.loc[first:last])


def test_each_zone_has_its_own_span(s: hsframe.Session) -> None:
    frames = s.his_read(["@dense", "@brisbane"], SPAN, boundary="both", shape="dict")
    for df in frames.values():
        assert len(df) == 98
        assert [ts.strftime("%d %H:%M") for ts in (df.index[0], df.index[-1])] == ["09 23:45", "11 00:00"]


def test_a_span_that_ends_in_the_future_looks_for_forecasts_once(caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    database = building()
    instants = [now - timedelta(hours=5), now + timedelta(days=90)]
    database.set_history(hsframe.Ref("cov"), [int(one.timestamp()) * 1_000_000 for one in instants], [7.0, 8])
    with connected(database) as s, caplog.at_level(logging.INFO, logger="hsframe"):
        caplog.clear()
        df = s.his_read("@cov", (now - timedelta(hours=1), now + timedelta(hours=1)), boundary="both")
        assert floats(df["cov"]) == [7, 8]
        # The span with an hour around it, a day before it, and all that is after it.
        assert sum(" hisRead " in f" {record.getMessage()} " for record in caplog.records) == 3
        # Without an end there is nothing after.
        assert floats(s.his_read("@cov", (now - timedelta(hours=1), None), boundary="both")["cov"]) == [7, 8]


@pytest.mark.parametrize("span", ["0001-02", "9999-11"])
def test_a_span_near_the_ends_of_the_calendar(s: hsframe.Session, span: str) -> None:
    assert s.his_read("@dense", span, boundary="both").shape == (0, 1)


def test_the_requests_are_few(s: hsframe.Session, caplog: pytest.LogCaptureFixture) -> None:
    def count(points: Any, boundary: Any) -> int:
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="hsframe"):
            s.his_read(points, SPAN, boundary=boundary)
        return sum(" hisRead " in f" {record.getMessage()} " for record in caplog.records)

    alone = count(["@dense", "@around"], "none")
    # The read itself has an hour around the span.
    assert count(["@dense", "@around"], "before") == count(["@dense", "@around"], "both") == alone
    # Of sparse points each search is one request for all that have none so far, in four steps to 400 days.
    sparse = ["@cov", "@old", "@fan", "@empty"]
    assert count(sparse, "both") <= count(sparse, "none") + 2 * 4


@pytest.mark.parametrize("quirk", ["no-batch", "first-id-only"])
def test_the_requests_are_few_where_each_point_is_asked_for_alone(quirk: str, caplog: pytest.LogCaptureFixture) -> None:
    ids = [f"@p{n}" for n in range(12)]
    database = Database([], tz="New_York")
    for n, ident in enumerate(ids):
        record = {"id": hsframe.Ref(ident[1:]), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "New_York"}
        database.add(record)
        if n % 2:  # the others are empty
            database.set_history(record["id"], START - 60 * DAY + np.arange(121) * DAY, np.arange(121.0))
    with running_server(database, quirks=[quirk]) as server, hsframe.connect(server.uri, "demo", "demo") as s:
        s.his_read(ids, SPAN)  # which shows how the server takes batches
        for boundary, most in (("none", 1), ("before", 3), ("both", 5)):
            caplog.clear()
            with caplog.at_level(logging.INFO, logger="hsframe"):
                df = s.his_read(ids, (pd.Timestamp(START, unit="us", tz="UTC"), "2026-06-10T12:00"), boundary=boundary)
            assert len(df) == {"none": 1, "before": 2, "both": 3}[boundary]
            reads = sum(" hisRead " in f" {record.getMessage()} " for record in caplog.records)
            assert reads <= most * len(ids)


def test_a_point_that_fails_on_the_way_is_left_out_whole() -> None:
    database = building()
    with running_server(database) as server, hsframe.connect(server.uri, server.user, server.password) as s:
        break_point(database, "cov")
        df = s.his_read(["@dense", "@cov"], SPAN, boundary="both", on_error="catalog")
        assert df.columns.tolist() == ["dense"]
        assert len(df) == 98
        assert df.hs.catalog["status"].tolist() == ["ok", "failed"]
        with pytest.raises(hsframe.CallError, match="the disk is broken"):
            s.his_read(["@dense", "@cov"], SPAN, boundary="both")


@pytest.mark.parametrize(
    "quirks",
    [
        ["rowcap=50"],
        ["cap-newest=120"],
        ["ignore-range"],
        ["first-id-only"],
        ["start-exclusive"],
        ["extra-samples", "reversed-rows"],
        ["dates-only"],
    ],
)
def test_every_server_gives_the_same(s: hsframe.Session, quirks: list[str]) -> None:
    expected = s.his_read(ALL, SPAN, boundary="both")
    with (
        running_server(building(), quirks=quirks) as server,
        hsframe.connect(server.uri, server.user, server.password) as other,
    ):
        pd.testing.assert_frame_equal(other.his_read(ALL, SPAN, boundary="both"), expected)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"boundary": "after"}, r"boundary='after' is unknown; expected 'none', 'before' or 'both'"),
        ({"boundary": "both", "interval": "1h"}, r"interval= reads by itself what it needs of them; leave one out"),
    ],
)
def test_what_cannot_be(s: hsframe.Session, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(hsframe.MetadataError, match=words):
        s.his_read("@dense", SPAN, **settings)
