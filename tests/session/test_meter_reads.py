"""Meters, sums and the edges of a span over a real socket: what is missing or left out is said."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.spans import resolve
from tests.session.connected import connected, floats

QUARTER = 15 * 60_000_000
JUNE = resolve("2026-06", "New_York")
SPAN = ("2026-06-10", "2026-06-12")


def building() -> Database:
    database = Database([], tz="New_York")
    common = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kWh", "tz": "New_York"}
    ts_us = JUNE.start_us + np.arange(61 * 96, dtype=np.int64) * QUARTER
    readings = 1_000_000 + 25.0 * np.arange(len(ts_us))
    # Zeros at 10:00 and 10:15 of 10 June, at midnight of 12 June, and one absurd reading at noon.
    faulty = readings.copy()
    faulty[[9 * 96 + 40, 9 * 96 + 41, 11 * 96]] = 0
    faulty[11 * 96 + 48] = 11_000_000
    sampled = {"hisInterval": Number(15, "min")}

    def add(ident: str, values: Any, until: int, **tags: Any) -> None:
        database.add({**common, "id": Ref(ident), "dis": ident, **tags})
        database.set_history(Ref(ident), ts_us[:until], values[:until])

    amounts = np.full(len(ts_us), 25.0)
    add("sound", readings, len(ts_us), hisTotalized=MARKER, **sampled)
    add("faulty", faulty, len(ts_us), hisTotalized=MARKER, **sampled)
    twice = readings.copy()
    twice[[9 * 96 + 40, 9 * 96 + 42]] = 0
    add("twice", twice, len(ts_us), hisTotalized=MARKER, **sampled)
    add("ten", amounts, 10 * 96, hisMode="consumption", **sampled)
    add("all", amounts, len(ts_us), hisMode="consumption", **sampled)
    add("unsaid", amounts, 10 * 96, hisMode="consumption")
    add("kw", amounts, len(ts_us), unit="kW", **sampled)
    return database


@pytest.fixture
def s() -> Iterator[hsframe.Session]:
    with connected(building()) as session:
        yield session


def test_a_reset_that_adds_far_more_than_usual_is_warned_of(s: hsframe.Session) -> None:
    with pytest.warns(hsframe.ReadWarning, match=r"^2 readings of 1 of 2 points add more than ten") as caught:
        df = s.his_read(["@sound", "@twice"], SPAN, interval="1D")
    (warning,) = caught
    assert "@twice at 2026-06-10T10:15:00-04:00, @twice at 2026-06-10T10:45:00-04:00; " in str(warning.message)
    assert floats(df["twice"])[0] > 2e6
    # Elsewhere nothing is said, and what the warning advises is right.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert floats(s.his_read("@twice", "2026-06-11", interval="1D").iloc[:, 0]) == [2400]
        df = s.his_read("@twice", SPAN, interval="1D", rollover=False)
    assert floats(df["twice"]) == [2400] * 3


def test_a_meter_that_is_set_back_each_morning_is_read_without_a_warning() -> None:
    """A boiler, by the clock of New York over its change; most is counted in the hour of the reset."""
    index = pd.date_range("2025-10-20", "2025-11-20", freq="1h", tz="America/New_York", unit="us")
    used = np.where(np.isin(index.hour, [6, 7]), 100.0, 4.0)
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kWh", "tz": "New_York", "hisTotalized": MARKER}
    database.add({"id": Ref("p"), "dis": "P", **tags, "hisInterval": Number(1, "hr")})
    readings = np.concatenate([np.cumsum(part) for part in np.split(used, np.flatnonzero(index.hour == 7))])
    database.set_history("p", index.asi8, readings)
    with connected(database) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        days = session.his_read("@p", "2025-10-25,2025-11-10", interval="1D")
        hours = session.his_read("@p", "2025-10-25,2025-11-10", interval="1h")
    assert floats(days.iloc[:, 0]) == pytest.approx(floats(hours.iloc[:, 0].resample("1D").sum()))


def test_false_readings_are_left_out_counted_and_said_once(s: hsframe.Session) -> None:
    with pytest.warns(hsframe.ReadWarning, match=r"4 readings of 1 of 2 points are left out.*: @faulty; ") as caught:
        df = s.his_read(["@sound", "@faulty"], SPAN, interval="1D")
    assert len(caught) == 1
    assert floats(df["sound"]) == floats(df["faulty"]) == [2400] * 3
    assert df.hs.catalog["spikes"].to_dict() == {"sound": 0, "faulty": 4}
    assert df.hs.catalog["spikes"].dtype == "int64"
    with pytest.warns(hsframe.ReadWarning):
        hours = s.his_read(["@sound", "@faulty"], SPAN, interval="1h")
    assert floats(hours["faulty"]) == floats(hours["sound"]) == [100] * 72
    # A frame that an older version kept has a table without them.
    df.attrs["hsframe"] = {"read": {"x": {"id": "x", "rows": 1, "status": "ok", "reason": None, "differing": 0}}}
    assert df.hs.catalog["spikes"].tolist() == [0]


@pytest.mark.filterwarnings("ignore::hsframe.ReadWarning")
def test_false_readings_at_the_edges_of_spans_that_follow_one_another(s: hsframe.Session) -> None:
    cuts = ["2026-06-09T00:00", "2026-06-10T10:00", "2026-06-10T10:15", "2026-06-12T00:00", "2026-06-12T12:15"]
    whole = s.his_read("@faulty", (cuts[0], cuts[-1]), interval="15min")
    parts = [s.his_read("@faulty", pair, interval="15min") for pair in itertools.pairwise(cuts)]
    pd.testing.assert_frame_equal(pd.concat(parts), whole)
    assert set(floats(whole["faulty"])) == {25}


def test_a_sum_of_a_part_of_the_month_is_missing(s: hsframe.Session) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        df = s.his_read(["@ten", "@all"], "2026-06", interval="1M")
        assert floats(df["all"]) == [72_000]
        assert df["ten"].isna().all()
        assert floats(s.his_read("@ten", "2026-06", interval="1M", min_coverage=0.3)["ten"]) == [24_000]
        assert floats(s.his_read("@ten", "2026-06-10", interval="1D")["ten"]) == [2400]


def test_days_up_to_now_are_said_to_have_no_whole_row_at_either_end(s: hsframe.Session) -> None:
    with pytest.warns(
        hsframe.GapWarning, match=r"what is between.*last row, from .*T00:00.* is not over yet.*'last14whole"
    ):
        s.his_read("@sound", "-14d", interval="1D")


def test_the_total_of_readings_that_end_before_the_span_says_what_it_needs(s: hsframe.Session) -> None:
    span, day = "2026-06-02,2026-06-10", pd.Timedelta("1D")
    total = pd.DataFrame({"start": [pd.Timestamp("2026-06-02", tz="America/New_York")]})
    total["end"] = total["start"] + 9 * day
    df = s.his_read("@sound", span)
    with pytest.warns(hsframe.GapWarning, match=r"delta of .* both ends.* to 2026-06-10T.*boundary='both'"):
        assert df.hs.over(total, "delta").isna().all(axis=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = s.his_read("@sound", span, boundary="both").hs.over(total, "delta")
        partial = s.his_read("@sound", span, interval="1Y", edges="partial", agg="delta")
        assert floats(whole.iloc[:, 0]) == floats(partial.iloc[:, 0]) != [0]
        assert df.hs.resample("1D", "delta").iloc[:-1].notna().all(axis=None)  # all days but one: nothing is said
        s.his_read("@sound", span, interval="1D", agg="delta")
    with pytest.warns(hsframe.ReadWarning, match=r"agg='delta' of @kw .* its kW have .*'integral' is in kWh"):
        s.his_read("@kw", span, interval="1D", agg={"@kw": "delta"})


def test_a_sum_that_may_be_of_a_part_is_given_and_said_once(s: hsframe.Session) -> None:
    message = r"sums of 1 of 2 points .* is unknown.*\(hisInterval\): @unsaid; "
    with pytest.warns(hsframe.GapWarning, match=message) as caught:
        df = s.his_read(["@unsaid", "@all"], "2026-06", interval="1W")
    assert len([one for one in caught if "hisInterval" in str(one.message)]) == 1
    assert floats(df["unsaid"])[:1] == [7 * 2400]


def test_days_before_the_first_row_are_said_or_given(s: hsframe.Session) -> None:
    span = ("2026-06-10", "2026-07-20")
    with pytest.warns(hsframe.GapWarning, match=r"begins at 2026-06-10T.* first row at 2026-07-01T.* edges='partial'"):
        df = s.his_read("@sound", span, interval="1M")
    assert [str(ts.date()) for ts in df.index] == ["2026-07-01"]
    assert df["sound"].isna().all()  # the last reading is that of 23:45
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pd.testing.assert_frame_equal(s.his_read("@sound", span, interval="1M", edges="whole"), df)
        df = s.his_read(["@sound", "@all"], span, interval="1M", edges="partial")
        assert [str(ts.date()) for ts in df.index] == ["2026-06-10", "2026-07-01"]
        assert floats(df["sound"]) == floats(df["all"]) == [21 * 2400, 20 * 2400]
        s.his_read("@sound", "last2wholeWeeks", interval="1D")
        # Less than a day is counted from midnight whatever the span; and a span that starts an interval lacks nothing.
        s.his_read("@sound", ("2026-06-10T10:07", "2026-06-10T12:00"), interval="1h")
        s.his_read("@sound", "2026-06", interval="1M")


def test_a_month_and_a_day_to_date_have_values() -> None:
    now = pd.Timestamp.now("UTC")
    tz = f"GMT{now.hour - 12:+d}".replace("+0", "")  # GMT+5 is five hours behind; here it is noon
    last = now.floor("15min") - pd.Timedelta("15min")
    ts = pd.date_range(last - pd.Timedelta("40D"), last, freq="15min", unit="us")
    database = Database([], tz=tz)
    point = {"point": MARKER, "his": MARKER, "tz": tz}
    meter = {**point, "kind": "Number", "unit": "kWh", "hisTotalized": MARKER, "hisInterval": Number(15, "min")}
    database.add({**meter, "id": Ref("meter"), "dis": "meter"})
    database.set_history(Ref("meter"), ts.asi8, 1e6 + np.arange(len(ts)))
    database.add({**point, "id": Ref("kw"), "dis": "kw", "kind": "Number", "unit": "kW"})
    database.set_history(Ref("kw"), ts.asi8, np.full(len(ts), 4.0))
    database.add({**point, "id": Ref("fan"), "dis": "fan", "kind": "Bool"})
    database.set_history(Ref("fan"), ts.asi8[:1], [True])
    with connected(database) as s:
        for span, interval in (("thisMonth", "1M"), ("today", "1D"), ("thisMonth", "1D"), ("thisYear", "1M")):
            df = s.his_read(
                ["meter", "kw", "fan"],
                span,
                interval=interval,
                agg={"@meter": ["delta", "coverage"], "@kw": "integral", "@fan": ["duration", "starts"]},
                edges="partial",
            )
            local = now.tz_convert(df.index.tz)
            row = df.loc[: local.to_pydatetime()].iloc[-1]
            begin = local.normalize() if interval == "1D" else local.normalize().replace(day=1)
            quarters = (last - begin) / pd.Timedelta("15min")
            assert row["meter", "delta", ""].val == row["kw", "integral", ""].val == quarters
            assert row["meter", "coverage", ""] == 1
            assert abs(row["fan", "duration", "True"].val - (now - begin) / pd.Timedelta("1h")) < 1
            assert row["fan", "starts", ""] == 0
            # Up to a moment that is just over, as one notes it before the read.
            assert (
                s.his_read("meter", (begin, now), interval=interval, edges="partial")["meter"].iloc[-1].val == quarters
            )
            whole = s.his_read("meter", (begin, now), interval=interval, edges="whole")
            assert whole["meter"].isna().iloc[-1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"edges": "partial"}, r"there is no interval for edges=; give interval= too"),
        ({"interval": "1D", "edges": "half"}, r"edges='half' is unknown; expected 'whole' or 'partial'"),
        ({"interval": "1D", "agg": "max", "min_coverage": 0.5}, r"min_coverage= is for means"),
        ({"interval": "1D", "rollover": 1e9, "agg": "last"}, r"rollover= is for agg='delta'"),
    ],
)
def test_settings_without_a_meaning(s: hsframe.Session, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(hsframe.MetadataError, match=message):
        s.his_read("@sound", SPAN, **settings)
