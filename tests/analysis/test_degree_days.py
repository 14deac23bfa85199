"""Degree days against days computed by hand, and against those of real weather taken another way."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.errors import GapWarning, MetadataError, SpanError, UnitError, ZoneError, ZoneWarning
from hsframe.frame.points import Point, attach
from hsframe.frame.stamps import Interval, note_interval, noted_interval
from hsframe.kinds import Number
from hsframe.unit_array.dtype import UnitDtype

METERS = Path(__file__).resolve().parents[2] / "notebooks" / "meters"
NY = "America/New_York"


def hourly(start, values, unit="°F", tz=NY, freq="h"):
    index = pd.date_range(pd.Timestamp(start, tz=tz), periods=len(values), freq=freq, name="ts").as_unit("us")
    return pd.Series(np.asarray(values, dtype=np.float64), index=index, name="OAT", dtype=UnitDtype(unit))


def floats(series):
    return np.asarray(series, dtype=np.float64).tolist()


# 12 hours of 59 °F and 12 of 71 °F to base 65 °F: 6 x 12 / 24 by the hour; the mean and the middle are the base itself.
# Cooling is the same, mirrored. One hour of 35 °F: 30 / 24 + 23 x 1 / 24; mean (35 + 23 x 64) / 24; middle 49.5.
BY_HAND = [
    ([59] * 12 + [71] * 12, "heating", 3.0, 0.0, 0.0),
    ([59] * 12 + [71] * 12, "cooling", 3.0, 0.0, 0.0),
    ([55] * 24, "heating", 10.0, 10.0, 10.0),
    ([55] * 24, "cooling", 0.0, 0.0, 0.0),
    ([35] + [64] * 23, "heating", 53 / 24, 65 - 1507 / 24, 15.5),
    ([80] * 6 + [60] * 18, "cooling", 15 * 6 / 24, 0.0, 5.0),
]


@pytest.mark.parametrize(("values", "kind", "by_hour", "by_mean", "by_middle"), BY_HAND)
def test_a_day_of_each_method(values, kind, by_hour, by_mean, by_middle):
    temp = hourly("2026-01-05", values)
    for method, expected in (("hourly", by_hour), ("daily", by_mean), ("minmax", by_middle)):
        found = hsframe.degree_days(temp, 65, kind, method=method)
        assert str(found.dtype) == "unit[°daysF]"
        assert str(found.index.dtype) == f"datetime64[us, {NY}]"
        assert (found.name, found.index.name) == ("OAT", "ts")
        assert floats(found) == pytest.approx([expected], abs=1e-12)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-03-09", 24), ("2026-11-01", 25)])
def test_a_day_lasts_as_long_as_the_clock_has_it(day, hours):
    temp = hourly(day, [55] * hours)
    assert floats(hsframe.degree_days(temp, 65, "heating")) == [10 * hours / 24]
    assert floats(hsframe.degree_days(temp, 65, "heating", method="daily")) == [10.0]
    assert len(hsframe.degree_days(hourly(day, [55] * (hours + 1)), 65, "heating")) == 2


def test_the_base_is_converted_and_a_plain_one_is_in_the_unit_of_the_column():
    temp = hourly("2026-01-05", [10] * 24, "°C")
    for base in (Number(68, "°F"), Number(20, "°C"), 20, hourly("2026-01-05", [68]).iloc[0]):
        found = hsframe.degree_days(temp, base, "heating")
        assert str(found.dtype) == "unit[°daysC]"
        assert floats(found) == pytest.approx([10.0])
    with pytest.raises(UnitError):
        hsframe.degree_days(temp, Number(3, "kW"), "heating")
    with pytest.raises(UnitError):
        hsframe.degree_days(temp, Number(20, "Δ°C"), "heating")


def test_what_is_not_known_is_missing():
    two_days = hourly("2026-01-05", [55] * 48)
    part = two_days.drop(two_days.index[30:36])  # six hours
    assert np.isnan(floats(hsframe.degree_days(part, 65, "heating"))[1])
    assert floats(hsframe.degree_days(part, 65, "heating", max_gap="7h")) == [10.0, 10.0]
    # 29:00 stands for three hours: 21 of 24 are known.
    assert floats(hsframe.degree_days(part, 65, "heating", min_coverage=0.8)) == [10.0, 10 * 20 / 24]
    assert floats(hsframe.degree_days(part, 65, "heating", method="daily")) == [10.0, 10.0]
    masked = two_days.mask(np.arange(48) == 30)
    assert floats(hsframe.degree_days(masked, 65, "heating")) == [10.0, 10.0]
    begun = two_days.iloc[13:]
    assert np.isnan(floats(hsframe.degree_days(begun, 65, "heating"))).tolist() == [True, False]
    assert np.isnan(floats(hsframe.degree_days(begun, 65, "heating", method="minmax"))).tolist() == [True, False]


def test_a_frame_has_a_column_for_each_and_the_same_days():
    a, b = hourly("2026-01-05", [55] * 24), hourly("2026-01-06", [12] * 24, "°C")
    df = pd.DataFrame({"A": a, "B": b})
    found = hsframe.degree_days(df, Number(65, "°F"), "heating")
    assert found.hs.units == {"A": "°daysF", "B": "°daysC"}
    assert found.index.tolist() == [pd.Timestamp("2026-01-05", tz=NY), pd.Timestamp("2026-01-06", tz=NY)]
    assert found.isna().to_numpy().tolist() == [[False, True], [True, False]]
    assert floats(found["B"])[1] == pytest.approx(65 / 1.8 - 32 / 1.8 - 12)


@pytest.mark.parametrize("empty", [hourly("2026-01-05", []), hourly("2026-01-05", [np.nan])])
def test_without_a_value_there_is_no_day(empty):
    for method in ("hourly", "daily", "minmax"):
        found = hsframe.degree_days(empty, 65, "cooling", method=method)
        assert len(found) == 0
        assert str(found.dtype) == "unit[°daysF]"


@pytest.mark.parametrize("column", ["OAT", ["OAT"]])
def test_days_of_another_zone_than_the_point_s_are_warned_of(column):
    df = hourly("2026-01-05", [55] * 48).to_frame()
    attach(df, {"OAT": Point("a", "OAT", "°F", "New_York", "Number")})
    expected = hsframe.degree_days(df[column], 65, "heating")
    with pytest.warns(ZoneWarning, match="those of UTC, and the points are in New_York"):
        hsframe.degree_days(df.tz_convert("UTC")[column], 65, "heating")
    for tz in ("New_York", NY, ZoneInfo(NY)):
        found = hsframe.degree_days(df.tz_convert("UTC")[column], 65, "heating", tz=tz)
        assert found.index.equals(expected.index)
        assert np.array_equal(found, expected)


def test_the_days_of_an_index_in_utc_without_a_point_are_asked_for():
    temp = hourly("2026-01-05", [55] * 24, tz="UTC")
    with pytest.raises(ZoneError, match=r"in UTC, and no point says which days are meant; say it with tz="):
        hsframe.degree_days(temp, 65, "heating")
    assert floats(hsframe.degree_days(temp, 65, "heating", tz="UTC")) == [10.0]
    halves = hsframe.degree_days(temp, 65, "heating", tz="New_York", min_coverage=0.1)
    assert floats(halves) == pytest.approx([10 * 5 / 24, 10 * 19 / 24])


# Rows that stand for intervals ----------------------------------------------------------------------------------------


def stamped(starts, values, length, label):
    """A frame as his_read gives it with interval= and label=; `starts` has the end of the last row, too."""
    index = starts[1:] if label == "end" else starts[:-1]
    if label == "both":
        index = pd.MultiIndex.from_arrays([starts[:-1], starts[1:]], names=["start", "end"])
    df = pd.DataFrame({"OAT": pd.array(np.asarray(values, dtype=float), dtype=UnitDtype("°F"))}, index=index)
    note_interval(df, Interval(length, label))
    return df


def of_new_york(df):
    over = noted_interval(df)
    attach(df, {"OAT": Point("a", "OAT", "°F", "New_York", "Number")})
    note_interval(df, over)
    return df


@pytest.mark.parametrize("column", ["OAT", ["OAT"]])
@pytest.mark.parametrize("label", ["start", "end", "both"])
@pytest.mark.parametrize("day", ["2026-03-07", "2026-10-31", "2026-07-01"])
def test_hours_count_for_themselves_whatever_names_them(day, label, column):
    starts = pd.date_range(day, pd.Timestamp(day) + pd.Timedelta("3D"), freq="h", tz=NY, unit="us")
    hours = np.arange(len(starts) - 1)
    df = stamped(starts, 50 + 3 * (hours % 7), "1h", label)
    excess = pd.Series(np.maximum(60.0 - df["OAT"].to_numpy(dtype=float), 0), starts[:-1])
    found = hsframe.degree_days(df[column], 60, "heating")
    assert found.index.tolist() == pd.date_range(day, periods=3, tz=NY, unit="us").tolist()
    assert np.asarray(found, dtype=float).ravel() == pytest.approx(
        (excess.groupby(starts[:-1].date).sum() / 24).tolist()
    )


@pytest.mark.parametrize("label", ["start", "end", "both"])
def test_means_of_days_are_the_days_own(label):
    starts = pd.date_range("2026-10-30", periods=5, tz=NY, unit="us")  # the third has 25 hours
    df = stamped(starts, [50, 55, 60, 70], "1D", label)
    found = hsframe.degree_days(df, 65, "heating", method="daily")
    assert floats(found["OAT"]) == [15, 10, 5, 0]
    assert found.index.tolist() == starts[:-1].tolist()
    assert found.hs.interval == Interval("1D", "start")
    unknown = hsframe.degree_days(df.mask(df == 55), 65, "heating", method="daily")
    assert np.isnan(floats(unknown["OAT"])).tolist() == [False, True, False, False]
    for method in ("hourly", "minmax"):
        with pytest.raises(MetadataError, match=f"stand for 1D each, of which method='{method}' cannot be taken"):
            hsframe.degree_days(df, 65, "heating", method=method)
    with pytest.raises(MetadataError, match="stand for 1W each"):
        hsframe.degree_days(stamped(starts[::2], [50, 50], "1W", label), 65, "heating", method="daily")


@pytest.mark.parametrize("column", ["OAT", ["OAT"]])
@pytest.mark.parametrize("label", ["start", "end", "both"])
@pytest.mark.parametrize("is_known", [True, False])
def test_means_of_days_are_of_no_other_days(is_known, label, column):
    """Of days of New York in another index, too; the days of zones with the same midnights are the same."""
    starts = pd.date_range("2026-10-30", periods=5, tz=NY, unit="us")
    df = stamped(starts, [50, 55, 60, 70], "1D", label)
    if is_known:
        df = of_new_york(df)
    wanted = hsframe.degree_days(df[column], 65, "heating", method="daily")
    in_utc = df.tz_convert("UTC", level=0).tz_convert("UTC", level=1) if label == "both" else df.tz_convert("UTC")
    for frame in (df, in_utc):
        for tz in ("New_York", "America/Toronto", ZoneInfo("America/Nassau")):
            found = hsframe.degree_days(frame[column], 65, "heating", method="daily", tz=tz)
            np.testing.assert_array_equal(found, wanted)
        for tz in ("London", "UTC", "Chicago", "Kolkata"):
            for interval in ("1D", "1M"):
                with pytest.raises(ZoneError, match=r"'OAT' stand for days, and not for those of [A-Z].* tz= the zone"):
                    hsframe.degree_days(frame[column], 65, "heating", method="daily", interval=interval, tz=tz)
    if is_known:
        for one in (in_utc, in_utc.iloc[:1], in_utc.iloc[2:3]):
            with pytest.warns(ZoneWarning), pytest.raises(ZoneError, match="not for those of UTC"):
                hsframe.degree_days(one[column], 65, "heating", method="daily")


def test_a_day_that_the_span_has_cut_is_the_day_all_the_same():
    starts = pd.DatetimeIndex(["2026-10-30T09:00", "2026-10-31", "2026-11-01", "2026-11-01T18:00"], tz=NY)
    for label in ("start", "end", "both"):
        df = of_new_york(stamped(starts.as_unit("us"), [50, 55, 60], "1D", label))
        for frame in (df, df.iloc[:1], df.iloc[-1:]):
            found = hsframe.degree_days(frame, 65, "heating", method="daily", tz="New_York")
            assert floats(found["OAT"]) == (65 - frame["OAT"].to_numpy(dtype=float)).tolist()


def test_each_column_must_be_of_the_days():
    starts = pd.date_range("2026-01-05", periods=3, tz=NY, unit="us")
    df = stamped(starts, [50, 55], "1D", "start").rename(columns={"OAT": "A"})
    london = stamped(starts + pd.Timedelta("19h"), [40, 45], "1D", "start")["OAT"]  # its midnights
    both = pd.concat([df, london.rename("B")], axis=1, sort=True)
    note_interval(both, Interval("1D", "start"))
    with pytest.raises(ZoneError, match="'B' stand for days, and not for those of America/New_York"):
        hsframe.degree_days(both, 65, "heating", method="daily", tz="New_York")


@pytest.mark.parametrize("label", ["start", "end", "both"])
def test_an_interval_that_is_missing_is_not_filled_by_the_one_before(label):
    starts = pd.date_range("2026-01-05", periods=49, freq="h", tz=NY, unit="us")
    df = stamped(starts, [55] * 48, "1h", label)
    for gone in (df.drop(df.index[30]), df.mask(np.arange(48)[:, None] == 30)):
        assert np.isnan(floats(hsframe.degree_days(gone, 65, "heating")["OAT"])).tolist() == [False, True]


def test_what_is_known_of_no_day_is_warned_of():
    days = hourly("2026-01-05", [55] * 5, freq="D")
    with pytest.warns(GapWarning, match=r"'OAT' has values, and no row of interval='1D' .* longer max_gap than '3h'"):
        found = hsframe.degree_days(days, 65, "heating", method="daily")
    assert found.isna().all()


def test_of_rows_of_hours_the_days_are_named_and_no_longer_gap_is_advised():
    """A longer max_gap would change nothing: such a row stands for its hour alone."""
    starts = pd.date_range("2026-01-05", periods=24 * 7 + 1, freq="h", tz=NY, unit="us")
    week = stamped(starts, [55] * 24 * 7, "1h", "start").drop(index=starts[[30, 31, 80]])
    with pytest.warns(GapWarning, match=r"too little is known of 2 days \(2026-01-06, 2026-01-08\)") as caught:
        assert hsframe.degree_days(week, 65, "heating", interval="1W").isna().all(axis=None)
    (warning,) = caught
    assert "max_gap" not in str(warning.message)
    assert not hsframe.degree_days(week, 65, "heating", interval="1W", min_coverage=0.9).isna().any(axis=None)


def test_a_local_time_and_a_matrix_are_refused_with_what_to_do():
    temp = hourly("2026-01-05", [55] * 24)
    local = pd.MultiIndex.from_arrays(
        [["HQ"] * 24, temp.index.tz_localize(None), [0] * 24], names=["siteRef", "ts", "fold"]
    )
    matrix = pd.DataFrame({"oat": temp.array}, index=local)
    for wrong in (matrix, matrix.loc["HQ"], matrix["oat"]):
        with pytest.raises(ZoneError, match=r"of the levels .*'ts'.*take one site of index='utc' and say"):
            hsframe.degree_days(wrong, 65, "heating")
    with pytest.raises(ZoneError, match=r"datetime64\[us\] without one; .*tz_localize"):
        hsframe.degree_days(temp.tz_localize(None), 65, "heating")


# Months ---------------------------------------------------------------------------------------------------------------


def test_a_month_is_the_sum_of_its_days_or_missing():
    temp = hourly("2026-01-01", [55] * 24 * (31 + 28 + 15))
    for method in ("hourly", "daily", "minmax"):
        found = hsframe.degree_days(temp, 65, "heating", method=method, interval="1M")
        assert found.index.tolist() == pd.date_range("2026-01-01", periods=3, freq="MS", tz=NY, unit="us").tolist()
        assert floats(found)[:2] == [310.0, 280.0]
        assert np.isnan(floats(found)[2])
    hole = temp.drop(temp.index[24 * 40 : 24 * 40 + 7])
    assert np.isnan(floats(hsframe.degree_days(hole, 65, "heating", interval="1M"))).tolist() == [False, True, True]
    begun = hsframe.degree_days(temp.iloc[24 * 20 :], 65, "heating", interval="1M")
    assert np.isnan(floats(begun)).tolist() == [True, False, True]
    assert begun.to_frame().hs.interval == Interval("1M", "start")
    with pytest.raises(SpanError, match="interval='1h' must be whole days"):
        hsframe.degree_days(temp, 65, "heating", interval="1h")
    with pytest.warns(GapWarning, match="no row of interval='1Y'"):
        assert hsframe.degree_days(temp, 65, "heating", interval="1Y").index[0] == pd.Timestamp("2026-01-01", tz=NY)


@given(st.sampled_from(["1D", "1W", "5D", "1M", "1Q"]), st.integers(0, 90), st.sets(st.integers(0, 2400), max_size=30))
def test_longer_intervals_are_the_sums_of_their_days(interval, first, gone):
    temp = hourly("2025-12-01", 50 + np.arange(2400) % 31).iloc[24 * first :]
    temp = temp.drop(temp.index[[place for place in gone if place < len(temp)]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GapWarning)
        days = hsframe.degree_days(temp, 65, "heating")
        found = hsframe.degree_days(temp, 65, "heating", interval=interval)
    ends = [*found.index[1:], found.index[-1] + pd.Timedelta("400D")]
    for start, end, total in zip(found.index, ends, floats(found), strict=True):
        own = days[(days.index >= start) & (days.index < end)]
        if not np.isnan(total):
            assert not own.isna().any()
            assert total == pytest.approx(np.asarray(own, dtype=float).sum())
    inner = [(start, end) for start, end in zip(found.index, ends[:-1], strict=False) if start >= days.index[0]]
    for start, end in inner:
        own = days[(days.index >= start) & (days.index < end)]
        assert own.isna().any() == np.isnan(float(found[start]))


def test_what_makes_no_sense_is_refused_in_words():
    temp = hourly("2026-01-05", [55] * 24)
    with pytest.raises(MetadataError, match="kind='warm' is unknown; expected 'heating' or 'cooling'"):
        hsframe.degree_days(temp, 65, "warm")
    with pytest.raises(MetadataError, match="method='ashrae' is unknown; expected"):
        hsframe.degree_days(temp, 65, "heating", method="ashrae")
    with pytest.raises(UnitError, match="'OAT' is in kW; degree days"):
        hsframe.degree_days(hourly("2026-01-05", [1], "kW"), 65, "heating")
    for other in (temp.astype(float), temp.astype(str), temp.astype(str).astype("category"), temp > 60):
        with pytest.raises(UnitError, match="no unit"):
            hsframe.degree_days(other, 65, "heating")
    with pytest.raises(ZoneError, match="without one"):
        hsframe.degree_days(temp.tz_localize(None), 65, "heating")
    with pytest.raises(MetadataError, match="comes twice"):
        hsframe.degree_days(pd.concat([temp, temp]), 65, "heating")
    with pytest.raises(MetadataError, match="min_coverage"):
        hsframe.degree_days(temp, 65, "heating", min_coverage=2)


@given(st.lists(st.floats(-40, 120), min_size=24, max_size=24), st.floats(30, 90))
def test_heating_less_cooling_is_the_base_less_the_mean(values, base):
    temp = hourly("2026-01-05", values)
    heating, cooling = (floats(hsframe.degree_days(temp, base, kind))[0] for kind in ("heating", "cooling"))
    assert heating - cooling == pytest.approx(base - np.mean(values), abs=1e-9)
    by_mean = floats(hsframe.degree_days(temp, base, "heating", method="daily"))[0]
    assert by_mean == pytest.approx(max(base - np.mean(values), 0), abs=1e-9)
    assert heating >= by_mean - 1e-9


@pytest.mark.parametrize(("file", "unit", "tz", "base"), [
    ("il-tempF.csv.gz", "°F", "America/Chicago", 65.0),
    ("uk-tempC-sample-0.csv.gz", "°C", "Europe/London", 15.5),
])  # fmt: skip
def test_degree_days_of_real_weather_are_those_of_its_hours_by_local_date(file, unit, tz, base):
    with gzip.open(METERS / file, "rt") as text:
        table = pd.read_csv(text)
    instants = pd.DatetimeIndex(pd.to_datetime(table.iloc[:, -2], utc=True)).tz_convert(tz)
    plain = pd.Series(table.iloc[:, -1].to_numpy(dtype=float), index=instants).dropna().sort_index()
    found = hsframe.degree_days(plain.astype(UnitDtype(unit)), base, "heating")
    hours = (base - plain).clip(lower=0)
    dates = plain.index.date
    sums, counts = hours.groupby(dates).sum() / 24, hours.groupby(dates).count()
    lengths = pd.Series(np.diff(pd.date_range(dates[0], periods=len(sums) + 1, tz=tz)) / pd.Timedelta("1h"), sums.index)
    whole = counts == lengths
    assert whole.sum() > 350
    own = pd.Series(floats(found), index=found.index.date)
    np.testing.assert_allclose(own[whole], sums[whole], rtol=1e-12, atol=1e-12)
