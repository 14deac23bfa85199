"""The report of a frame: what is due by each point's own interval, and what looks wrong."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.points import Point, attach
from hsframe.frame.points_like import as_points
from hsframe.frame.read_rows import ReadRows, note_rows
from hsframe.frame.reads import reads_of
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server
from tests.session.connected import connected

MINUTE_US = 60_000_000
FIRST_US = 1_793_332_800_000_000  # 2026-10-30T04:00Z, New York's midnight
QUARTER = {"hisInterval": Number(15, "min")}


def frame(**columns: Any) -> pd.DataFrame:
    """Columns of quarters of an hour."""
    rows = len(next(iter(columns.values())))
    index = pd.DatetimeIndex(FIRST_US + np.arange(rows) * 15 * MINUTE_US, dtype="datetime64[us, America/New_York]")
    return known(pd.DataFrame(columns, index=index), {})


def known(df: pd.DataFrame, points: dict[Any, Point]) -> pd.DataFrame:
    """A frame with points that knows what was read, in any order."""
    attach(df, points)
    note_rows(df, ReadRows.of(np.empty(0, np.int64), {}, {}))
    return df


def reported(df: pd.DataFrame, label: str = "P", **record: Any) -> Any:
    """The row of a column whose record has these tags."""
    known(df, {label: Point.from_record({"id": Ref("p"), "kind": "Number", "tz": "New_York", **record})})
    return df.hs.report().loc[label]


# How complete it is --------------------------------------------------------------------------------------------------


def test_the_columns_beside_it_make_nothing_due() -> None:
    """A point of 15 minutes beside one of a minute, and one that changes when it likes."""
    index = pd.DatetimeIndex(FIRST_US + np.arange(0, 1441) * MINUTE_US, dtype="datetime64[us, UTC]")
    numbers = np.arange(1441.0)
    quarter = np.where(numbers % 15 == 0, numbers, np.nan)
    quarter[[15, 30, 600]] = np.nan
    on = pd.array(np.where(np.isin(numbers, [3, 77]), 1, np.nan), dtype="boolean")
    df = pd.DataFrame({"Q": quarter, "M": numbers, "F": on}, index=index)
    table = df.hs.report()
    assert table["expected"].tolist() == [97, 1441, pd.NA]
    assert table["missing"].tolist() == [3, 0, pd.NA]
    assert table["coverage"].fillna(-1).tolist() == [1 - 3 / 97, 1.0, -1]
    gaps = pd.DataFrame(table.at["Q", "gaps"])
    assert gaps["missing"].tolist() == [2, 1]
    assert (gaps["end"] - gaps["begin"]).tolist() == [pd.Timedelta("30min"), pd.Timedelta("15min")]
    assert gaps["begin"].tolist() == [index[15], index[600]]
    for label in df:
        pd.testing.assert_frame_equal(df[[label]].hs.report(), table.loc[[label]])
        pd.testing.assert_series_equal(df[label].hs.report(), table.loc[label])


SAMPLES = st.lists(st.sampled_from([np.nan, 1.0, 2.0]), min_size=20, max_size=20)


@given(SAMPLES, SAMPLES, st.sampled_from([1, 2, 3]))
def test_each_column_is_reported_alone(a: list[float], b: list[float], every: int) -> None:
    df = frame(P=a, Q=b)
    df.loc[np.arange(20) % every != 0, "Q"] = np.nan
    known(df, {"P": Point.from_record({"id": Ref("p"), "kind": "Number", **QUARTER})})
    table = df.hs.report()
    for label in df:
        pd.testing.assert_frame_equal(df[[label]].hs.report(), table.loc[[label]])
    row, there = table.loc["P"], np.flatnonzero(~np.isnan(a))
    if not len(there):
        assert pd.isna(row["expected"])
        return
    assert (row["expected"], row["missing"]) == (np.ptp(there) + 1, np.ptp(there) + 1 - len(there))
    assert sum(gap.missing for gap in row["gaps"]) == row["missing"]
    df = df.iloc[there[0] : there[-1] + 1]
    due = pd.date_range(df.index[0], df.index[-1], freq="15min")
    inside = [when for when in due for gap in row["gaps"] if gap.begin <= when < gap.end]
    assert inside == df.index[df["P"].isna()].tolist()


def test_the_record_says_how_often_a_logger_should_have_sent() -> None:
    """A logger that sends every other sample only looks complete by itself."""
    df = frame(P=np.arange(97.0)).iloc[::2]
    assert df.hs.report().loc["P", ["expected", "missing"]].tolist() == [49, 0]
    assert reported(df, **QUARTER)[["expected", "missing", "coverage"]].tolist() == [97, 48, 1 - 48 / 97]


# Of July 2026 in New York: samples each hour, none of "dead" before 10:00 of the 1st and after 23:00 of the 3rd.
HOURS_OF_JULY = pd.date_range("2026-06-30", "2026-07-10", freq="1h", tz="America/New_York", unit="us")
SPAN = "2026-07-01,2026-07-05"


@pytest.fixture
def july() -> Iterator[hsframe.Session]:
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York"}
    for ident, index in {"dead": HOURS_OF_JULY[34:96], "ok": HOURS_OF_JULY, "none": HOURS_OF_JULY[:0]}.items():
        database.add({"id": Ref(ident), "dis": ident, **tags, "hisInterval": Number(1, "hr")})
        database.set_history(ident, index.asi8, np.ones(len(index)))
    with connected(database) as session:
        yield session


def counted(table: Any) -> list[Any]:
    return table[["expected", "missing", "coverage"]].tolist()


def test_the_span_that_was_read_is_due_whatever_is_beside_it(july: hsframe.Session, tmp_path: Path) -> None:
    alone, df = july.his_read("@dead", SPAN), july.his_read(["@dead", "@ok", "@none"], SPAN)
    hsframe.write_parquet(alone, tmp_path / "a.parquet")
    df.to_parquet(tmp_path / "b.parquet")
    halves = [july.his_read("@dead", span) for span in ("2026-07-01,2026-07-02", "2026-07-03,2026-07-05")]
    frames = {
        "beside": df,
        "alone": alone,
        "ours": hsframe.read_parquet(tmp_path / "a.parquet"),
        "pandas": pd.read_parquet(tmp_path / "b.parquet"),
        "without": df.dropna(subset=["dead"]),
        "halves": hsframe.concat(halves),
        "both": july.his_read("@dead", SPAN, boundary="both"),
        "flags": july.his_read("@dead", SPAN, na="flag"),
    }
    for name, frame in frames.items():
        with warnings.catch_warnings():
            if name == "pandas":  # whose file does not have what was read
                warnings.filterwarnings("ignore", "the frame does not know what was read", hsframe.ReadWarning)
            row = frame.hs.report().loc["dead"]
        assert counted(row) == [120, 58, 1 - 58 / 120], name
        assert [tuple(map(str, gap)) for gap in row["gaps"]] == [
            ("2026-07-01 00:00:00-04:00", "2026-07-01 10:00:00-04:00", "10"),
            ("2026-07-04 00:00:00-04:00", "2026-07-06 00:00:00-04:00", "48"),
        ], name
    assert counted(df["dead"].dropna().hs.report()) == [120, 58, 1 - 58 / 120]
    assert counted(df.hs.report().loc["ok"]) == [120, 0, 1]
    assert counted(df.hs.report().loc["none"]) == counted(july.his_read("@none", SPAN).hs.report().iloc[0])
    assert counted(df.hs.report().loc["none"]) == [120, 120, 0]


def test_a_point_without_a_sample_has_a_verdict_and_a_place_on_the_page(tmp_path: Path) -> None:
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "V", "tz": "New_York"}
    hourly = {"hisInterval": Number(1, "hr")}
    for ident, more in {"volt": {}, "known": hourly, "switch": {"kind": "Bool", "unit": None}, "ok": hourly}.items():
        database.add({"id": Ref(ident), "dis": ident, **tags, **more})
    for ident in ("volt", "ok"):  # the voltmeter went silent before the span
        index = HOURS_OF_JULY[:4] if ident == "volt" else HOURS_OF_JULY
        database.set_history(ident, index.asi8, np.ones(len(index)))
    with connected(database) as session:
        df, page = session.his_read(["@volt", "@known", "@switch", "@ok"], SPAN), tmp_path / "page.html"
        table = df.hs.report(html=page)
        assert table["verdict"].tolist() == [
            "no sample: hsframe.inventory has the last one",
            "no sample: hsframe.inventory has the last one; 120 missing, 0 % are there",
            "no sample: it records changes, so none is due",
            "",
        ]
        assert table["expected"].tolist() == [pd.NA, 120, pd.NA, 120]
        text = page.read_text("utf-8")
        assert "1 of 2 points of which samples are due have all of them; without any sample: 3 of 4." in text
        assert text.count("no sample: hsframe.inventory") == 2
        assert text.count("nothing found") == 1
        alone = session.his_read("@volt", SPAN, interval="15min").hs.report(html=page)
        assert alone["verdict"].str.startswith("no sample").all()
        assert "without any sample: 1 of 1." in page.read_text("utf-8")
        last = session.inventory("@volt")["last"].iloc[0]
        assert last == HOURS_OF_JULY[3]


@pytest.mark.parametrize("settings", [{}, {"interval": "1h"}, {"interval": "1D"}, {"interval": "1h", "label": "end"}])
@pytest.mark.parametrize("of", ["concat", "parquet"])
def test_only_what_was_read_is_due(july: hsframe.Session, tmp_path: Path, settings: dict[str, Any], of: str) -> None:
    spans = ["2026-07-01,2026-07-02", "2026-07-04", "2026-07-08"]
    frames = [july.his_read(["@dead", "@ok", "@none"], span, **settings) for span in spans]
    for frame in (hsframe.concat(frames), hsframe.concat(frames[::-1], sort_index=True)):
        df = frame
        if of == "parquet":
            hsframe.write_parquet(df, tmp_path / "a.parquet")
            df = hsframe.read_parquet(tmp_path / "a.parquet")
        table, parts = df.hs.report(), [one.hs.report() for one in frames]
        for name in ("dead", "ok", "none"):
            for count in ("expected", "missing"):
                assert table.loc[name, count] == sum(part.loc[name, count] for part in parts), (name, count)
            gaps = [gap for part in parts for gap in part.loc[name, "gaps"]]
            assert sorted(table.loc[name, "gaps"]) == sorted(gaps)
    # A day that is read later makes the spans one again.
    more = hsframe.concat([*frames, july.his_read(["@dead", "@ok", "@none"], "2026-07-03", **settings)])
    assert len(reads_of(more)["ok"].spans) == 2


@pytest.mark.parametrize("interval", ["1h", "1D", "1W", "1M"])
def test_reads_of_intervals_that_touch_are_one(july: hsframe.Session, interval: str) -> None:
    months, weeks = (
        ["2026-01", "2026-02", "2026-03", "2026-07"],
        ["2025-12-29", "2026-02-02", "2026-03-02", "2026-07-06"],
    )
    ends = pd.DatetimeIndex(weeks if interval == "1W" else months)
    spans = [(first, second - pd.Timedelta("1D")) for first, second in pairwise(ends)]
    parts = [july.his_read("@ok", (str(a.date()), str(b.date())), interval=interval, agg="count") for a, b in spans]
    for frames in (parts, parts[::-1]):
        assert len(reads_of(hsframe.concat(frames))["ok"].spans) == 1
    assert len(reads_of(hsframe.concat([parts[0], parts[2]]))["ok"].spans) == 2


def test_of_a_column_that_was_cut_its_own_samples_say_from_where(july: hsframe.Session) -> None:
    df = july.his_read(["@dead", "@ok"], SPAN)
    assert counted(df.loc["2026-07-02":].hs.report().loc["dead"]) == [96, 48, 0.5]  # type: ignore[misc]
    assert counted(df.loc["2026-07-02":"2026-07-03"].hs.report().loc["ok"]) == [48, 0, 1]  # type: ignore[misc]
    # The slice has all of its samples: the rows after them are those of "ok".
    for part in (df.loc[:"2026-07-04"], df.loc[:"2026-07-03"], df.loc[:"2026-07-04"][["dead"]]):  # type: ignore[misc]
        assert counted(part.hs.report().loc["dead"])[:2] == [120, 58]
    assert df.loc["2026-07-05":].hs.report().loc["dead"].isna()["expected"]  # type: ignore[misc]


def test_what_is_to_come_is_not_due() -> None:
    database = Database(tz="UTC")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC", "hisInterval": Number(1, "hr")}
    database.add({"id": Ref("p"), "dis": "P", **tags})
    now = pd.Timestamp.now("UTC")
    index = pd.date_range(now.floor("h") - pd.Timedelta("5h"), now, freq="1h", unit="us")
    database.set_history("p", index.asi8, np.ones(len(index)))
    with connected(database) as session:
        df = session.his_read("@p", (index[1], now + pd.Timedelta("9D")))
        assert counted(df.hs.report().loc["P"])[0] in (5, 6)  # six where a new hour has begun


PRESENT = pd.Timestamp("2026-07-05T12:30", tz="America/New_York")


@pytest.fixture
def to_date(july: hsframe.Session, monkeypatch: pytest.MonkeyPatch) -> hsframe.Session:
    """July when half past noon of the fifth is the present; the later samples of "ok" are forecasts then."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return PRESENT.to_pydatetime().astimezone(tz)

    monkeypatch.setattr("hsframe.history.plan.datetime", Clock)
    return july


