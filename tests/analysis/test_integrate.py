"""The integral of a frame at hand is that of a read of the same samples."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.analysis.frame_samples import FrameSamples
from hsframe.analysis.lines import line_of
from hsframe.errors import GapWarning, MetadataError, SpanError, UnitError, ZoneError
from hsframe.frame.points import Point
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server

HOUR_US = 3_600_000_000
FIRST_US = 1_793_332_800_000_000  # 2026-10-30T04:00Z, New York's midnight


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER}
    for name, record in {
        "kw": {"kind": "Number", "unit": "kW", "tz": "New_York", "hisInterval": Number(1, "hr")},
        "cov": {"kind": "Number", "unit": "kW", "tz": "New_York", "hisMode": "cov"},
        "fan": {"kind": "Bool", "tz": "New_York"},
        "lon": {"kind": "Number", "unit": "cfm", "tz": "London"},
    }.items():
        database.add({"id": Ref(name), "dis": name, **tags, **record})
    with running_server(database) as running:
        yield running


KEPT = st.lists(st.sampled_from([True, True, True, False]), min_size=120, max_size=120)


@pytest.mark.filterwarnings("ignore::hsframe.errors.GapWarning")  # each day may have a gap
@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(KEPT, st.sampled_from(["kw", "cov", "fan", "lon"]), st.sampled_from(["1D", "6h", "1h"]), st.booleans())
def test_a_frame_gives_what_a_read_gives(
    server: RunningServer, kept: list[bool], name: str, interval: Any, few: bool
) -> None:
    """In all intervals that both know whole; with gaps, over the day of 25 hours, each point in its own zone."""
    there = np.flatnonzero(kept)
    values = np.sqrt(there + 1.0)
    numbers = values > 5 if name == "fan" else values
    server.database.set_history(name, FIRST_US + there * HOUR_US, numbers)
    how: dict[str, Any] = {"min_coverage": 0.5} if few else {}
    with hsframe.connect(server.uri, "demo", "demo") as session:
        read = session.his_read(f"@{name}", "2026-10-30,2026-11-03", interval=interval, agg="integral", **how)
        df = session.his_read(f"@{name}", ("2026-10-28", "2026-11-10"))
    found = df.hs.integrate(interval, **how)
    assert found.hs.units == read.hs.units
    pd.testing.assert_series_equal(df[name].hs.integrate(interval, **how), found[name])
    both = read.index.intersection(found.index)
    ends = both + (pd.offsets.Day(1) if interval == "1D" else pd.Timedelta(interval))
    inside = both[(ends <= df.index[-1]) & (both >= df.index[0])]
    assert len(inside) > 0
    pd.testing.assert_frame_equal(found.loc[inside], read.loc[inside], check_freq=False, check_exact=True)


def hours(rows: int, tz: Any = "America/New_York", **columns: Any) -> pd.DataFrame:
    index = pd.DatetimeIndex(FIRST_US + np.arange(rows) * HOUR_US, dtype="datetime64[us, UTC]", name="ts")
    df = pd.DataFrame(columns or {"P": pd.array(np.ones(rows), dtype="unit[kW]")}, index.tz_convert(tz))
    return hsframe.with_points(df, {}) if tz else df


def test_days_of_25_hours_and_what_the_frame_does_not_know() -> None:
    df = hours(24 + 24 + 25 + 13)
    found = df.hs.integrate()
    assert found["P"].fillna(-1).tolist() == [24.0, 24.0, 25.0, -1]
    assert (found["P"].dtype, found.index.name, str(found.index[3])) == ("unit[kWh]", "ts", "2026-11-02 00:00:00-05:00")
    whole = df.hs.integrate(edges="partial")["P"]
    assert whole.tolist() == [24.0, 24.0, 25.0, 12.0]
    assert df.iloc[5:].hs.integrate()["P"].fillna(-1).tolist() == [24.0, 25.0, -1]
    assert df.iloc[5:].hs.integrate(edges="partial")["P"].iloc[0] == 19.0
    assert df.hs.integrate("1D", min_coverage=0.4)["P"].iloc[3] == 12.0


def test_columns_of_any_label_keep_it_and_their_points() -> None:
    df = hours(49, **{"a": pd.array(np.ones(49), dtype="unit[kW]"), "b": np.ones(49) > 0})
    df.columns = pd.Index([7, ("x", "y")], dtype=object)
    assert df.hs.integrate().columns.tolist() == [7, ("x", "y")]
    assert df.hs.integrate().iloc[0].tolist() == [Number(24, "kWh"), Number(24, "hr")]
    df.columns = pd.MultiIndex.from_tuples([("A", "kW"), ("B", "on")], names=["site", "what"])
    df = hsframe.with_points(df, {("A", "kW"): Point("kw", "The kW", "kW", "New_York", "Number")})
    found = df.hs.integrate()
    assert found.columns.equals(df.columns)
    assert found.hs.points["id"].tolist() == ["kw"]
    twice = hours(49)
    twice.columns = pd.Index([1])
    twice["1"] = 1.0
    with pytest.raises(MetadataError, match="two columns are called '1'"):
        twice.hs.integrate()


def test_a_gap_is_bridged_when_asked() -> None:
    df = hours(25).drop(hours(25).index[3:10])
    assert df.hs.integrate()["P"].isna().tolist() == [True]
    assert df.hs.integrate(max_gap="8h")["P"].tolist() == [24.0]
    with pytest.warns(GapWarning, match=r"the longest gap of P is 1 day, .* max_gap={'P': '25h'}$"):
        hours(49).iloc[::24].hs.integrate()


@pytest.mark.parametrize("name", ["kw", "cov"])
def test_nothing_bridges_what_was_not_read(server: RunningServer, name: str) -> None:
    """A day that nobody read is missing, however long max_gap is, and is not said to be a gap."""
    server.database.set_history(name, FIRST_US + np.arange(96) * HOUR_US, np.arange(96.0))
    with hsframe.connect(server.uri, "demo", "demo") as session:
        days = [session.his_read(f"@{name}", day, header=lambda _: "K") for day in ("2026-10-30", "2026-11-01")]
    df = hsframe.concat(days)
    found = df.hs.integrate(max_gap="100h", min_coverage=0.9)
    assert found["K"].isna().tolist() == [False, True, False]
    alone = [day.hs.integrate(min_coverage=0.9)["K"].iloc[0] for day in days]
    assert found["K"].tolist()[::2] == alone
    if name == "kw":
        message = r"1 of 1 points .*lacks some: K; samples that are NA, left out or not read; take .* min_coverage=0.9$"
        with pytest.warns(GapWarning, match=message):
            df.hs.integrate()


@pytest.mark.parametrize("step", [5, 30])
def test_what_a_warning_of_gaps_advises_is_taken(server: RunningServer, step: int) -> None:
    """By the label of the column, whatever the id of its point is."""
    kept = (
        np.arange(0, 97, step) if step == 30 else np.setdiff1d(np.arange(97), np.arange(2, 96, 24)[:, None] + range(5))
    )
    server.database.set_history("kw", FIRST_US + kept * HOUR_US, np.ones(len(kept)))
    with hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.his_read("@kw", "2026-10-30,2026-11-02", boundary="both", header=lambda _: "K")
    with pytest.warns(GapWarning, match=r"as in max_gap={'K': '\d+.'}") as told:
        assert df.hs.integrate()["K"].isna().all()
    advised = ast.literal_eval(re.search(r"max_gap=({.*?})", str(told[0].message))[1])  # type: ignore[index]
    assert not df.hs.integrate(max_gap=advised)["K"].isna().all()


def test_rows_that_pandas_made_are_an_interval_of_their_own_apart(server: RunningServer) -> None:
    """By the record a sample comes each hour, so a gap of four would not be bridged."""
    server.database.set_history("kw", FIRST_US + np.arange(73) * HOUR_US, np.full(73, 2.0))
    with hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.his_read("@kw", "2026-10-30,2026-10-31")
        means = session.his_read("@kw", "2026-10-30,2026-10-31", interval="1h")
    less = hsframe.with_points(df.iloc[::4], {"kw": "kw"})  # rows that were read, and are not there, are missed
    assert less.hs.integrate(max_gap="4h")["kw"].tolist()[0] == 48.0
    with pytest.warns(hsframe.ReadWarning, match="does not know what was read"):
        assert df.resample("4h").mean().hs.integrate()["kw"].tolist()[0] == 48.0
    assert df.hs.integrate().hs.interval.length == "1D"
    with pytest.raises(MetadataError, match=r"made of intervals of 1h .*agg='integral'"):
        means.hs.integrate()
    assert (means * hsframe.Number(1, "h")).resample("1D").sum().hs.units == {"kw": "kWh"}


@pytest.mark.parametrize(
    ("df", "error", "words"),
    [
        (hours(30, None), ZoneError, "naive"),
        (hours(30).iloc[::-1], MetadataError, "in order"),
        (pd.DataFrame({"P": [1.0]}), MetadataError, "of times"),
        (hours(30, S=["a"] * 30), MetadataError, r"column 'S' is str and has no integral.* df.drop\(columns=\['S'\]\)"),
        (
            hours(
                30, P=np.ones(30), **{"P [na]": pd.Categorical(["null"] * 30), "Q [na]": pd.Categorical(["NA"] * 30)}
            ),
            MetadataError,
            r"column 'P \[na\]' is category .*df.drop\(columns=\['P \[na\]', 'Q \[na\]'\]\)",
        ),
        (hours(30, T=pd.date_range("2026", periods=30)), MetadataError, "column 'T' is datetime64"),
        (hours(30, T=pd.array(np.ones(30), dtype="unit[°F]")), UnitError, "no unit of °F x time"),
        (hours(5).iloc[1:], SpanError, "no interval starts"),
    ],
)
def test_what_has_no_integral_is_refused(df: pd.DataFrame, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        df.hs.integrate()


def test_edges_that_do_not_exist_are_refused() -> None:
    with pytest.raises(MetadataError, match="edges='part' is unknown; expected 'whole' or 'partial'"):
        hours(30).hs.integrate(edges="part")


def test_both_ends_of_intervals_are_no_samples(server: RunningServer) -> None:
    server.database.set_history("kw", FIRST_US + np.arange(73) * HOUR_US, np.full(73, 2.0))
    with hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.his_read("@kw", "2026-10-30,2026-10-31", interval="1h", label="both")
        flags = session.his_read("@kw", "2026-10-30,2026-10-31", na="flag")
    with pytest.raises(MetadataError, match="made of intervals of 1h"):
        df.hs.integrate()
    with pytest.raises(MetadataError, match=r"df.drop\(columns=\['kw \[na\]'\]\)"):
        flags.hs.integrate()


@pytest.mark.parametrize("missing", [1, 5, 11])
def test_the_freq_of_an_index_changes_no_value(missing: int) -> None:
    df = hours(49)
    df.index = pd.date_range("2026-10-30", periods=49, freq="15min", tz="America/New_York", unit="us")
    df.iloc[20 : 20 + missing, 0] = np.nan
    df = hsframe.with_points(df, {})
    plain = df.set_axis(pd.DatetimeIndex(df.index, freq=None))
    pd.testing.assert_frame_equal(df.hs.integrate("12h"), plain.hs.integrate("12h"))


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(st.lists(st.integers(0, 71), min_size=1, unique=True), st.integers(2, 71))
def test_a_column_is_integrated_alone(server: RunningServer, there: list[int], rows: int) -> None:
    """Whatever is beside it: of a read, and of a part of one, as far as its rows go, what holds is that of the read."""
    server.database.set_history("kw", FIRST_US + np.arange(72) * HOUR_US, np.ones(72))
    places = np.sort(there)
    server.database.set_history("cov", FIRST_US + places * HOUR_US, np.sqrt(places + 1.0))
    with hsframe.connect(server.uri, "demo", "demo") as session:
        span = "2026-10-30,2026-11-01T23:00"
        df, alone = session.his_read(["@kw", "@cov"], span), session.his_read("@cov", span)
    beside = df.hs.integrate("1h")["cov"]
    part = df.iloc[:rows].hs.integrate("1h")["cov"]
    pd.testing.assert_series_equal(part, beside.iloc[: rows - 1], check_freq=False)
    if len(alone) > 1:
        found = alone.hs.integrate("1h")["cov"]
        pd.testing.assert_series_equal(beside.reindex(found.index), found, check_freq=False)


def test_what_holds_is_known_to_the_end_of_the_span(server: RunningServer) -> None:
    server.database.set_history("fan", FIRST_US + np.array([0, 1, 30]) * HOUR_US, [True, False, True])
    with hsframe.connect(server.uri, "demo", "demo") as session:
        df = session.his_read("@fan", "2026-10-30,2026-10-31")
        read = session.his_read("@fan", "2026-10-30,2026-10-31", interval="1D", agg="integral")
    assert df.hs.integrate()["fan"].tolist() == [1.0, 18.0]
    pd.testing.assert_frame_equal(df.hs.integrate(), read, check_freq=False)
    with hsframe.connect(server.uri, "demo", "demo") as session:
        both = session.his_read("@fan", "2026-10-30,2026-10-30", boundary="both")
    assert both.hs.integrate()["fan"].tolist()[0] == 1.0
    assert df.iloc[:2].hs.integrate(edges="partial")["fan"].tolist() == [1.0]


DAYS = ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03"]


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(KEPT, st.lists(st.sampled_from(DAYS), min_size=1, max_size=5, unique=True), st.sampled_from(["cov", "fan"]))
def test_nothing_holds_over_days_that_were_not_read(
    server: RunningServer, kept: list[bool], days: list[str], name: str
) -> None:
    """Each day that was read is what the server gives of it, and each other one is not known."""
    there = np.flatnonzero([True, *kept[1:]])
    values = np.sqrt(there + 1.0)
    server.database.set_history(name, FIRST_US + there * HOUR_US, values % 2 > 1 if name == "fan" else values)
    with hsframe.connect(server.uri, "demo", "demo") as session:
        truth = session.his_read(f"@{name}", f"{DAYS[0]},{DAYS[-1]}", interval="1D", agg="integral")
        parts = [session.his_read(f"@{name}", day, boundary="before") for day in days]
    df = hsframe.concat(parts, sort_index=True)
    found = df[~df.index.duplicated()].hs.integrate()
    expected = truth.where(truth.index.strftime("%Y-%m-%d").isin(days)[:, None])  # type: ignore[call-overload]
    # A sample before a day shows that there is none between, so days before it may be known too.
    known = found[name].notna() & expected[name].reindex(found.index).isna()
    pd.testing.assert_frame_equal(
        found[~known], expected.loc[found.index][~known], check_freq=False, check_exact=False, rtol=1e-12
    )
    for day in found.index[known]:
        assert found.loc[day, name] == pytest.approx(truth.loc[day, name])


def test_files_of_two_months_know_nothing_of_the_one_between(server: RunningServer, tmp_path: Path) -> None:
    every = np.arange(24 * -320, 0, dtype=np.int64)
    server.database.set_history("fan", FIRST_US + every * HOUR_US, every % 24 > 15)
    with hsframe.connect(server.uri, "demo", "demo") as session:
        for month in ("2026-01", "2026-03"):
            hsframe.write_parquet(session.his_read("@fan", month, boundary="before"), tmp_path / f"{month}.parquet")
        truth = session.his_read("@fan", "2026-01,2026-03", interval="1M", agg="integral")["fan"].tolist()
    df = hsframe.read_parquet(tmp_path)
    assert df.hs.integrate("1M")["fan"].fillna(-1).tolist() == [truth[0], -1, truth[2]]
    assert [tuple(text[:7] for text in span) for span in df.hs.source["spans"]] == [
        ("2026-01", "2026-02"),
        ("2026-03", "2026-04"),
    ]


@pytest.mark.parametrize("unit", ["kWh", "MWh", "MJ"])
@pytest.mark.parametrize("rollover", [Number(1000), Number(1000, "kWh"), Number(1, "MWh")])
def test_a_register_without_a_unit_is_in_that_of_the_record(unit: str, rollover: Number) -> None:
    """Whatever unit the column is in by now, as its limits are."""
    index = pd.date_range("2026-11-02", periods=4, freq="1h", tz="America/New_York", name="ts")
    df = pd.DataFrame({"m": pd.array([950.0, 990.0, 20.0, 60.0], dtype="unit[kWh]")}, index)
    record = {"id": "m", "kind": "Number", "unit": "kWh", "hisTotalized": MARKER, "hisRollover": rollover}
    counted = hsframe.with_points(df, {"m": record}).hs.to(unit)
    delta = counted.hs.resample("1h", edges="partial").hs.to("kWh")["m"]
    assert delta.astype("float64").tolist() == pytest.approx([40, 30, 40])
    assert line_of(FrameSamples(counted), 0)[1][-1] == pytest.approx(Number(110, "kWh").to(unit).val)


def test_a_register_without_a_unit_fits_plain_numbers() -> None:
    index = pd.date_range("2026-11-02", periods=4, freq="1h", tz="America/New_York", name="ts")
    record = {"id": "m", "kind": "Number", "unit": "kWh", "hisTotalized": MARKER, "hisRollover": Number(1000)}
    plain = hsframe.with_points(pd.DataFrame({"m": [950.0, 990.0, 20.0, 60.0]}, index), {"m": record})
    assert plain.hs.resample("1h", edges="partial")["m"].tolist() == [40, 30, 40]
