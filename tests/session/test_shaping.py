"""Units, flags, intervals and latest values over a real socket."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.frame.flags import split_flags
from hsframe.frame.points import points_of
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from hsframe.unit_array.dtype import UnitDtype
from tests.session.connected import break_point, connected, floats

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# 2026-10-30T04:00Z, New York's midnight; on 1 November its clocks go back.
FIRST = 1_793_332_800_000_000
NOW = datetime.now(UTC)


def us(text: str, tz: str = "America/New_York") -> int:
    return int(pd.Timestamp(text, tz=tz).timestamp()) * 1_000_000


def building() -> Database:
    database = Database([{"id": Ref("hq"), "dis": "HQ", "site": MARKER, "tz": "New_York"}], tz="New_York")
    common = {"point": MARKER, "his": MARKER, "siteRef": Ref("hq"), "kind": "Number", "tz": "New_York"}
    quarters = FIRST + np.arange(960, dtype=np.int64) * 15 * MINUTE
    numbers = np.arange(960, dtype=np.float64)

    def add(ident: str, dis: str, ts_us: Any, values: Any, na: Any = None, **tags: Any) -> None:
        database.add({**common, "id": Ref(ident), "dis": dis, **tags})
        if ts_us is not None:
            database.set_history(Ref(ident), np.asarray(ts_us, dtype=np.int64), values, na)

    add("kw", "Power", quarters, numbers, unit="kW", hisMode="sampled", power=MARKER)
    add("lon", "London", quarters, numbers, unit="kW", tz="London", power=MARKER)
    add("oat", "Outside", quarters, np.full(960, 50.0), numbers == 5, unit="°F", temp=MARKER)
    add("kwh", "Meter", quarters, (numbers * 10) % 1000, unit="kWh", hisTotalized=MARKER, hisRollover=Number(1, "MWh"))
    add("gas", "Gas", quarters, numbers, unit="m³")
    # Set once, 100 days before, and changed at 10:30 on the day of the change.
    add("sp", "Setpoint", [FIRST - 100 * DAY, us("2026-11-01T10:30")], [70.0, 72.0], unit="°F", hisMode="cov")
    add("fan", "Fan", [FIRST - 3 * DAY, us("2026-11-01T06:00")], [False, True], kind="Bool")
    add("mode", "Mode", [FIRST], ["auto"], kind="Str")
    add("old", "Old", [FIRST - 900 * DAY], [1.0], unit="°F", hisMode="cov")
    database.add(
        {
            "id": Ref("cur"), "dis": "Now", "point": MARKER, "cur": MARKER, "kind": "Number", "unit": "°C",
            "tz": "New_York", "curVal": Number(20, "°C"), "curStatus": "stale",
        }
    )  # fmt: skip
    return database


@pytest.fixture
def s() -> Iterator[hsframe.Session]:
    with connected(building()) as session:
        yield session


# Intervals ------------------------------------------------------------------------------------------------------------


def test_each_point_gets_what_is_right_for_it(s: hsframe.Session) -> None:
    df = s.his_read(["@kw", "@kwh", "@sp", "@fan", "@mode"], "2026-11-01", interval="1h")
    assert len(df) == 25
    assert [str(dtype) for dtype in df.dtypes] == ["unit[kW]", "unit[kWh]", "unit[°F]", "boolean", "category"]
    # The mean over an hour of a line that rises by 1 in each quarter; the hours before the change are 192 quarters.
    assert floats(df["Power"]) == [192 + 4 * hour + 2 for hour in range(25)]
    assert floats(df["Meter"]) == [40] * 25  # from 990 it goes over to 0: its register counts up to 1 MWh
    assert df["Setpoint"].tolist()[:13] == [70] * 12 + [72]
    assert df["Fan"].tolist() == [False] * 7 + [True] * 18
    assert set(df["Mode"]) == {"auto"}


def test_days_are_those_of_each_point(s: hsframe.Session) -> None:
    df = s.his_read("@kwh", ("2026-10-30", "2026-11-02"), interval="1D")
    assert floats(df["Meter"]) == [960, 960, 1000, 960]
    assert [str(ts) for ts in df.index] == [
        "2026-10-30 00:00:00-04:00",
        "2026-10-31 00:00:00-04:00",
        "2026-11-01 00:00:00-04:00",
        "2026-11-02 00:00:00-05:00",
    ]
    with pytest.warns(hsframe.ZoneWarning):
        both = s.his_read(["@kw", "@lon"], "2026-11-01", interval="1D")
    assert [str(ts) for ts in both.index] == ["2026-11-01 00:00:00+00:00", "2026-11-01 04:00:00+00:00"]
    assert both.notna().to_numpy().tolist() == [[False, True], [True, False]]
    frames = s.his_read(["@kw", "@lon"], "2026-11-01", interval="1D", shape="dict")
    assert {label: str(df.index[0]) for label, df in frames.items()} == {
        "Power": "2026-11-01 00:00:00-04:00",
        "London": "2026-11-01 00:00:00+00:00",
    }


def test_the_energy_of_a_day_is_that_of_its_hours_and_of_its_power(s: hsframe.Session) -> None:
    hours = s.his_read("@kw", "2026-11-01", interval="1h", agg="integral")
    day = s.his_read("@kw", "2026-11-01", interval="1D", agg="integral")
    assert hours["Power"].dtype == UnitDtype("kWh")
    assert floats(day["Power"]) == [pytest.approx(sum(floats(hours["Power"])))] == [pytest.approx(25 * (192 + 50))]


def test_spans_that_follow_one_another_give_the_rows_of_the_whole(s: hsframe.Session) -> None:
    ids = ["@kw", "@kwh", "@sp", "@fan", "@oat"]
    cuts = ["2026-10-31T10:07", "2026-11-01T00:30", "2026-11-01T10:40", "2026-11-02T03:00"]
    whole = s.his_read(ids, (cuts[0], cuts[-1]), interval="15min")
    parts = [s.his_read(ids, pair, interval="15min") for pair in itertools.pairwise(cuts)]
    pd.testing.assert_frame_equal(pd.concat(parts), whole)
    assert str(whole.index[0]) == "2026-10-31 10:15:00-04:00"


def test_na_stops_the_line(s: hsframe.Session) -> None:
    df = s.his_read("@oat", ("2026-10-30T01:00", "2026-10-30T02:00"), interval="5min", agg="linear")
    # NA at 01:15: nothing after 01:00 and before 01:30.
    assert df["Outside"].isna().tolist() == [False] + [True] * 5 + [False] * 6


def test_a_value_holds_however_long_ago_it_was_written_but_not_for_ever(s: hsframe.Session) -> None:
    df = s.his_read(["@sp", "@old"], "2026-10-31", interval="6h")
    assert df["Setpoint"].tolist() == [70] * 4
    assert df["Old"].isna().all()
    assert s.his_read("@old", "2026-10-31", interval="6h", max_gap="1000D")["Old"].tolist() == [1] * 4
    assert s.his_read("@sp", "2026-10-31", interval="6h", max_gap="30D")["Setpoint"].isna().all()


def test_nothing_is_made_up_for_the_time_to_come(s: hsframe.Session) -> None:
    end = pd.Timestamp(NOW) + pd.Timedelta("2D")
    df = s.his_read("@fan", (pd.Timestamp(NOW) - pd.Timedelta("1D"), end), interval="1h", max_gap="10000D")
    known = df["Fan"].notna()
    assert df.index[known].max() <= pd.Timestamp.now(UTC) < df.index[~known].min()


def test_counting_up_or_amounts_is_never_guessed(s: hsframe.Session) -> None:
    with pytest.raises(hsframe.MetadataError, match=r"@gas \(Gas\) in m³"):
        s.his_read(["@kw", "@gas"], "2026-11-01", interval="1h")
    df = s.his_read(["@kw", "@gas"], "2026-11-01", interval="1h", agg={"m³": "delta", "Power": "max"})
    assert floats(df["Gas"]) == [4] * 25
    assert floats(df["Power"])[0] == 195


def test_the_other_shapes(s: hsframe.Session) -> None:
    tidy = s.his_read(["@sp", "@kw"], "2026-11-01", interval="12h", shape="tidy")
    assert tidy["id"].tolist() == ["kw"] * 3 + ["sp"] * 3
    assert tidy["value"].tolist()[:2] == [216, 264]
    assert tidy["unit"].tolist()[:2] == ["kW", "kW"]
    df = s.his_read("@kw", "2026-11-01", interval="12h", header="id", tz="UTC")
    assert df.columns.tolist() == ["kw"]
    assert [str(ts) for ts in df.index] == [
        "2026-11-01 04:00:00+00:00",
        "2026-11-01 16:00:00+00:00",
        "2026-11-02 04:00:00+00:00",
    ]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"interval": "7h"}, hsframe.SpanError, "does not divide a day"),
        ({"interval": "1h", "agg": "median"}, hsframe.MetadataError, "agg='median'"),
        ({"interval": "1h", "agg": "sum"}, hsframe.UnitError, "agg='sum' of @kw"),
        ({"interval": "1h", "max_gap": "soon"}, hsframe.SpanError, "max_gap='soon'"),
        ({"interval": "1h", "na": "flag"}, hsframe.MetadataError, "leave one out"),
        ({"agg": "mean"}, hsframe.MetadataError, "give interval= too"),
        ({"rollover": 1e6}, hsframe.MetadataError, "give interval= too"),
        ({"units": "furlong"}, hsframe.MetadataError, "units='furlong'"),
        ({"units": "°C"}, hsframe.UnitError, r"no column converts to '°C' \(celsius\); the units are kW"),
        ({"units": {"°X": "°C"}}, hsframe.MetadataError, "units= names '°X', .*unit of these values, as they are read"),
        ({"units": {"kW": "°C"}}, hsframe.UnitError, "kW cannot be converted to °C"),
        ({"na": "drop"}, hsframe.MetadataError, "na='drop'"),
    ],
)
def test_what_cannot_be(s: hsframe.Session, settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        s.his_read("@kw", "2026-11-01", **settings)


# Units ----------------------------------------------------------------------------------------------------------------


def test_units_of_a_system_or_of_a_mapping(s: hsframe.Session) -> None:
    ids = ["@oat", "@kw", "@fan"]
    native, si = s.his_read(ids, "2026-10-30"), s.his_read(ids, "2026-10-30", units="si")
    assert [str(dtype) for dtype in si.dtypes] == ["unit[°C]", "unit[kW]", "boolean"]
    pd.testing.assert_frame_equal(si, native.hs.to("si"))
    # The catalog says what the record says, so that the way back to the server converts.
    assert points_of(si)["Outside"].unit == "°F"
    mapped = s.his_read(ids, "2026-10-30", units={"°F": "°C", "@kw": "MW"})
    assert [str(dtype) for dtype in mapped.dtypes] == ["unit[°C]", "unit[MW]", "boolean"]
    pd.testing.assert_frame_equal(s.his_read(ids, "2026-10-30", units="°C"), native.hs.to("°C"))
    assert s.latest(ids, units="°C", max_age="9000D")["unit"].tolist()[:2] == ["°C", "kW"]
    tidy = s.his_read("@oat", "2026-10-30", units="si", shape="tidy")
    assert tidy["unit"].unique().tolist() == ["°C"]
    np.testing.assert_array_equal(tidy["value"], floats(si["Outside"]))
    assert str(s.his_read("@oat", "2020", units="si")["Outside"].dtype) == "unit[°C]"
    assert floats(s.his_read("@oat", "2026-10-31", interval="12h", units="si")["Outside"]) == [10, 10]


# Flags ----------------------------------------------------------------------------------------------------------------


def test_a_flag_says_why_a_value_is_missing(s: hsframe.Session) -> None:
    df = s.his_read(["@oat", "@kw"], "2026-10-30", na="flag")
    assert df.columns.tolist() == ["Outside", "Outside [na]", "Power", "Power [na]"]
    values, flags = split_flags(df)
    assert flags["Outside"].tolist()[5] == "NA"
    assert flags["Outside"].notna().sum() == values["Outside"].isna().sum() == 1
    assert flags["Power"].isna().all()
    pd.testing.assert_frame_equal(values, s.his_read(["@oat", "@kw"], "2026-10-30"))


# Latest values --------------------------------------------------------------------------------------------------------


def test_the_latest_value_of_every_point(s: hsframe.Session) -> None:
    before = pd.Timestamp.now("UTC")
    df = s.latest("point").set_index("id")
    read_at = df["ts"] + df["age"]
    assert df["age"].dtype == "timedelta64[us]"
    assert read_at[["kw", "fan", "lon"]].nunique() == 1
    assert before.floor("us") <= read_at["kw"] <= pd.Timestamp.now("UTC")
    assert df.loc[["old", "cur"], "age"].isna().all()
    assert set(df.index) == {"kw", "lon", "oat", "kwh", "gas", "sp", "fan", "mode", "old", "cur"}
    assert df.loc["cur", ["value", "unit", "source", "status"]].tolist() == [Number(20, "°C"), "°C", "cur", "stale"]
    assert df.loc["cur", "ts"] is pd.NaT
    assert df.loc["fan", ["value", "source", "status"]].tolist() == [True, "his", "ok"]
    assert df.loc["fan", "ts"] == pd.Timestamp("2026-11-01T06:00", tz="America/New_York")
    assert df.loc["mode", "value"] == "auto"
    assert df.loc["kw", ["value", "unit"]].tolist() == [Number(959, "kW"), "kW"]
    assert df.loc["old", "status"] == "none"
    assert pd.isna(df.loc["old", ["ts", "value", "source"]]).all()


def test_the_latest_numbers_have_a_unit_and_the_zone_of_the_points(s: hsframe.Session) -> None:
    df = hsframe.latest(["@sp", "@old"], units="si", max_age="2000D")
    assert df["value"].dtype == UnitDtype("°C")
    assert floats(df["value"]) == [pytest.approx((72 - 32) / 1.8), pytest.approx(-31 / 1.8)]
    assert df["unit"].tolist() == ["°C", "°C"]
    assert str(df["ts"].dtype) == "datetime64[us, America/New_York]"
    # A frame of latest values names points, as one of records does.
    assert s.his_read(df, "2026-11-01").columns.tolist() == ["Setpoint", "Old"]


def latest_of(*records: dict[str, Any], **values: float) -> pd.DataFrame:
    database = Database([], tz="UTC")
    for record in records:
        database.add({"point": MARKER, "kind": "Number", "tz": "UTC", **record})
        if (ident := str(record["id"].val)) in values:
            database.set_history(record["id"], np.array([FIRST]), np.array([values[ident]]))
    with connected(database) as session:
        return session.latest("point")


def test_latest_values_of_several_units_compare_as_they_should(tmp_path: Any) -> None:
    warm, cold, none = (
        {"id": Ref(key), "his": MARKER, "unit": unit} for key, unit in (("a", "°F"), ("b", "°C"), ("c", "°F"))
    )
    df = latest_of(warm, cold, none, a=60.0, b=19.0)
    assert df["value"].tolist()[:2] == [Number(60, "°F"), Number(19, "°C")]
    assert df["value"].isna().tolist() == [False, False, True]
    assert (df["value"] > Number(18, "°C")).tolist() == [False, True, False]
    assert df["unit"].tolist() == ["°F", "°C", "°F"]
    with pytest.raises(hsframe.MetadataError, match="columns of objects cannot be written: value; convert"):
        hsframe.write_parquet(df, tmp_path / "latest.parquet")
    # One unit is that of the column, which can be kept; without one they are doubles.
    df = latest_of(warm, none, a=60.0)
    assert str(df["value"].dtype) == "unit[°F]"
    hsframe.write_parquet(df, tmp_path / "latest.parquet")
    pd.testing.assert_frame_equal(hsframe.read_parquet(tmp_path / "latest.parquet"), df)
    assert latest_of({"id": Ref("n"), "his": MARKER}, n=3.0)["value"].dtype == np.float64
    assert latest_of({"id": Ref("n"), "his": MARKER})["value"].dtype == np.float64


def test_a_point_without_a_history_and_a_present_value_has_a_row(s: hsframe.Session) -> None:
    df = latest_of({"id": Ref("a"), "his": MARKER, "unit": "kW"}, {"id": Ref("x")}, a=3.0)
    assert df[["id", "status"]].to_numpy().tolist() == [["a", "ok"], ["x", "none"]]
    assert floats(df["value"])[:1] == [3.0]


def test_a_last_sample_that_is_na_is_said(s: hsframe.Session) -> None:
    database = Database([], tz="UTC")
    tags = {"id": Ref("a"), "point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "UTC"}
    database.add(tags)
    database.set_history(Ref("a"), np.array([FIRST, FIRST + HOUR]), np.array([1.0, 2.0]), np.array([False, True]))
    with (
        running_server(database) as server,
        hsframe.connect(server.uri, server.user, server.password) as other,
    ):
        row = other.latest("@a").iloc[0]
    assert (row["source"], row["status"]) == ("his", "NA")
    assert np.isnan(row["value"])
    assert row["ts"] == pd.Timestamp(FIRST + HOUR, unit="us", tz="UTC")


def test_an_unknown_point_is_no_row_that_is_left_out(s: hsframe.Session) -> None:
    with pytest.raises(hsframe.UnknownRecError, match="@nope"):
        s.latest(["@kw", "@nope"])


def test_a_point_that_cannot_be_read_leaves_the_others_their_latest_values() -> None:
    database = building()
    break_point(database, "oat")
    with connected(database) as session:
        wanted = session.latest(["@kw", "@cur"])
        for refused in (session.latest, session.his_read):
            with pytest.raises(hsframe.CallError, match=r"@oat \(Outside\).*the disk is broken"):
                refused(["@kw", "@oat"], **({"span": "2026-10-30"} if refused == session.his_read else {}))
        text = r"^2 of 4 points could not be read and have no value: @nope, @oat.*hs\.catalog"
        with pytest.warns(hsframe.ReadWarning, match=text) as caught:
            df = session.latest(["@kw", "@oat", "@nope", "@cur"], on_error="warn")
        assert caught[0].filename == __file__
        quiet = session.latest(["@kw", "@oat", "@nope", "@cur"], on_error="catalog")
        with pytest.raises(hsframe.MetadataError, match="on_error='ignore' is unknown"):
            session.latest("@kw", on_error="ignore")  # type: ignore[arg-type]
        nothing = session.latest("@nope", on_error="catalog")
    assert (nothing["status"].tolist(), str(nothing["ts"].dtype)) == (["failed"], "datetime64[us, UTC]")
    pd.testing.assert_frame_equal(quiet.drop(columns="age"), df.drop(columns="age"))
    assert df["id"].tolist() == ["kw", "oat", "cur", "nope"]
    assert df["status"].tolist() == ["ok", "failed", "stale", "failed"]
    assert df.loc[df["status"] == "failed", ["ts", "age", "value", "source"]].isna().all(axis=None)
    assert df["value"].iloc[[0, 2]].tolist() == wanted["value"].tolist()
    catalog = df.hs.catalog
    assert catalog["status"].to_dict() == {"kw": "ok", "oat": "failed", "cur": "empty", "nope": "failed"}
    assert catalog["rows"].tolist() == [1, 0, 0, 0]
    assert "the disk is broken" in catalog.loc["oat", "reason"]
    assert "there is no record of @nope" in catalog.loc["nope", "reason"]
    assert catalog["reason"].isna().tolist() == [True, False, True, False]


@pytest.mark.parametrize("quirks", [[], ["first-id-only"]])
def test_a_point_whose_history_is_refused_shows_no_present_value(quirks: list[str]) -> None:
    """Of a server that answers no batches each point is asked for alone."""
    database = Database([], tz="UTC")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "tz": "UTC", "curVal": Number(7)}
    for ident in ("a", "b"):
        database.add({"id": Ref(ident), **tags})
        database.set_history(Ref(ident), np.array([FIRST]), np.array([1.0]))
    break_point(database, "b")
    with (
        running_server(database, quirks=quirks) as server,
        hsframe.connect(server.uri, server.user, server.password) as session,
    ):
        df = session.latest("point", on_error="catalog", max_age="2000D").set_index("id")
    assert df["status"].to_dict() == {"a": "ok", "b": "failed"}
    assert df["value"].tolist()[0] == 1
    assert df["value"].isna().tolist() == [False, True]


# Any server -----------------------------------------------------------------------------------------------------------

ALL = ["@kw", "@kwh", "@sp", "@fan", "@mode", "@oat"]


@pytest.mark.parametrize(
    "quirks",
    [["rowcap=100"], ["first-id-only"], ["start-exclusive"], ["extra-samples", "reversed-rows"], ["ignore-range"]],
)
def test_every_server_gives_the_same_intervals(s: hsframe.Session, quirks: list[str]) -> None:
    wanted = s.his_read(ALL, ("2026-10-31", "2026-11-02"), interval="20min")
    latest = s.latest(ALL)
    with (
        running_server(building(), quirks=quirks) as server,
        hsframe.connect(server.uri, server.user, server.password) as other,
    ):
        pd.testing.assert_frame_equal(other.his_read(ALL, ("2026-10-31", "2026-11-02"), interval="20min"), wanted)
        pd.testing.assert_frame_equal(other.latest(ALL).drop(columns="age"), latest.drop(columns="age"))


def test_what_is_looked_for_further_back_is_asked_for_together(
    s: hsframe.Session, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="hsframe"):
        df = s.his_read(["@sp", "@fan", "@mode", "@old"], "2026-10-30", interval="1h")
    reads = [record for record in caplog.records if record.name == "hsframe" and "hisRead" in record.getMessage()]
    # The day and the one before it: two points of change of value together, and the two others; then in batches 8, 40
    # and 400 days back, for ever fewer of them.
    assert len(reads) == 2 + 3
    assert df.notna().all().tolist() == [True, True, True, False]


def test_samples_that_are_too_far_apart_are_said() -> None:
    database = Database([], tz="UTC")
    tags = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kWh", "tz": "UTC", "hisTotalized": MARKER}
    database.add({**tags, "id": Ref("daily")})
    database.set_history(Ref("daily"), FIRST + np.arange(10) * DAY, np.arange(10.0) * 24)
    database.add({**tags, "id": Ref("none")})
    with (
        running_server(database) as server,
        hsframe.connect(server.uri, server.user, server.password) as s,
    ):
        with pytest.warns(hsframe.GapWarning, match=r"1 of 2 points .* the longest gap of @daily is 1 day, 0:00:00"):
            df = s.his_read(["@daily", "@none"], ("2026-11-01", "2026-11-03"), interval="1D")
        assert df.isna().all(axis=None)
        df = s.his_read(["@daily", "@none"], ("2026-11-01", "2026-11-03"), interval="1D", max_gap={"@daily": "25h"})
    assert floats(df["daily"]) == [24, 24, 24]


def test_times_in_a_column_show_that_they_are_in_utc(s: hsframe.Session) -> None:
    points = ["@kw", "@lon"]
    with warnings.catch_warnings(action="error"):
        tables = {"ts": s.latest(points), "at": s.latest(points, at="2026-11-01"), "first": s.inventory(points)}
    assert {str(table[name].dt.tz) for name, table in tables.items()} == {"UTC"}
    words = "so their one frame has column ts in UTC; choose a zone with tz="
    with pytest.warns(hsframe.errors.ZoneWarning, match=words) as caught:  # whose rows are grouped by days, say
        s.his_read(points, "2026-11-01", shape="tidy")
    assert "dict" not in str(caught[0].message)
    assert str(s.latest(["@kw", "@lon"], tz="New_York")["ts"].dt.tz) == "America/New_York"


@pytest.mark.parametrize("given", [None, 3, ["@kw"]])
def test_what_is_no_filter_is_refused_in_words(s: hsframe.Session, given: Any) -> None:
    with pytest.raises(hsframe.MetadataError, match=r"filter must be a text, as 'point and temp'; got .*read_by_ids"):
        s.read(given)