@pytest.mark.parametrize("edges", ["whole", "partial"])
@pytest.mark.parametrize("span", ["2026-07", "2026-07-01,2026-07-05", "2026-07-01,2027-03-01", ("2026-07-01", PRESENT)])
@pytest.mark.parametrize(("interval", "due", "there"), [("1h", 108, 61), ("1D", 4, 3), ("6h", 18, 10)])
def test_the_intervals_that_are_over_at_the_present_of_the_read_are_due(
    to_date: hsframe.Session, interval: str, due: int, there: int, span: Any, edges: Any, tmp_path: Path
) -> None:
    labels: list[Any] = ["start", "end", "both"]
    for label in labels:
        df = to_date.his_read(["@dead", "@none"], span, interval=interval, edges=edges, label=label, agg="mean")
        df.to_parquet(tmp_path / "b.parquet")
        frames = [df, pd.read_parquet(tmp_path / "b.parquet"), df.dropna(subset=["dead"])]
        if label != "both":
            hsframe.write_parquet(df, tmp_path / "a.parquet")
            frames.append(hsframe.read_parquet(tmp_path / "a.parquet"))
        for row in [*(frame.hs.report().loc["dead"] for frame in frames), df["dead"].hs.report()]:
            assert counted(row) == [due, due - there, 1 - (due - there) / due]
            assert row["gaps"][-1].end == PRESENT.floor("1D" if interval == "1D" else "12h")
        assert counted(df.hs.report().loc["none"]) == [due, due, 0]


