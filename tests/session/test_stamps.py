"""How rows of values over intervals are stamped, over a socket: starts, ends, both, and local time without a zone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.frame.stamps import Interval
from hsframe.kinds import MARKER, Number
from hsframe.server.database import Database
from tests.session.conftest import small_building
from tests.session.connected import connected, floats

DAYS = ("2026-10-30", "2026-11-02")  # New York's 1 November has 25 hours
ZONES = ["New_York", "London", "Brisbane"]


@pytest.fixture
def s() -> Iterator[hsframe.Session]:
    with connected(small_building()) as session:
        yield session


# Local time -----------------------------------------------------------------------------------------------------------


def portfolio(*zones: str, start: str = "2026-10-01", days: int = 120) -> Database:
    """A meter in each zone that counts one kWh an hour."""
    database = Database([], tz="UTC")
    common = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kWh", "hisTotalized": MARKER}
    hours = np.arange(days * 24, dtype=np.int64)
    for tz in zones:
        ident = hsframe.Ref(tz.lower())
        database.add({**common, "id": ident, "dis": tz, "tz": tz, "hisInterval": Number(1, "h")})
        database.set_history(ident, pd.Timestamp(start, tz="UTC").value // 1000 + hours * 3_600_000_000, hours * 1.0)
    return database


def test_the_months_of_three_sites_are_side_by_side() -> None:
    with connected(portfolio(*ZONES)) as s, warnings.catch_warnings():
        warnings.simplefilter("error")  # they share no zone, and none is warned of
        ids = [f"@{tz.lower()}" for tz in ZONES]
        df = s.his_read(ids, ("2026-11", "2026-12"), interval="1M", tz="local")
        assert df.index.dtype == "datetime64[us]"
        assert df.index.name == "ts"
        assert [str(ts) for ts in df.index] == ["2026-11-01 00:00:00", "2026-12-01 00:00:00"]
        # November of New York is an hour longer.
        assert [floats(df[tz]) for tz in ZONES] == [[721, 744], [720, 744], [720, 744]]
        assert df.hs.points["tz"].tolist() == ZONES
        frames = s.his_read(ids, ("2026-11", "2026-12"), interval="1M", tz="local", shape="dict")
        for tz in ZONES:
            pd.testing.assert_frame_equal(frames[tz], df[[tz]])
        with pytest.raises(hsframe.ZoneError, match="naive"):
            s.his_write(df)


def test_both_ends_in_local_time_where_a_zone_skipped_a_day() -> None:
    """Apia had no 30 December 2011: there the 29th ends where the 31st starts."""
    with connected(portfolio("Apia", "New_York", start="2011-12-20", days=20)) as s:
        with pytest.raises(hsframe.MetadataError, match=r"at one local time end .*shape='dict', or label='start'$"):
            s.his_read(["@apia", "@new_york"], ("2011-12-28", "2012-01-01"), interval="1D", tz="local", label="both")
        assert len(
            s.his_read(["@apia", "@new_york"], ("2011-12-28", "2012-01-01"), interval="1D", tz="local", label="start")
        )


def test_a_day_that_has_no_midnight_has_the_stamp_of_the_others() -> None:
    with connected(portfolio("Sao_Paulo", "New_York", start="2018-10-20", days=40)) as s:
        df = s.his_read(
            ["@sao_paulo", "@new_york"], ("2018-11-03", "2018-11-05"), interval="1D", tz="local", label="both"
        )
    assert [str(ts) for ts in df.index.get_level_values("start")] == [f"2018-11-0{day} 00:00:00" for day in (3, 4, 5)]
    assert [str(ts) for ts in df.index.get_level_values("end")] == [f"2018-11-0{day} 00:00:00" for day in (4, 5, 6)]
    # Both clocks change on the 4th: on in Sao Paulo, back in New York.
    assert floats(df["Sao_Paulo"]) == [24, 23, 24]
    assert floats(df["New_York"]) == [24, 25, 24]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"tz='local' is for his_read with interval= of a day or more"),
        ({"interval": "1h"}, r"interval='1h' is shorter: a clock that is set back shows 01:00 twice"),
        ({"interval": timedelta(hours=12)}, r"is shorter"),
        ({"interval": "1D", "shape": "tidy"}, r"a tidy row has one instant as its time"),
    ],
)
def test_local_time_where_it_would_not_be_clear(s: hsframe.Session, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(hsframe.MetadataError, match=words):
        s.his_read("@kw", DAYS, tz="local", **settings)


def test_samples_have_no_local_time(s: hsframe.Session, tmp_path: Path) -> None:
    with pytest.raises(hsframe.MetadataError, match="tz='local' is for his_read with interval="):
        s.latest("@kw", tz="local")
    with pytest.raises(hsframe.MetadataError, match="tz='local' is for his_read with interval="):
        s.export("@kw", DAYS, tmp_path / "a.parquet", tz="local")


# Starts and ends ------------------------------------------------------------------------------------------------------


def test_rows_by_start_by_end_and_by_both(s: hsframe.Session) -> None:
    start = s.his_read(["@kw", "@fan"], "2026-11-01", interval="6h")
    end = s.his_read(["@kw", "@fan"], "2026-11-01", interval="6h", label="end")
    both = s.his_read(["@kw", "@fan"], "2026-11-01", interval="6h", label="both")
    # 25 hours from midnight: the last interval is the hour that is left.
    assert [str(ts) for ts in end.index] == [
        "2026-11-01 05:00:00-05:00",
        "2026-11-01 11:00:00-05:00",
        "2026-11-01 17:00:00-05:00",
        "2026-11-01 23:00:00-05:00",
        "2026-11-02 00:00:00-05:00",
    ]
    assert end.index.name == "ts"
    pd.testing.assert_frame_equal(start.set_index(end.index), end)
    assert both.index.names == ["start", "end"]
    pd.testing.assert_frame_equal(both.droplevel("end").rename_axis("ts"), start, check_freq=False)
    pd.testing.assert_frame_equal(both.droplevel("start").rename_axis("ts"), end, check_freq=False)
    flat = both.reset_index()
    assert flat.columns.tolist() == ["start", "end", "Power", "Fan"]
    assert flat["end"].dtype == start.index.dtype
    assert flat["Power"].dtype == "unit[kW]"


def test_both_where_the_ends_of_two_zones_differ() -> None:
    # At midnight both are five hours behind UTC; New York's day has 23 hours.
    with connected(portfolio("New_York", "Lima", start="2026-03-01", days=20)) as s, warnings.catch_warnings():
        warnings.simplefilter("ignore", hsframe.ZoneWarning)
        ids, day = ["@new_york", "@lima"], "2026-03-08"
        with pytest.raises(
            hsframe.MetadataError, match=r"label='both': intervals that start at one instant end at diff"
        ):
            s.his_read(ids, day, interval="1D", label="both")
        frames = s.his_read(ids, day, interval="1D", label="both", shape="dict")
        assert [floats(frame.iloc[:, 0]) for frame in frames.values()] == [[23], [24]]
        df = s.his_read(ids, day, interval="1D", label="both", tz="local")
        assert floats(df.iloc[0]) == [23, 24]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"label": "end"}, r"there is no interval for label=; give interval= too"),
        ({"label": "middle", "interval": "1D"}, r"label='middle' is unknown; expected 'start', 'end' or 'both'"),
        ({"label": "both", "interval": "1D", "shape": "tidy"}, r"a tidy row has one instant as its time"),
    ],
)
def test_labels_that_cannot_be(s: hsframe.Session, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(hsframe.MetadataError, match=words):
        s.his_read("@kw", DAYS, **settings)


def test_rows_by_their_ends_are_not_written(s: hsframe.Session) -> None:
    end = s.his_read("@kw", DAYS, interval="1D", label="end")
    words = r"the times are the ends of the intervals of 1D \(label='end'\).*with label='start'.*nothing was written"
    with pytest.raises(hsframe.MetadataError, match=words):
        s.his_write(end)
    with pytest.raises(hsframe.MetadataError, match=words):
        s.his_write(end["Power"], points="@kw")
    tidy = s.his_read("@kw", DAYS, interval="1D", label="end", shape="tidy")
    with pytest.raises(
        hsframe.MetadataError, match=r"tidy frame has values at the ends .*label='start' and shape='wide'"
    ):
        s.his_write(tidy)
    both = s.his_read("@kw", DAYS, interval="1D", label="both")
    for frame in (both, both.droplevel("start")):
        with pytest.raises(hsframe.MetadataError, match=r"df.droplevel\('end'\)"):
            s.his_write(frame)
    by_start = s.his_write(both.droplevel("end"), dry_run=True)
    pd.testing.assert_frame_equal(by_start, s.his_write(s.his_read("@kw", DAYS, interval="1D"), dry_run=True))


# What a row stands for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "length"),
    [
        ("1h", "1h"),
        (" 15 min", "15 min"),
        (timedelta(minutes=15), "15min"),
        (timedelta(hours=6), "6h"),
        (pd.Timedelta("2D"), "2d"),
        (Number(30, "min"), "30min"),
        ("1M", "1M"),
    ],
)
def test_what_a_row_stands_for(s: hsframe.Session, interval: Any, length: str) -> None:
    df = s.his_read("@kw", "2026-11", interval=interval, label="end")
    assert df.hs.interval == Interval(length, "end")
    assert s.his_read("@kw", "2026-11", interval=length).index.equals(
        s.his_read("@kw", "2026-11", interval=interval).index
    )
    assert s.his_read("@kw", DAYS).hs.interval is None


@pytest.mark.parametrize("interval", ["1h", "1D", "1W", "1M"])
def test_it_is_kept_as_attrs_are_and_not_longer(s: hsframe.Session, interval: str) -> None:
    df = s.his_read("@kw", ("2026-06", "2026-11"), interval=interval)
    expected = Interval(interval)
    assert df.hs.interval == expected
    for kept in (df * 2, df.iloc[1:], df.iloc[:1], df.iloc[::-1], df.hs.to("si"), df.copy(), df[["Power"]].ffill()):
        assert kept.hs.interval == expected
    assert hsframe.concat([df, df]).hs.interval == expected
    with pytest.raises(hsframe.MetadataError, match="stand for different intervals"):
        hsframe.concat([df, s.his_read("@kw", DAYS, interval="2h")])
    for parts in ([df, s.his_read("@kw", DAYS)], [s.his_read("@fan", DAYS), df], [df, s.his_read("@fan", DAYS)[:0]]):
        with pytest.raises(
            hsframe.MetadataError, match=r"of frame [01] are samples, and those of frame [01] values over"
        ):
            hsframe.concat(parts)
    # What has no note may be either, and takes none away.
    plain = pd.DataFrame(df.to_numpy(), df.index, df.columns).astype(df.dtypes)
    end = s.his_read("@kw", ("2026-06", "2026-11"), interval=interval, label="end")
    for parts in ([df, plain], [plain, df], [plain, df, plain[:0]]):
        assert hsframe.concat(parts).hs.interval == expected
        assert hsframe.concat([end if part is df else part for part in parts]).hs.interval == Interval(interval, "end")
    assert hsframe.concat([plain, plain]).hs.interval is None
    by_day = s.his_read("@kw", DAYS)
    by_day.attrs.clear()
    assert hsframe.concat([df, by_day]).hs.interval == expected
    # Rows of longer intervals are no such rows any more.
    assert df.resample({"1h": "1D", "1D": "2D", "1W": "2W", "1M": "QS"}[interval]).mean().hs.interval is None
    assert pd.DataFrame({"a": [1]}).hs.interval is None


@pytest.mark.parametrize(
    "settings", [{}, {"label": "end"}, {"label": "both"}, {"label": "both", "tz": "local"}, {"tz": "local"}]
)
def test_parquet_keeps_it(s: hsframe.Session, tmp_path: Path, settings: dict[str, Any]) -> None:
    df = s.his_read(["@kw", "@fan"], DAYS, interval="1D", **settings)
    hsframe.write_parquet(df, tmp_path / "a.parquet")
    back = hsframe.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(back, df)
    assert back.hs.interval == df.hs.interval == Interval("1D", settings.get("label", "start"))
    zones = {str(level.tz) for level in getattr(back.index, "levels", [back.index])}
    assert zones == {"None" if "tz" in settings else "America/New_York"}


@pytest.mark.parametrize("settings", [{"label": "both"}, {"label": "end"}, {"tz": "local"}])
def test_rows_of_intervals_are_drawn_where_they_start_or_are_labelled(
    s: hsframe.Session, settings: dict[str, Any]
) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    df = s.his_read("@kw", DAYS, interval="1D", agg=["mean", "max"], **settings)
    (axis,) = df.hs.plot()
    times = df.index.get_level_values(0)
    for line in axis.lines:
        expected = times if times.tz is None else times.tz_convert(None)
        assert pd.DatetimeIndex(line.get_xdata(orig=True)).tolist() == expected.tolist()
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["Power, mean", "Power, max"]
    pyplot.close("all")
