"""Degree days against days computed by hand, and against those of real weather taken another way."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.errors import MetadataError, UnitError, ZoneError, ZoneWarning
from hsframe.frame.points import Point, attach
from hsframe.kinds import Number
from hsframe.unit_array.dtype import UnitDtype

METERS = Path(__file__).resolve().parent.parent / "data" / "meters"
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
    df = hourly("2026-01-05", [55] * 24).to_frame()
    attach(df, {"OAT": Point("a", "OAT", "°F", "New_York", "Number")})
    hsframe.degree_days(df[column], 65, "heating")
    with pytest.warns(ZoneWarning, match="those of UTC, and the points are in New_York"):
        hsframe.degree_days(df.tz_convert("UTC")[column], 65, "heating")


def test_what_makes_no_sense_is_refused_in_words():
    temp = hourly("2026-01-05", [55] * 24)
    with pytest.raises(MetadataError, match="kind='warm' is unknown; expected 'heating' or 'cooling'"):
        hsframe.degree_days(temp, 65, "warm")
    with pytest.raises(MetadataError, match="method='ashrae' is unknown; expected"):
        hsframe.degree_days(temp, 65, "heating", method="ashrae")
    with pytest.raises(UnitError, match="'OAT' is in kW; degree days"):
        hsframe.degree_days(hourly("2026-01-05", [1], "kW"), 65, "heating")
    with pytest.raises(UnitError, match="no unit"):
        hsframe.degree_days(temp.astype(float), 65, "heating")
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