@pytest.mark.parametrize(("hours", "interval"), [(1, "1h"), (8, "8h"), (24, "1D")])
def test_a_hole_up_to_the_present_ends_there_and_is_told_as_such(
    to_date: hsframe.Session, hours: int, interval: str
) -> None:
    to_date.commit(to_date.read("point").assign(hisInterval=Number(hours, "hr")))
    intervals: dict[str, Any] = {"interval": interval, "edges": "partial", "agg": "first"}
    for settings in (dict[str, Any](), intervals):
        df = to_date.his_read(["@dead", "@none"], "2026-07", **settings)
        table = df.hs.report()
        last = df["dead"].last_valid_index()
        assert table.loc["dead", "verdict"].endswith(f"% are there, none after {last:%Y-%m-%d %H:%M}")
        ends = [table.loc[name, "gaps"][-1].end for name in ("dead", "none")]
        assert max(ends) <= PRESENT
        assert settings or ends == [PRESENT] * 2
        cut = df.loc[df.index < last].hs.report()  # of which nothing is known after it
        assert "after" not in cut.loc["dead", "verdict"]
        assert "after" not in table.loc["none", "verdict"]


def test_the_month_of_the_present_is_due_where_it_has_a_value(to_date: hsframe.Session) -> None:
    whole = to_date.his_read(["@dead", "@none"], "2026-07", interval="1M")
    part = to_date.his_read(["@dead", "@none"], "2026-07", interval="1M", edges="partial")
    nothing = [pd.NA, pd.NA]
    assert [counted(whole.hs.report().loc[label])[:2] for label in whole] == [nothing] * 2
    assert [counted(part.hs.report().loc[label])[:2] for label in part] == [[1, 0], nothing]
    # Beside a month that is over, it takes nothing from that.
    june = to_date.his_read(["@dead", "@none"], "2026-06", interval="1M")
    for both in (hsframe.concat([june, whole]), hsframe.concat([whole.iloc[:0], june]), hsframe.concat([june, part])):
        assert counted(both.hs.report().loc["none"])[:2] == [1, 1]


