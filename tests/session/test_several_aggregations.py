"""Several aggregations in one read, over a real socket: their columns, and all that a frame can do with them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hsframe
from tests.session.conftest import small_building
from tests.session.connected import connected, floats

DAY = "2026-11-01"  # 25 hours in New York
SEVERAL = ["mean", "max", "count", "coverage"]


@pytest.fixture
def s() -> Iterator[hsframe.Session]:
    with connected(small_building()) as session:
        yield session


def his_reads(caplog: pytest.LogCaptureFixture) -> int:
    found = sum(" hisRead " in f" {record.getMessage()} " for record in caplog.records)
    caplog.clear()
    return found


def test_the_columns_have_two_levels_in_the_order_given(s: hsframe.Session) -> None:
    df = s.his_read(["@oat", "@kw"], DAY, interval="1D", agg=SEVERAL)
    assert df.columns.names == ["point", "agg"]
    assert df.columns.tolist() == [(name, agg) for name in ("Outside", "Power") for agg in SEVERAL]
    assert df.hs.units["Power", "mean"] == "kW"
    assert df.hs.units["Power", "count"] is None
    assert [str(dtype) for dtype in df["Power"].dtypes] == ["unit[kW]", "unit[kW]", "int64", "float64"]
    # 100 quarters of an hour from 192 on: a line from 192 to 292, whose middle is 242; the largest sample is 291.
    assert floats(df["Power"].iloc[0]) == [242, 291, 100, 1]
    # Each is what a read of it alone gives, and a list of one has two levels too.
    for agg in SEVERAL:
        alone = s.his_read(["@oat", "@kw"], DAY, interval="1D", agg=agg)
        assert alone.columns.tolist() == ["Outside", "Power"]
        pd.testing.assert_frame_equal(df.xs(agg, axis=1, level="agg"), alone, check_names=False)
        pd.testing.assert_frame_equal(
            s.his_read(["@oat", "@kw"], DAY, interval="1D", agg=[agg]), df.loc[:, (slice(None), agg)]
        )


def test_the_samples_are_read_once(s: hsframe.Session, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="hsframe"):
        s.his_read(["@kw", "@fan"], DAY, interval="1D", agg={"@kw": "linear", "@fan": "step"})
        alone = his_reads(caplog)
        s.his_read(
            ["@kw", "@fan"], DAY, interval="1D", agg={"@kw": [*SEVERAL, "linear"], "@fan": ["step", "share", "starts"]}
        )
        assert 0 < his_reads(caplog) <= alone


def test_a_mapping_may_hold_lists(s: hsframe.Session) -> None:
    df = s.his_read(
        ["@kw", "@fan", "@oat"], DAY, interval="1D", agg={"kW": ["min", "integral"], "@fan": ["share", "starts"]}
    )
    assert df.columns.names == ["point", "agg", "state"]
    assert df.columns.tolist() == [
        ("Power", "min", ""),
        ("Power", "integral", ""),
        ("Fan", "share", "False"),
        ("Fan", "share", "True"),
        ("Fan", "starts", ""),
        ("Outside", "mean", ""),  # that of the record
    ]
    assert df.hs.units["Power", "integral", ""] == "kWh"
    # It is true from 00:00 on for a quarter of an hour, 50 times; before midnight it was false.
    assert df["Fan"].iloc[0].tolist() == [0.5, 0.5, 50]
    assert str(df["Fan"]["starts"].dtype) == "Int64"
    flat = s.his_read(["@kw", "@fan"], DAY, interval="1D", agg={"kW": "min", "@fan": "starts"})
    assert flat.columns.tolist() == ["Power", "Fan"]


def test_states_alone_have_a_level_of_their_own(s: hsframe.Session) -> None:
    df = s.his_read(["@fan", "@p:bne:1"], DAY, interval="1D", agg="duration", tz="UTC")
    assert df.columns.names == ["point", "state"]
    assert df.columns.tolist() == [("Fan", "False"), ("Fan", "True"), ("Mode", "auto"), ("Mode", "off")]
    assert df["Mode"].dropna().iloc[0].tolist() == [16.0, 8.0]
    assert (
        s.his_read("@fan", DAY, interval="1D", agg="duration", units={"@fan": "min"})["Fan"].iloc[0].tolist()
        == [750] * 2
    )


def test_a_frame_a_point(s: hsframe.Session) -> None:
    frames = s.his_read(["@kw", "@lon"], DAY, interval="1D", agg=["mean", "count"], shape="dict")
    assert list(frames) == ["Power @kw", "Power @lon"]
    assert frames["Power @lon"].columns.tolist() == [("Power @lon", "mean"), ("Power @lon", "count")]
    assert str(frames["Power @lon"].index.tz) == "Europe/London"
    assert [frame.iloc[0, 1] for frame in frames.values()] == [100, 96]
    assert {str(frame.dtypes.iloc[1]) for frame in frames.values()} == {"int64"}


def test_counts_are_whole_numbers_also_where_other_points_have_rows_alone(s: hsframe.Session) -> None:
    df = s.his_read(["@kw", "@lon"], DAY, interval="1D", agg="count", tz="UTC")
    assert [str(dtype) for dtype in df.dtypes] == ["Int64", "Int64"]
    assert [column.dropna().tolist() for _, column in df.items()] == [[100], [96]]


def test_points_catalog_and_conversions(s: hsframe.Session) -> None:
    df = s.his_read(["@kw", "@fan"], DAY, interval="1D", agg={"@kw": ["count", "mean"], "@fan": ["mean", "duration"]})
    assert df.hs.points.index.tolist() == df.hs.catalog.index.tolist() == ["Power", "Fan"]
    assert df.hs.points["unit"].tolist()[0] == "kW"  # the record's, whatever the columns are in
    assert df.hs.points["kind"].tolist() == ["Number", "Bool"]
    assert df.hs.catalog["rows"].tolist() == [1, 1]
    si = s.his_read(["@kw", "@oat"], DAY, interval="1D", agg=["count", "mean"], units="si")
    assert si.hs.units == {
        ("Power", "count"): None,
        ("Power", "mean"): "kW",
        ("Outside", "count"): None,
        ("Outside", "mean"): "°C",
    }
    pd.testing.assert_frame_equal(
        s.his_read(["@kw", "@oat"], DAY, interval="1D", agg=["count", "mean"]).hs.to("si"), si
    )
    some = s.his_read(["@kw", "@oat"], DAY, interval="1D", agg=["count", "mean"], units={"@kw": "MW", "°F": "°C"})
    assert floats(some["Power"].iloc[0]) == [100, 0.242]
    assert si["Outside"].hs.magnitude().dtypes.tolist() == ["int64", "float64"]
    with pytest.raises(hsframe.UnitError, match=r"°C"):
        s.his_read("@kw", DAY, interval="1D", agg=["count", "mean"], units={"@kw": "°C"})


def test_parquet_keeps_all_of_it(s: hsframe.Session, tmp_path: Path) -> None:
    df = s.his_read(
        ["@kw", "@fan"], DAY, interval="12h", agg={"@kw": ["count", "mean"], "@fan": ["step", "share", "starts"]}
    )
    hsframe.write_parquet(df, tmp_path / "several.parquet")
    back = hsframe.read_parquet(tmp_path / "several.parquet")
    pd.testing.assert_frame_equal(back, df)
    pd.testing.assert_frame_equal(back.hs.points, df.hs.points)


def test_one_of_them_can_be_written_and_several_cannot(s: hsframe.Session) -> None:
    df = s.his_read(["@kw", "@oat"], DAY, interval="1D", agg=["mean", "max"])
    words = r"level 'agg'.*write those of one, as with df.xs\('mean', axis=1, level='agg'\); nothing was written"
    with pytest.raises(hsframe.MetadataError, match=words):
        s.his_write(df)
    report = s.his_write(df.xs("mean", axis=1, level="agg"), dry_run=True)
    with pytest.raises(hsframe.MetadataError, match=r"with df\['mean'\].rename\('@the-id'\); nothing"):
        s.his_write(df["Power"])
    assert s.his_write(df["Power"]["mean"].rename("@kw"), dry_run=True)["id"].tolist() == ["kw"]
    assert report["id"].tolist() == ["kw", "oat"]
    both = s.his_read(["@kw", "@fan"], DAY, interval="1D", agg={"@kw": ["mean"], "@fan": ["share"]})
    with pytest.raises(hsframe.MetadataError, match=words):
        s.his_write(both)
    assert s.his_write(both.xs("mean", axis=1, level="agg"), dry_run=True)["id"].tolist() == ["kw"]
    with pytest.raises(hsframe.MetadataError, match=r"df.xs\('False', axis=1, level='state'\)"):
        s.his_write(s.his_read("@fan", DAY, interval="1D", agg="share"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"agg": ["mean", "starts"]},
            r"agg='starts' of @kw \(Power\) has no meaning: its values are Number; .*agg=\{'@kw'",
        ),
        ({"agg": []}, r"agg must list one aggregation or more, each once; got \[\]"),
        ({"agg": ["max", "mean", "max"]}, r"each once; got \['max', 'mean', 'max'\]"),
        ({"agg": ["max", None]}, r"agg=None is unknown; expected one of avg, "),
        ({"agg": ["max", ["min"]]}, r"agg=\['min'\] is unknown"),
        ({"agg": {"@kw": []}}, r"agg must list one aggregation or more"),
        ({"agg": ["max", "coverage"], "min_coverage": 0.5}, r"min_coverage= .*\(agg: coverage, max\)"),
        ({"agg": ["mean"], "shape": "tidy"}, r"several columns a point"),
        ({"agg": "duration", "shape": "tidy"}, r"several columns a point"),
    ],
)
def test_what_cannot_be(s: hsframe.Session, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(hsframe.MetadataError, match=words):
        s.his_read("@kw", DAY, interval="1D", **settings)


def test_a_start_at_the_first_instant_looks_further_back() -> None:
    database = small_building()
    day = 86_400_000_000
    first = 1_793_505_600_000_000  # 2026-11-01T04:00Z, New York's midnight
    database.set_history(hsframe.Ref("fan"), [first - 30 * day, first], [False, True])
    with connected(database) as s:
        df = s.his_read("@fan", ("2026-11-01", "2026-11-02"), interval="1D", agg=["starts", "duration"])
    assert floats(df["Fan"]["starts"]) == [1, 0]
    assert floats(df["Fan", "duration", "True"]) == [25, 24]


def test_labels_in_levels_have_those_of_aggregations_below_them(s: hsframe.Session, tmp_path: Path) -> None:
    header = ("siteRef->dis", "dis")
    lists = {"kW": ["mean", "count"], "@fan": ["share"]}
    df = s.his_read(["@kw", "@fan"], DAY, interval="12h", agg=lists, header=header)
    assert df.columns.names == ["siteRef->dis", "dis", "agg", "state"]
    assert df.columns.tolist() == [
        ("HQ", "Power", "mean", ""),
        ("HQ", "Power", "count", ""),
        ("HQ", "Fan", "share", "False"),
        ("HQ", "Fan", "share", "True"),
    ]
    assert df.hs.points["id"].tolist() == df.hs.catalog["id"].tolist() == ["kw", "fan"]
    hsframe.write_parquet(df, tmp_path / "levels.parquet")
    back = hsframe.read_parquet(tmp_path / "levels.parquet")
    pd.testing.assert_frame_equal(back, df)
    pd.testing.assert_frame_equal(back.hs.points, df.hs.points)
    assert s.his_write(df.xs("mean", axis=1, level="agg"), dry_run=True)["id"].tolist() == ["kw"]
