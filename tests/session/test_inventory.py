"""What there is, and what reading it is expected to take."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.errors import CallError, MetadataError, ReadWarning
from hsframe.history.estimate import warn_of_large_read
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.session.connected import connected

MINUTE, DAY = 60_000_000, 86_400_000_000
TAGS = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York"}


def building(*histories: tuple[int, int, int], **tags: object) -> Database:
    """Points whose samples began so many minutes ago, with a sample every so many minutes, so many of them."""
    now_us = int(datetime.now(UTC).timestamp()) // 60 * MINUTE
    database = Database()
    for number, (begun, step, count) in enumerate(histories):
        database.add({**TAGS, **tags, "id": Ref(f"p{number}"), "dis": f"Point {number}"})
        ts_us = now_us - begun * MINUTE + np.arange(count) * step * MINUTE
        database.set_history(f"p{number}", ts_us[ts_us < now_us], np.zeros(int((ts_us < now_us).sum())))
    return database


def check(df: pd.DataFrame, database: Database) -> None:
    for row in df.itertuples():
        ts_us = database.history(row.id).ts_us
        assert (pd.isna(row.first), pd.isna(row.last)) == (len(ts_us) == 0, len(ts_us) == 0)
        if len(ts_us):
            assert [row.first.value // 1000, row.last.value // 1000] == [ts_us[0], ts_us[-1]]
            assert row.age >= timedelta(0)
        if len(ts_us) > 1:
            assert row.rows == len(ts_us)
            assert row.period == timedelta(microseconds=int(ts_us[1] - ts_us[0]))


points = st.tuples(st.integers(0, 9 * 365 * 1440), st.sampled_from([1, 15, 60, 240]), st.integers(0, 300_000))


# A round number of rows is doubted where the range cannot be asked for.
@pytest.mark.filterwarnings("ignore:.*exactly .* rows came:hsframe.ReadWarning")
@pytest.mark.version4  # one of these servers is of that version
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(st.lists(points, min_size=1, max_size=4), st.sampled_from([[], ["niagara"], ["ignore-range"], ["rowcap=3000"]]))
def test_the_first_and_the_last_sample_are_found(histories: list[tuple[int, int, int]], quirks: list[str]) -> None:
    database = building(*[(begun, step, min(count, 20_000)) for begun, step, count in histories])
    with running_server(database, quirks=quirks) as server, hsframe.connect(server.uri, "demo", "demo") as s:
        # What ended more than 400 days ago is looked for as well.
        df = s.inventory("point")
    assert set(df["source"]) == {"probe"}
    check(df, database)


def test_the_requests_are_small_and_few(caplog: pytest.LogCaptureFixture) -> None:
    database = building(*[(5 * 365 * 1440, 15, 10**6)] * 30)
    with connected(database) as s, caplog.at_level(logging.INFO, logger="hsframe"):
        check(s.inventory("point"), database)
        reads = [text for text in caplog.messages if "hisRead" in text]
        assert len(reads) < 25
        caplog.clear()
        df = s.inventory("point", "lastMonth")
        assert sum("hisRead" in text for text in caplog.messages) <= 5
    assert df["first"].nunique() == 1
    assert (df["period"] == timedelta(minutes=15)).all()
    month = pd.Timestamp.now("America/New_York").normalize().replace(day=1)
    assert df["last"][0] >= month - timedelta(minutes=15)
    assert df["last"][0] < month
    assert abs(df["rows"][0] - 96 * (month - pd.Timedelta("1D")).days_in_month) < 100


def test_records_tell_it_where_they_have_the_tags(caplog: pytest.LogCaptureFixture) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 11, tzinfo=UTC)
    database = building((100, 15, 0), hisStart=start, hisEnd=end, hisSize=Number(241))
    database.add({**TAGS, "id": Ref("none"), "hisSize": Number(0)})
    database.add({**TAGS, "id": Ref("steps"), "hisStart": start, "hisEnd": end, "hisInterval": Number(1, "day")})
    with connected(database) as s, caplog.at_level(logging.INFO, logger="hsframe"):
        df = s.inventory("point", tz="UTC").set_index("id")
        assert not [text for text in caplog.messages if "hisRead" in text]
        # Of a part of it nothing is known by the record.
        assert s.inventory("@p0", "2026-01-05")["source"].tolist() == ["probe"]
        assert s.inventory("@p0", "2025-12-31,2026-01-11")["source"].tolist() == ["record"]
    assert df["rows"].to_dict() == {"p0": 241, "none": 0, "steps": 11}
    assert df["period"].dropna().tolist() == [timedelta(hours=1), timedelta(days=1)]
    assert df["first"].dropna().tolist() == [pd.Timestamp(start)] * 2
    assert df["last"].dropna().tolist() == [pd.Timestamp(end)] * 2
    assert set(df["source"]) == {"record"}


@pytest.mark.parametrize("span", [None, "-72h"])
def test_points_that_cannot_be_read_have_a_row(span: str | None) -> None:
    database = building((3000, 15, 100), (3000, 15, 0))
    for lacking in ("his", "tz"):
        tags = {name: value for name, value in TAGS.items() if name != lacking}
        database.add({**tags, "id": Ref(f"no-{lacking}")})
    points = ["@p0", "@no-his", "@no", "@no-tz", "@p1"]
    with connected(database) as s:
        for point in ("@no-his", "@no-tz", "@no"):
            with pytest.raises(CallError, match=f"{point}"):
                s.inventory(["@p0", point], span)
        with pytest.warns(
            ReadWarning, match=r"3 of 5 points could not be read and have no samples: .* The frame has the r"
        ):
            df = s.inventory(points, span, on_error="warn").set_index("id")
        pd.testing.assert_frame_equal(
            s.inventory(points, span, on_error="catalog").set_index("id").drop(columns="age"), df.drop(columns="age")
        )
    expected = {"p0": "ok", "no-his": "failed", "no-tz": "failed", "p1": "empty", "no": "failed"}
    assert df["status"].to_dict() == expected
    assert df["rows"].dropna().to_dict() == {"p0": 100, "p1": 0}
    for ident, reason in {
        "no-his": "lacks the tag 'his'",
        "no-tz": "lacks the tag 'tz'",
        "no": "no record of @no",
    }.items():
        assert reason in df.loc[ident, "reason"]
    assert not df.loc["p0", "reason"]


def test_a_period_of_changes_is_told_in_whole_seconds() -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 11, tzinfo=UTC)
    database = building((100, 15, 0), hisStart=start, hisEnd=end, hisSize=Number(957), hisMode="cov")
    database.add({**TAGS, "id": Ref("fast"), "hisStart": start, "hisEnd": end, "hisSize": Number(864_000 * 2 + 1)})
    with connected(database) as s:
        df = s.inventory("point")
    assert df["period"].tolist() == [timedelta(minutes=15, seconds=4), timedelta(seconds=0.5)]
    assert df["rows"].tolist() == [957, 1_728_001]


def test_an_archive_is_counted(tmp_path: Path) -> None:
    database = building((3000, 15, 50), (20_000, 60, 10), (100, 1, 0))
    with connected(database) as s:
        s.export("point", "-30d", tmp_path)
    archive = hsframe.Archive(tmp_path)
    df = archive.inventory("point")
    assert set(df["source"]) == {"archive"}
    assert df["rows"].tolist() == [50, 10, 0]
    check(df, database)
    assert archive.estimate("point", "-720h")["rows"].tolist() == [2880] * 3


def test_what_a_read_is_expected_to_take(tmp_path: Path) -> None:
    database = building((1_600_000, 15, 10**6), hisInterval=Number(15, "min"))
    database.add({**TAGS, "id": Ref("other"), "dis": "Other", "hisMode": "cov"})
    span = ("-48h", "-24h")
    with connected(database) as s:
        table = s.estimate("point", span)
        assert table["rows"].tolist() == [96, 96]
        assert table["bytes"].tolist() == [96 * 16] * 2
        assert table["requests"].tolist() == [1, 1]
        assert table["source"].tolist() == ["record", "assumed"]
        dry = s.export("point", span, tmp_path / "a.parquet", dry_run=True)
        assert dry[["rows", "requests"]].equals(table[["rows", "requests"]])
        assert s.estimate("point", ("-24h", "2999-01-01"))["rows"].tolist() == [96, 96]  # nothing of the future
        s.his_read("@p0", "-720h")  # so few samples take as long as none
        assert np.isnan(s.estimate("point", span)["seconds"].sum(skipna=False))
        s.his_read("@p0", "-26000h")
        seconds = s.estimate("point", span)["seconds"]
        assert seconds.between(0, 10).all()
        whole = s.estimate("point", "-720h")["seconds"]
        assert whole.sum() == pytest.approx(seconds.sum() * 30, rel=0.01)
        said = r"expected to give 2,880 samples in 1 requests, which take 0\.0 MB"
        with hsframe.options.using(large_read=1000), pytest.warns(ReadWarning, match=said):
            s.his_read("@p0", "-720h")
    for wrong in (0, "many", None):
        with pytest.raises(MetadataError, match="large_read must be a number of samples above 0"):
            hsframe.options.large_read = wrong  # type: ignore[assignment]


def test_nothing_is_expected_where_a_record_says_that_nothing_is() -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 11, tzinfo=UTC)
    database = building((100, 15, 0), hisStart=start, hisEnd=end, hisSize=Number(241))
    database.add({**TAGS, "id": Ref("steps"), "hisStart": start, "hisEnd": end, "hisInterval": Number(1, "day")})
    database.add({**TAGS, "id": Ref("since"), "hisStart": start, "hisInterval": Number(1, "day")})
    database.add({**TAGS, "id": Ref("until"), "hisEnd": end, "hisInterval": Number(1, "day")})
    with connected(database) as s:
        for span, rows in (
            ("2025", [5, 0, 0, 365]),
            (("2025-12-22T00:00Z", "2026-01-03T00:00Z"), [48, 2, 2, 12]),
            (("2026-01-10T00:00Z", "2026-01-21T00:00Z"), [25, 2, 11, 2]),
            (("2025-12-22T00:00Z", "2026-01-21T00:00Z"), [241, 11, 20, 21]),
            ("2026-02-01,2026-02-10", [0, 0, 10, 0]),
        ):
            assert s.estimate("point", span)["rows"].tolist() == rows, span


@pytest.mark.parametrize(("rows", "memory"), [(62_500, "1.0 MB"), (5_000_000, "80.0 MB"), (10**7, "0.2 GB")])
def test_a_large_read_is_told_in_sizes_that_say_something(rows: int, memory: str) -> None:
    with hsframe.options.using(large_read=1), pytest.warns(ReadWarning, match=f" take {memory} of memory"):
        warn_of_large_read({"p": (rows, 1)})


@pytest.mark.parametrize("tag", ["hisInterval", "hisSize"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, -5.0])
def test_numbers_of_a_record_that_cannot_be_true_are_not_used(tag: str, value: float) -> None:
    database = building((1440, 15, 96), **{tag: Number(value, "day" if tag == "hisInterval" else None)})
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as s:
        assert len(s.his_read("@p0", "-7d")) == 96
        assert len(s.latest("@p0")) == len(s.estimate("@p0", "-7d")) == 1
        check(s.inventory("@p0"), database)