def test_forecasts_are_due_and_samples_to_come_are_not(to_date: hsframe.Session) -> None:
    """Of "ok" there are samples up to the tenth; however it is read, and whichever aggregation it is."""
    df = to_date.his_read(["@ok", "@dead"], "2026-07", interval="1D", agg=["mean", "count"])
    table = df.hs.report()
    assert [counted(table.loc[row])[:2] for row in df] == [[9, 0], [31, 0], [4, 1], [31, 0]]
    raw = to_date.his_read(["@ok", "@dead"], "2026-07")
    for frame in (raw, raw[["dead", "ok"]], raw.tz_convert("UTC")):
        assert counted(frame.hs.report().loc["ok"])[:2] == [217, 0]
        assert counted(frame.hs.report().loc["dead"])[:2] == counted(frame["dead"].hs.report())[:2] == [109, 47]


def test_each_aggregation_is_due_over_the_span(july: hsframe.Session) -> None:
    df = july.his_read(["@dead", "@none"], SPAN, interval="1D", agg=["mean", "count", "integral"])
    expected = {"mean": [5, 2], "count": [5, 0], "integral": [5, 4]}  # of the 1st and 3rd a part is known
    for frame in (df, hsframe.concat([df.iloc[:2], df.iloc[2:]])):
        table = frame.hs.report()
        for agg, counts in expected.items():
            assert counted(table.loc[("dead", agg)])[:2] == counts
            assert counted(table.loc[("none", agg)])[:2] == [5, 0 if agg == "count" else 5]


GAPS = {
    # The first of July to the 5th, days; of "dead" the 1st begins late, and 4 and 5 July have nothing.
    ("1D", "start"): ("2026-07-04", "2026-07-06", 2),
    ("1D", "end"): ("2026-07-04", "2026-07-06", 2),
    ("1D", "both"): ("2026-07-04", "2026-07-06", 2),
    ("12h", "end"): ("2026-07-04", "2026-07-06", 4),
}


@pytest.mark.parametrize(("interval", "label"), GAPS)
@pytest.mark.parametrize("tz", ["point", "local", "UTC"])
@pytest.mark.parametrize("ids", [["@dead"], ["@dead", "@ok"]])
def test_gaps_of_intervals_are_intervals(
    july: hsframe.Session, interval: str, label: Any, tz: str, ids: list[str]
) -> None:
    if tz == "local" and interval != "1D":
        return
    df = july.his_read(ids, SPAN, interval=interval, label=label, tz=tz, agg="mean")
    begin, end, missing = GAPS[interval, label]
    *before, gap = df.hs.report().loc["dead", "gaps"]
    zone = None if tz == "local" else "America/New_York"
    assert gap == (pd.Timestamp(begin, tz=zone), pd.Timestamp(end, tz=zone), missing)
    due, lost = (5, 2) if interval == "1D" else (10, 5)
    assert [one.missing for one in before] == [1] * (lost - missing)  # the first morning has two hours of twelve
    assert counted(df.hs.report().loc["dead"]) == [due, lost, 1 - lost / due]
    column = df["dead"].droplevel("end") if label == "both" else df["dead"]
    assert counted(column.dropna().hs.report()) == [due, lost, 1 - lost / due]


