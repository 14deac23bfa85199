"""Tidy frames: a row per sample, of any units and kinds, in memory as large as the samples."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hsframe
from hsframe.errors import MetadataError, ZoneWarning
from hsframe.frame import trend
from hsframe.frame.arrow import arrow_to_frame
from hsframe.frame.histories import History
from hsframe.frame.match import match_columns
from hsframe.frame.parquet import read_parquet, write_parquet
from hsframe.frame.points import Point, differing_of, points_of
from hsframe.frame.points_like import as_points
from hsframe.frame.tidy import tidy_table
from hsframe.frame.tracks import tracks_of
from hsframe.frame.trend import trend_frame
from hsframe.kinds import MARKER, NA, Number, Ref, Uri
from hsframe.zones import zone

NAN = float("nan")


def history(
    ident: str, us: list[int], values: list[Any], unit: str | None = None, kind: str | None = "Number", **more: Any
) -> History:
    point = Point(ident, more.pop("dis", ident), unit, more.pop("tz", "New_York"), kind)
    return History(point, np.array(us, dtype=np.int64), values, **more)


def of_all_kinds() -> list[History]:
    return [
        history("b", [0, 1, 2], [Number(1, "kW"), NA, Number(NAN)], "kW", dis="Meter"),
        history("a", [2, 1], [True, False], kind="Bool"),
        history("empty", [], [], "°F"),
        history("s", [0, 1, 2], ["x", NA, "y"], kind="Str"),
        history("c", [0, 1, 2, 3], [Number(1, "kW"), Number(2, "°F"), "t", True], kind=None),
    ]


def test_rows_of_any_units_and_kinds() -> None:
    df = trend_frame(of_all_kinds(), shape="tidy")
    assert [str(dtype) for dtype in df.dtypes] == [
        "category", "datetime64[us, America/New_York]", "float64", "str", "category",
    ]  # fmt: skip
    assert df.columns.tolist() == ["id", "ts", "value", "text", "unit"]
    assert df["id"].tolist() == list("aabbbccccsss")
    assert df["id"].cat.categories.tolist() == ["a", "b", "c", "empty", "s"]
    assert df["id"].cat.categories.dtype == df["unit"].cat.categories.dtype == "str"
    assert pd.DatetimeIndex(df["ts"]).asi8.tolist() == [1, 2, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2]
    np.testing.assert_array_equal(df["value"], [0, 1, 1, NAN, NAN, 1, 2, NAN, 1, NAN, NAN, NAN])
    assert df["text"].fillna("-").tolist() == ["-"] * 7 + ["t", "-", "x", "-", "y"]
    assert df["unit"].astype(object).fillna("-").tolist() == [
        "-", "-", "kW", "kW", "kW", "kW", "°F", "-", "", "-", "-", "-",
    ]  # fmt: skip
    assert df["unit"].cat.categories.tolist() == ["", "kW", "°F"]


def test_kinds_without_a_number_are_texts_as_zinc_writes_them() -> None:
    cells = [date(2024, 1, 31), time(8, 30), Ref("a", "Fan"), Uri("http://x/"), MARKER, Number(1), None]
    cells.append(datetime(2024, 1, 1, tzinfo=zone("London")))
    df = trend_frame([history("a", list(range(len(cells))), cells, kind=None)], shape="tidy")
    assert df["text"].fillna("-").tolist() == [
        "2024-01-31", "08:30:00", '@a "Fan"', "`http://x/`", "M", "-", "2024-01-01T00:00:00Z London",
    ]  # fmt: skip
    assert df["unit"].astype(object).fillna("-").tolist() == [*[""] * 5, "-", ""]  # not the kind of the record


def test_in_arrow_na_is_neither_value_nor_text_and_nan_is_a_value() -> None:
    table = tidy_table(tracks_of(of_all_kinds(), drop_null=True, flags=True), ["b", "a", "empty", "s", "c"])
    assert table.schema.field("ts").type == pa.timestamp("us", "UTC")
    assert table.schema.field("value").type == pa.float64()
    for name in ("id", "text", "unit"):
        assert table.schema.field(name).type == pa.dictionary(pa.int32(), pa.string())
    of_b = table.filter(pa.compute.equal(table["id"].cast(pa.string()), "b"))
    one, na, nan = of_b["value"].to_pylist()
    assert (one, na) == (1, None)
    assert nan != nan
    assert of_b["text"].to_pylist() == [None] * 3
    assert of_b["na"].to_pylist() == [None, "NA", "NaN"]
    of_s = table.filter(pa.compute.equal(table["id"].cast(pa.string()), "s"))
    assert of_s["value"].to_pylist() == [None] * 3
    assert of_s["text"].to_pylist() == ["x", None, "y"]
    # In a frame one is as missing as the other.
    assert trend_frame(of_all_kinds(), shape="tidy")["value"].isna().sum() == 6


def test_no_point_and_no_sample() -> None:
    for histories in ([], [history("a", [], [])]):
        df = trend_frame(histories, shape="tidy")
        assert len(df) == 0
        assert [str(dtype) for dtype in df.dtypes][2:] == ["float64", "str", "category"]
        assert df["id"].cat.categories.tolist() == [one.point.id for one in histories]
    assert str(df["ts"].dtype) == "datetime64[us, America/New_York]"


def test_times_of_several_zones_are_in_utc_or_in_the_zone_that_was_asked_for() -> None:
    two = [history("a", [0], [Number(1)]), history("b", [0], [Number(1)], tz="London")]
    with pytest.warns(ZoneWarning, match="2 time zones"):
        df = trend_frame(two, shape="tidy")
    assert str(df["ts"].dtype) == "datetime64[us, UTC]"
    assert str(trend_frame(two, shape="tidy", tz="Tokyo")["ts"].dtype) == "datetime64[us, Asia/Tokyo]"


def test_the_hour_that_comes_twice_stays_two() -> None:
    first = int(datetime.fromisoformat("2026-11-01T01:30:00-04:00").timestamp()) * 1_000_000
    df = trend_frame([history("a", [first, first + 3_600_000_000], [Number(1), Number(2)])], shape="tidy")
    assert [str(ts) for ts in df["ts"]] == ["2026-11-01 01:30:00-04:00", "2026-11-01 01:30:00-05:00"]


def test_points_that_have_no_id_are_told_apart() -> None:
    two = [history("", [0], [Number(1)], dis="v0"), history("", [0], [Number(2)], dis="v0")]
    df = trend_frame(two, shape="tidy")
    assert df["id"].tolist() == ["v0", "v0 (2)"]


def test_points_come_with_the_rows() -> None:
    twice = history("b", [5, 5], [Number(1, "kW"), Number(2, "kW")], "kW", dis="Meter")
    df = trend_frame([*of_all_kinds()[1:], twice], shape="tidy")
    assert df.hs.points["id"].tolist() == ["a", "empty", "s", "c", "b"]
    assert df.hs.points.loc["b", ["dis", "unit"]].tolist() == ["Meter", "kW"]
    assert differing_of(df) == {"b": 1}
    assert [point.id for point in as_points(df)] == ["a", "empty", "s", "c", "b"]
    assert points_of(df[df["id"] == "b"])["b"].kind == "Number"
    bare = df.copy()
    bare.attrs = {}
    assert bare.hs.points["id"].tolist() == ["a", "b", "c", "s"]
    assert [point.id for point in as_points(bare)] == ["a", "b", "c", "s"]


def test_parquet_keeps_a_tidy_frame_and_other_programs_see_plain_columns() -> None:
    df = trend_frame(of_all_kinds(), shape="tidy")
    for part in (df, df[df["id"] == "b"], df[df["id"] == "empty"]):
        file = io.BytesIO()
        write_parquet_to(file, part)
        found = read_back(file)
        texts = [one.reset_index(drop=True).astype({"unit": "str"}) for one in (found, part)]
        pd.testing.assert_frame_equal(*texts)
        assert found["id"].cat.categories.tolist() == df["id"].cat.categories.tolist()
        assert found["unit"].dtype == "category"
        pd.testing.assert_frame_equal(found.hs.points, df.hs.points)
        table = pq.read_table(file)
        assert [str(field.type).split("<")[0] for field in table.schema] == [
            "dictionary", "timestamp[us, tz=UTC]", "double", "large_string", "dictionary",
        ]  # fmt: skip
        assert table["value"].null_count == part["value"].isna().sum()


def test_the_times_of_a_tidy_file_are_in_utc_and_come_back_in_their_zone(tmp_path: Any) -> None:
    path = tmp_path / "a.parquet"
    for tz in ("Berlin", "UTC"):
        df = trend_frame(of_all_kinds(), shape="tidy", tz=tz)
        write_parquet(df, path)
        assert str(pq.read_schema(path).field("ts").type) == "timestamp[us, tz=UTC]"
        found = read_parquet(path)
        assert found["ts"].dtype == df["ts"].dtype
        assert found["ts"].tolist() == df["ts"].tolist()
        assert type(found["ts"].dt.tz) is type(df["ts"].dt.tz)
    write_parquet(trend_frame(of_all_kinds(), shape="tidy", tz="Berlin"), tmp_path / "b.parquet")
    both = read_parquet([tmp_path / "b.parquet", path])
    assert both["ts"].dtype == "datetime64[us, Europe/Berlin]"
    assert both["ts"].tolist() == df["ts"].tolist() * 2
    naive = df.assign(ts=df["ts"].dt.tz_localize(None))  # changed by hand
    write_parquet(naive, path)
    assert read_parquet(path)["ts"].dtype == naive["ts"].dtype
    write_parquet(trend_frame(of_all_kinds(), shape="tidy", tz="Berlin"), path)
    part = read_parquet(path, columns=["id", "value"])
    assert part.columns.tolist() == ["id", "value"]


def write_parquet_to(file: io.BytesIO, df: pd.DataFrame) -> None:
    pq.write_table(hsframe.frame_to_arrow(df.reset_index(drop=True)), file)


def read_back(file: io.BytesIO) -> pd.DataFrame:
    file.seek(0)
    return arrow_to_frame(pq.read_table(file))


def test_damaged_points_are_named(tmp_path: Any) -> None:
    df = trend_frame(of_all_kinds(), shape="tidy")
    write_parquet(df, tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    bad = table.replace_schema_metadata({**table.schema.metadata, b"hsframe": b'{"version": 1, "points": {"a": 5}}'})
    pq.write_table(bad, tmp_path / "b.parquet")
    with pytest.raises(MetadataError, match=r"'points' .* must be an object of dict"):
        read_parquet(tmp_path / "b.parquet")


def test_what_is_for_columns_says_so() -> None:
    df = trend_frame(of_all_kinds(), shape="tidy")
    with pytest.raises(MetadataError, match=r"shape='wide'.*pivot"):
        hsframe.frame_to_his_grids(df)
    verbs = (df.hs.report, df.hs.describe, df.hs.plot, df.hs.integrate)
    for verb in (*verbs, lambda: df.hs.to("si"), lambda: df.hs.agg({"value": "mean"})):
        with pytest.raises(MetadataError, match=r"units='si'.*groupby"):
            verb()
    kw = df[df["id"] == "b"].pivot(index="ts", columns="id", values="value")
    assert match_columns(kw, {"b": "@b"})["b"].id == "b"
    with pytest.raises(MetadataError, match=r"'tidy' \(long: a row per sample\)"):
        trend_frame([], shape="long")


# How large a wide frame may become -----------------------------------------------------------------------------------


def with_own_instants(points: int, samples: int) -> list[History]:
    return [
        history(str(number), list(range(number, points * samples, points)), [Number(1)] * samples)
        for number in range(points)
    ]


def test_a_wide_frame_of_points_with_own_instants_is_refused_before_it_is_made() -> None:
    """4000 points of 20 samples each would take 2.4 GiB."""
    histories = with_own_instants(4000, 20)
    with pytest.raises(MetadataError, match=r"4000 points.*80,000 rows.*2\.4 GiB.*80,000 samples.*'tidy'.*interval="):
        trend_frame(histories)
    assert len(trend_frame(histories, shape="tidy")) == 80_000


def test_frames_that_are_small_or_full_or_of_one_clock_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trend_frame(with_own_instants(100, 20)).shape == (2000, 100)
    monkeypatch.setattr(trend, "_LARGE_BYTES", 1000)
    with pytest.raises(MetadataError, match="instants of their own"):
        trend_frame(with_own_instants(100, 20))
    assert trend_frame(with_own_instants(9, 20)).shape == (180, 9)  # a ninth is filled
    # One point each second, the others each hour: few cells are filled, and the clock is that of the first.
    every, hourly = list(range(0, 7200)), [0, 3600]
    mixed = [history("fast", every, [Number(1)] * 7200)]
    mixed += [history(f"slow {number}", hourly, [Number(1)] * 2) for number in range(30)]
    assert trend_frame(mixed).shape == (7200, 31)


@pytest.mark.parametrize("header", ["navName", ("equipRef->dis", "navName"), len], ids=str)
def test_names_of_columns_are_refused_and_come_from_the_records(header: Any) -> None:
    with pytest.raises(MetadataError, match=r"header=.* names columns, and a tidy frame has .*df\.merge\(points"):
        trend_frame([], shape="tidy", header=header)