@pytest.mark.parametrize("label", ["start", "end", "both"])
@pytest.mark.parametrize(
    ("interval", "span", "lost", "gap"),
    [
        ("1D", "2025-10-31,2025-11-05", ("2025-11-02", "2025-11-04"), ("2025-11-02", "2025-11-04", 2)),
        ("1M", "2025-02,2025-12", ("2025-07-01", "2025-08-01"), ("2025-07-01", "2025-08-01", 1)),
        ("1W", "2025-10-12,2025-12-13", ("2025-10-19", "2025-11-09"), ("2025-10-19", "2025-11-09", 3)),
        ("1M", "2025-02,2025-12", ("2025-02-01", "2025-03-01"), ("2025-02-01", "2025-03-01", 1)),
        ("1M", "2025-02,2025-12", ("2025-12-01", "2026-01-01"), ("2025-12-01", "2026-01-01", 1)),
    ],
)
def test_gaps_of_the_calendar(
    interval: str, span: str, lost: tuple[str, str], gap: tuple[str, str, int], label: Any
) -> None:
    """Over days of 25 hours, months and weeks from Sunday; at the start and at the end too."""
    index = pd.date_range("2025-01-01", "2026-02-01", freq="1h", tz="America/New_York", unit="us")
    begin, end = (pd.Timestamp(text, tz="America/New_York") for text in lost)
    index = index[(index < begin) | (index >= end)]
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "New_York"}
    database.add({"id": Ref("p"), "dis": "P", **tags})
    database.set_history("p", index.asi8, np.ones(len(index)))
    with connected(database) as session:
        df = session.his_read("@p", span, interval=interval, label=label, week_start="sunday", edges="whole")
    begin, end = (pd.Timestamp(text, tz="America/New_York") for text in gap[:2])
    assert df.hs.report().loc["P", "gaps"] == [(begin, end, gap[2])]
    assert counted(df.hs.report().loc["P"])[:2] == [len(df), gap[2]]
    assert df.hs.report().loc["P", "longest_gap"] >= end - begin


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("Number", {}), ("Bool", {}), ("Number", {"boundary": "both"}), ("Number", {"interval": "1h"})],
)
def test_the_longest_gap_may_be_at_the_start_or_at_the_end(kind: str, settings: dict[str, Any]) -> None:
    """Of the days 1 to 7 a point has the 2nd and the 3rd, another none before the 6th; another is silent in all."""
    database = Database(tz="New_York")
    midnights = pd.date_range("2025-06-01", periods=8, freq="1D", tz="America/New_York", unit="us").asi8
    for name, first, last in [("late", 5, 7), ("early", 1, 3), ("silent", 0, 0)]:
        tags = {"point": MARKER, "his": MARKER, "kind": kind, "tz": "New_York"}
        database.add({"id": Ref(name), "dis": name, **tags})
        ts_us = np.arange(midnights[first], midnights[last], 15 * MINUTE_US)
        database.set_history(name, ts_us, np.ones(len(ts_us)) if kind == "Number" else np.ones(len(ts_us), bool))
    with connected(database) as session:
        df = session.his_read(["@late", "@early", "@silent"], "2025-06-01,2025-06-07", header="id", **settings)
    found = df.hs.report()["longest_gap"]
    days = found.dt.round("1D") / pd.Timedelta("1D")
    assert days.tolist() == [5, 4, 7]


@pytest.mark.parametrize("tags", [{"hisMode": "cov"}, {"hisCov": MARKER}, {"hisMode": "cov", **QUARTER}])
def test_nothing_is_due_of_what_changes_when_it_likes(tags: dict[str, Any]) -> None:
    row = reported(frame(P=[1.0, np.nan, 2.0, 3.0, 4.0]), **tags)
    assert row[["expected", "missing", "coverage", "clock_shifts"]].isna().all()
    assert row["gaps"] is None
    assert row["samples"] == 4


def test_nothing_is_guessed_of_irregular_samples() -> None:
    index = pd.DatetimeIndex(FIRST_US + np.array([0, 1, 5, 7, 20, 60]) * MINUTE_US, dtype="datetime64[us, UTC]")
    row = pd.DataFrame({"P": np.arange(6.0)}, index).hs.report().loc["P"]
    assert row[["expected", "missing", "coverage"]].isna().all()
    assert row["interval"] == pd.Timedelta("4min")


def test_samples_that_come_a_little_early_or_late_are_not_missing() -> None:
    off_us = np.random.default_rng(1).integers(-20_000_000, 20_000_000, 97)
    df = frame(P=np.arange(97.0))
    df.index = pd.DatetimeIndex(df.index.asi8 + off_us, dtype=df.index.dtype)
    assert df.drop(df.index[[5, 6]]).hs.report().loc["P", ["expected", "missing"]].tolist() == [97, 2]


@pytest.mark.parametrize("rule", ["1D", "MS", "1h"])
def test_rows_that_pandas_made_regular_are_what_is_due(rule: str) -> None:
    """By their own interval, months and days of 25 hours too; not by that of the samples they were made of."""
    df = frame(P=np.arange(96.0 * 100))
    known(df, {"P": Point.from_record({"id": Ref("p"), "kind": "Number", **QUARTER})})
    coarse = df.resample(rule).mean()
    coarse.iloc[1] = np.nan
    row = coarse.hs.report().loc["P"]
    assert row[["expected", "missing"]].tolist() == [len(coarse), 1]


def test_rows_over_intervals_are_due_by_the_interval_of_the_read() -> None:
    with connected(building()) as session:
        df = session.his_read("@kwh", "2026-10-30,2026-11-03", interval="1D")
        assert df.hs.report()[["expected", "missing"]].to_numpy().tolist() == [[5, 0]]
        both = session.his_read("@kwh", "2026-10-30,2026-11-03", interval="1D", agg=["delta", "count"])
        assert both.hs.report()[["expected", "missing"]].to_numpy().tolist() == [[5, 0]] * 2
        assert session.his_read("@kwh", "2026-10-30").hs.report()["expected"].tolist() == [96]


def test_repeated_instants() -> None:
    df = frame(P=np.arange(10.0))
    row = hsframe.concat([df, df.iloc[:3] + 1]).hs.report().loc["P"]
    assert row[["samples", "duplicates", "expected", "missing"]].tolist() == [13, 3, 10, 0]


def test_without_times_rows_without_a_value_are_missing() -> None:
    df = pd.DataFrame({"P": [1.0, np.nan], "S": ["a", "a"]})
    table = df.hs.report()
    assert table["missing"].tolist() == [1, 0]
    assert table["expected"].isna().all()
    assert table.loc["S", "stuck"] == 1.0
    assert df.iloc[:0].hs.report()["samples"].tolist() == [0, 0]
    assert pd.DataFrame().hs.report().empty


# What looks wrong ----------------------------------------------------------------------------------------------------


def test_the_readings_of_a_meter() -> None:
    """A false zero, and a reset."""
    readings = 1000 + np.arange(96.0) * 5
    readings[20] = 0
    readings[50:] -= readings[50]
    df = frame(P=pd.array(readings, dtype="unit[kWh]"))
    row = reported(df, unit="kWh", hisTotalized=MARKER, **QUARTER)
    assert row[["false_readings", "resets"]].tolist() == [1, 1]
    assert reported(df, unit="kWh")[["false_readings", "resets"]].isna().all()


def test_a_roll_over_is_no_reset_in_any_unit() -> None:
    readings = (9_700 + np.arange(96.0) * 5) % 10_000
    tags = {"unit": "kWh", "hisTotalized": MARKER, "hisRollover": Number(10_000, "kWh")}
    for unit in ("kWh", "MWh"):
        df = frame(P=pd.array(readings, dtype="unit[kWh]")).hs.to(unit)
        assert reported(df, **tags)[["false_readings", "resets"]].tolist() == [0, 0]
    assert reported(df, unit="kWh", hisTotalized=MARKER)["resets"] == 1


def test_a_false_zero_is_one_of_the_unit_of_the_record() -> None:
    df = frame(P=pd.array([71.0, 70.5, 0.0, 72.0, 0.0, 73.0], dtype="unit[°F]"))
    for unit in ("°F", "°C", "K"):
        assert reported(df.hs.to(unit), unit="°F")["false_readings"] == 2
    frozen = frame(P=pd.array([30.0, 31.0, 32.0, 33.0], dtype="unit[°F]"))
    assert reported(frozen.hs.to("°C"), unit="°F")["false_readings"] == 0
    assert pd.isna(reported(frozen, unit="kW")["false_readings"])


@pytest.mark.parametrize(
    ("values", "unit", "count"),
    [
        ([71.0, 70.5, 0.0, 72.0, 0.0, 73.0], "°F", 2),
        ([-1.0, 0.0, 1.0, 0.0], "°C", 0),
        ([5.0, 0.0, 12.0, 20.0], "°C", 0),
        ([45.0, 0.0, 46.0], "%RH", 1),
        ([45.0, 0.0, 46.0], "kW", pd.NA),
        ([0.0, 0.0], "°F", 0),
    ],
)
def test_zeros_far_from_all_other_temperatures_are_false(values: list[float], unit: str, count: Any) -> None:
    row = frame(P=pd.array(values, dtype=f"unit[{unit}]")).hs.report().loc["P"]
    assert row["false_readings"] is count or row["false_readings"] == count


def test_values_beyond_the_limits_of_the_record() -> None:
    df = frame(P=pd.array([-41.0, 32.0, 212.5, np.nan, np.inf], dtype="unit[°F]"))
    limits = {"minVal": Number(-40, "°C"), "maxVal": Number(100, "°C")}
    assert reported(df, unit="°C", **limits)["out_of_range"] == 3
    assert reported(df, unit="°F", maxVal=Number(212))["out_of_range"] == 2
    assert pd.isna(reported(df, unit="°F")["out_of_range"])
    assert reported(df.hs.to("°C"), unit="°F", minVal=Number(20), maxVal=Number(200))["out_of_range"] == 3
    assert reported(df.hs.magnitude(), unit="°F", maxVal=Number(200))["out_of_range"] == 2


def test_the_longest_time_of_one_value() -> None:
    row = frame(P=[1.0, 2.0, 2.0, 2.0, 3.0, 3.0]).hs.report().loc["P"]
    assert (row["stuck"], row["stuck_for"]) == (3 / 6, pd.Timedelta("30min"))


HOURS = np.arange(-48, 49)


def around(change: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.Timestamp(change).as_unit("us") + pd.to_timedelta(HOURS, unit="h"))


SPRING, AUTUMN = "2026-03-08T07:00Z", "2026-11-01T06:00Z"  # when the clocks of New York change


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
@pytest.mark.parametrize(
    ("left_out", "shifts"),
    [([], 0), ([-1], 1), ([0], 1), ([-1, 0], 1), ([1], 0), ([-2], 0), ([-3, -2, -1, 0, 1, 2], 0)],
)
def test_an_hour_that_is_missing_beside_a_change_of_the_clock(change: str, left_out: list[int], shifts: int) -> None:
    index = around(change)[~np.isin(HOURS, left_out)]
    df = pd.DataFrame({"P": np.arange(len(index), dtype=float)}, index)
    assert reported(df.tz_convert("UTC"), hisInterval=Number(1, "hr"))["clock_shifts"] == shifts
    if not left_out:
        late = df.set_axis(df.index + pd.to_timedelta(np.tile([0, 3, -3], 33)[: len(df)], unit="s"))
        assert reported(late, hisInterval=Number(1, "hr"))["clock_shifts"] == 0


def test_an_hour_that_is_there_twice() -> None:
    """Wall clocks without an offset, read as those of summer: two samples in one hour, none in the next."""
    wall = pd.date_range("2026-10-31", "2026-11-03", freq="30min", tz="America/New_York", unit="us").tz_localize(None)
    read = wall.tz_localize("America/New_York", ambiguous=np.ones(len(wall), bool))
    df = pd.DataFrame({"P": np.arange(len(read), dtype=float)}, read).sort_index()
    df.index = df.index + pd.to_timedelta(np.where(df.index.duplicated(), 1, 0), unit="s")
    assert reported(df, hisInterval=Number(30, "min"))["clock_shifts"] == 1


def test_a_day_is_too_coarse_to_tell() -> None:
    df = pd.DataFrame({"P": np.arange(9.0)}, pd.date_range("2026-10-28", periods=9, tz="America/New_York", unit="us"))
    assert pd.isna(df.hs.report().loc["P", "clock_shifts"])
    assert df.hs.report().loc["P", ["expected", "missing"]].tolist() == [9, 0]


@pytest.mark.parametrize("lost", ["2026-11-02", "2026-11-01", "2026-03-08", "2026-03-09"])
def test_a_day_without_a_daily_reading_is_a_gap_of_that_day(lost: str) -> None:
    days = pd.date_range("2026-01-01", "2026-11-20", tz="America/New_York", unit="us")
    df = pd.DataFrame({"P": np.arange(len(days), dtype=float)}, pd.DatetimeIndex(days, freq=None))
    (gap,) = reported(df.drop(pd.Timestamp(lost, tz="America/New_York")), hisInterval=Number(1, "day"))["gaps"]
    begin = pd.Timestamp(lost, tz="America/New_York")
    assert gap == (begin, begin + pd.offsets.Day(), 1)


# How the tags come along ---------------------------------------------------------------------------------------------


def building() -> Database:
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kWh", "tz": "New_York", "hisTotalized": MARKER}
    database.add({"id": Ref("kwh"), "dis": "kWh", **tags, "hisInterval": Number(15, "min"), "maxVal": Number(1e6)})
    ts_us = FIRST_US + np.arange(-96, 96 * 6) * 15 * MINUTE_US
    database.set_history("kwh", ts_us, 1000 + np.arange(len(ts_us), dtype=np.float64))
    return database


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with running_server(building()) as running:
        yield running


def test_the_tags_of_the_record_come_with_the_frame_and_its_files(server: RunningServer, tmp_path: Path) -> None:
    with hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.his_read("point", "2026-10-30")
    df = df.drop(df.index[10])
    hsframe.write_parquet(df, tmp_path / "a.parquet")
    df.to_parquet(tmp_path / "b.parquet")
    frames = [df, hsframe.read_parquet(tmp_path / "a.parquet"), pd.read_parquet(tmp_path / "b.parquet"), df.copy()]
    for one, is_told in zip(frames, (False, True, True, False), strict=True):  # a file has a part of a read
        with pytest.warns(hsframe.ReadWarning, match="does not know" if is_told else "were taken out since"):
            row = one.hs.report().loc["kWh"]
        assert row[["expected", "missing", "false_readings", "resets", "out_of_range"]].tolist() == [96, 1, 0, 0, 0]


def test_the_frame_of_read_tells_the_same_tags(server: RunningServer) -> None:
    with hsframe.connect(server.uri, "demo", "demo") as session:
        (point,) = as_points(session.read("point"))
        session.his_read("point", "2026-10-30")
        (known,) = session.known_points
    assert dict(point.his_tags()) == dict(known.his_tags()) | {"hisTotalized": True}


def test_times_that_are_texts_are_refused_and_how_they_become_times(tmp_path: Path) -> None:
    """A month whose clock changes has two offsets in a CSV file, of which pandas makes no times."""
    df = frame(P=pd.array(np.arange(300.0), dtype="unit[°F]")).drop(index=frame(P=np.zeros(300)).index[[7, 8]])
    df.hs.with_unit_header().to_csv(tmp_path / "p.csv")
    back = pd.read_csv(tmp_path / "p.csv", header=[0, 1], index_col=0, parse_dates=True).hs.from_unit_header()
    advice = r"pd.to_datetime\(df.index, utc=True\).tz_convert\('America/New_York'\)"
    for name in ("report", "integrate"):
        with pytest.raises(MetadataError, match=f"texts.*{advice}"):
            getattr(back.hs, name)()
    with pytest.raises(ZoneError, match=advice):
        hsframe.degree_days(back, 60, "heating")
    with pytest.raises(MetadataError, match=f"{advice}.*; nothing was written"):
        hsframe.frame_to_his_grids(back, {"P": Point("p")})
    several = pd.concat({"Tower": back}, names=["siteRef"])
    with pytest.raises(MetadataError, match=advice):
        several.hs.report()
    back = back.set_axis(pd.to_datetime(back.index, utc=True).tz_convert("America/New_York"), axis=0)
    pd.testing.assert_frame_equal(back, df, check_index_type=False, check_freq=False)
    with pytest.warns(hsframe.ReadWarning, match="does not know what was read of 'P'"):
        assert back.hs.report()["missing"].tolist() == [2]
    assert back.set_axis([f"Site {n}" for n in range(len(back))], axis=0).hs.report()["samples"].tolist() == [298]


@pytest.mark.parametrize("name", ["resample", "integrate", "episodes", "over", "describe", "report", "plot", "heatmap"])
def test_the_help_of_a_method_has_its_parameters(name: str) -> None:
    text = inspect.getdoc(getattr(pd.DataFrame().hs, name))
    assert text is not None
    sections = {line for line in text.splitlines() if line in ("Parameters", "Returns")}
    assert sections == {"Parameters", "Returns"}


def test_the_page_of_a_report_stands_alone_and_escapes_names(tmp_path: Path) -> None:
    index = pd.date_range("2026-11-01", periods=100, freq="15min", tz="America/New_York", unit="us")
    df = pd.DataFrame({"<b>Fan & co</b>": pd.array(range(100), dtype="unit[kW]"), "s": "x"}, index=index)
    df = hsframe.with_points(df.drop(df.index[40:50]), {})
    found = df.hs.report(html=tmp_path / "page.html")
    pd.testing.assert_frame_equal(found, df.hs.report())
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "&lt;b&gt;Fan &amp; co&lt;/b&gt;" in page
    assert "<b>" not in page
    assert not re.search(r"(src|href)=|https?:|url\(|<script", page)
    assert "10 missing, 90 % are there" in page
    gap = re.search(r'<rect x="(\d+)" width="(\d+)" y="0"', page)
    assert gap is not None
    first, width = (int(text) / 600 * 99 for text in gap.groups())
    assert (first, width) == (pytest.approx(40, abs=0.2), pytest.approx(10, abs=0.4))
    assert page.count("<article>") == page.count("</article>") == 2
    ElementTree.fromstring(re.search(r"<svg.*?</svg>", page)[0])  # type: ignore[index]


def test_pages_of_empty_frames_of_frames_without_times_and_of_a_matrix(tmp_path: Path) -> None:
    df = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.date_range("2026-11-01", periods=2, tz="UTC"))
    frames = (df.iloc[:0], df.reset_index(drop=True), df[[]], pd.concat({"Lab": df}, names=["siteRef", "ts"]))
    for own, title in zip(frames, ("of 1 points", "of 1 points", "of 0 points", "Lab, a"), strict=True):
        own.hs.report(html=tmp_path / "page.html")
        assert title in (tmp_path / "page.html").read_text("utf-8")
