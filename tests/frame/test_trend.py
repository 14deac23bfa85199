"""Histories to frames: shapes, dtypes, order, duplicates, zones, names."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hsframe.columns import BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import CallError, MetadataError, ReadWarning, ZoneError, ZoneWarning
from hsframe.frame.convert import grid_to_frame
from hsframe.frame.histories import History, grid_histories, is_history
from hsframe.frame.points import Point, differing_of, points_of
from hsframe.frame.trend import trend_frame
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, Number, Ref
from hsframe.unit_array.dtype import UnitDtype
from hsframe.zones import zone

NY = zone("New_York")
NOON = datetime(2024, 5, 1, 12, tzinfo=NY)
STEP = timedelta(minutes=15)
NOON_US = int(NOON.timestamp()) * 1_000_000
STEP_US = 900_000_000


def times(count, start=NOON):
    return [start + STEP * number for number in range(count)]


def single(values, point=None, meta=None, ts=None):
    grid = Grid(meta or {"id": Ref("a", "Meter")}, ["ts", "val"], [ts or times(len(values)), values])
    return grid_to_frame(grid, point)


def history(ident, us, values, *, tz="New_York", dis="", unit=None, kind="Number", sparse=False):
    column = values if not isinstance(values, np.ndarray) else NumberColumn(pa.array(values), unit)
    return History(Point(ident, dis or ident, unit, tz, kind), np.array(us, dtype=np.int64), column, sparse)


# One history -------------------------------------------------------------------------------------------------------


def test_a_single_history_is_a_frame_with_a_zone_and_a_unit():
    df = single([Number(1, "kW"), Number(2.5, "kW")])
    assert df.columns.tolist() == ["Meter"]
    assert df.index.name == "ts"
    assert str(df.index.dtype) == "datetime64[us, America/New_York]"
    assert isinstance(df.index.tz, ZoneInfo)
    assert df.index.tolist() == times(2)
    assert df["Meter"].dtype == UnitDtype("kW")
    assert np.asarray(df["Meter"], dtype=float).tolist() == [1, 2.5]
    assert points_of(df) == {"Meter": Point("a", "Meter", "kW", "New_York", "Number")}


def test_every_row_is_kept_and_what_is_missing_is_nan():
    df = single([Number(1, "kW"), None, NA, Number(float("nan")), Number(float("inf")), Number(float("-inf"))])
    assert df["Meter"].dtype == UnitDtype("kW")
    np.testing.assert_array_equal(np.asarray(df["Meter"], dtype=float), [1, np.nan, np.nan, np.nan, np.inf, -np.inf])


def test_a_point_without_a_unit_is_plain_float64():
    df = single([Number(1), NA])
    assert df["Meter"].dtype == np.float64


def test_values_without_any_unit_take_that_of_the_record():
    df = single([Number(1), Number(2)], Point("a", "M", "kW", "New_York", "Number"))
    assert df["M"].dtype == UnitDtype("kW")


def test_values_keep_their_own_unit_where_the_record_has_another():
    df = single([Number(1, "kW"), Number(2, "kW")], Point("a", "M", "MW", "New_York", "Number"))
    assert df["M"].dtype == UnitDtype("kW")
    assert points_of(df)["M"].unit == "MW"


def test_several_units_stay_numbers_each_with_its_own():
    values = [Number(1, "kW"), Number(2, "MW"), None, Number(float("inf"))]
    df = single(values)
    assert df["Meter"].dtype == object
    assert df["Meter"].iloc[0] == Number(1, "kW")
    assert df["Meter"].iloc[1] == Number(2, "MW")
    assert pd.isna(df["Meter"].iloc[2])
    assert df["Meter"].iloc[3] == Number(float("inf"))


@pytest.mark.parametrize(("unit", "mixed"), [("kW", False), ("MW", True), (None, True)])
def test_a_bare_number_beside_a_unit_takes_it_only_if_it_is_the_records(unit, mixed):
    df = single([Number(1, "kW"), Number(2)], Point("a", "M", unit, "New_York", "Number"))
    assert (df["M"].dtype == object) is mixed
    assert mixed or df["M"].dtype == UnitDtype("kW")


def test_the_records_spelling_of_a_unit_is_kept():
    df = single([Number(1, "fahrenheit")], Point("a", "M", "°F", "New_York", "Number"))
    assert df["M"].dtype == UnitDtype("°F")


def test_two_spellings_of_one_unit_are_one():
    df = single([Number(1, "kW"), Number(2, "kilowatt")], Point("a", "M", "kW", "New_York", "Number"))
    assert df["M"].dtype == UnitDtype("kW")


def test_bool_and_str_histories():
    df = single([True, None, False, NA])
    assert df["Meter"].dtype == "boolean"
    assert df["Meter"].tolist() == [True, pd.NA, False, pd.NA]
    df = single(["on", "auto", NA, "on"])
    assert df["Meter"].dtype == "category"
    assert df["Meter"].cat.categories.tolist() == ["auto", "on"]
    assert df["Meter"].astype(object).where(df["Meter"].notna(), None).tolist() == ["on", "auto", None, "on"]


def test_kinds_mixed_in_one_history_stay_what_they_are():
    df = single([True, "x", Number(1, "kW"), None])
    assert df["Meter"].dtype == object
    assert df["Meter"].tolist()[:3] == [True, "x", Number(1, "kW")]
    assert pd.isna(df["Meter"].iloc[3])


@pytest.mark.parametrize(
    ("kind", "unit", "dtype"),
    [
        ("Number", "kW", UnitDtype("kW")),
        ("Number", None, "float64"),
        ("Bool", None, "boolean"),
        (None, None, "float64"),
    ],
)
@pytest.mark.parametrize("values", [(), (None, NA), NumberColumn(pa.nulls(2, pa.float64()))])
def test_without_a_value_the_record_says_what_the_column_is(kind, unit, dtype, values):
    df = single(values, Point("a", "M", unit, "New_York", kind), ts=times(len(values)))
    assert df["M"].dtype == dtype
    assert str(df.index.tz) == "America/New_York"
    assert df["M"].isna().all()


def test_without_a_value_a_str_point_is_a_category():
    df = single([None], Point("a", "M", None, "New_York", "Str"))
    assert df["M"].dtype == "category"


def test_arrow_columns_give_the_same_frame_as_objects():
    us = pa.array([NOON_US + STEP_US * n for n in range(4)])
    na = pa.array([False, False, True, False])
    columns = {
        "n": (NumberColumn(pa.array([1.5, 2.0, None, None]), "kW", na), [Number(1.5, "kW"), Number(2, "kW"), NA, None]),
        "b": (BoolColumn(pa.array([True, False, None, None]), na), [True, False, NA, None]),
        "s": (StrColumn(pa.array(["x", "y", None, None]), na), ["x", "y", NA, None]),
        "d": (StrColumn(pa.array(["x", "y", None, None]).dictionary_encode(), na), ["x", "y", NA, None]),
        "c": (NumberColumn(pa.chunked_array([[1.5, 2.0], [None, None]], pa.float64()), "kW"), None),
    }
    for name, (column, objects) in columns.items():
        arrow = single(column, ts=TimeColumn(us, "New_York"))
        plain = single(list(column) if objects is None else objects)
        pd.testing.assert_frame_equal(arrow, plain, obj=name)


STEPS = {
    "reductions": lambda df: df.agg(["sum", "mean", "min", "max", "std", "median"]),
    "quantile": lambda df: df["x"].quantile([0.1, 0.5]),
    "rank": lambda df: df["x"].rank(),
    "sort": lambda df: df.sort_values("x"),
    "groupby": lambda df: df.groupby(df.index.minute).mean(),
    "groupby transform": lambda df: df.groupby(df.index.minute).cumsum(),
    "resample": lambda df: df.resample("1h").max(),
    "rolling": lambda df: df["x"].astype("float64").rolling(2).mean(),
    "interpolate": lambda df: df["x"].interpolate(),
    "ffill": lambda df: df.ffill(),
    "fillna": lambda df: df.fillna(0.0),
    "cumsum": lambda df: df["x"].cumsum(),
    "diff": lambda df: df["x"].diff(),
    "shift": lambda df: df.shift(1),
    "unique": lambda df: pd.Series(df["x"].unique()),
    "counts": lambda df: df["x"].value_counts(),
    "isin": lambda df: df["x"].isin([1.0]),
    "clip": lambda df: df["x"].clip(2.0, 3.0),
    "where": lambda df: df["x"].where(df.index.minute > 0),
    "arithmetic": lambda df: df["x"] * 2 + df["x"],
    "join": lambda df: df.merge(df, on="ts"),
    "reindex": lambda df: df.reindex(df.index[::-1]),
    "describe": lambda df: df.describe(),
}


@pytest.mark.parametrize("step", STEPS)
def test_memory_of_arrow_is_as_good_as_ones_own(step):
    values = [2.5, None, 1.0, 4.0, 1.0]
    times = TimeColumn(pa.array([NOON_US + STEP_US * n for n in range(5)]), "New_York")
    frame = single(NumberColumn(pa.chunked_array([pa.array([2.5, float("nan"), 1.0, 4.0, 1.0])]), "kW"), ts=times)
    frame.columns = ["x"]
    assert not frame["x"].array._data.flags.writeable
    own = pd.DataFrame({"x": pd.array(values, dtype=UnitDtype("kW"))}, index=frame.index)
    got, expected = STEPS[step](frame), STEPS[step](own)
    same = pd.testing.assert_frame_equal if isinstance(got, pd.DataFrame) else pd.testing.assert_series_equal
    same(got, expected)


def test_a_frame_can_be_written_into_although_arrow_cannot():
    us = pa.array([NOON_US, NOON_US + STEP_US])
    for unit in (None, "kW"):
        values = pa.array([1.0, 2.0])
        df = single(NumberColumn(values, unit), ts=TimeColumn(us, "New_York"))
        kept = df.copy(deep=False)
        df.iloc[0, 0] = np.nan
        df.loc[df.index[1], "Meter"] = 7
        df.fillna(5.0, inplace=True)
        assert df["Meter"].tolist() == [5.0, 7.0]
        assert kept["Meter"].tolist() == [1.0, 2.0]
        assert values.to_pylist() == [1.0, 2.0]


# Order and duplicates ----------------------------------------------------------------------------------------------


def test_rows_are_sorted_and_of_equal_instants_the_last_wins_and_differences_are_counted():
    us = [NOON_US + STEP_US, NOON_US, NOON_US + STEP_US, NOON_US + STEP_US, NOON_US]
    df = trend_frame([history("a", us, np.array([1.0, 2, 3, 4, 2]))])
    assert df.index.asi8.tolist() == [NOON_US, NOON_US + STEP_US]
    assert df["a"].tolist() == [2.0, 4.0]
    assert differing_of(df) == {"a": 2}


def test_lost_rows_are_counted_a_few_at_a_time(monkeypatch):
    rng = np.random.default_rng(3)
    us, values = rng.integers(0, 20, 200), rng.integers(0, 3, 200).astype(float)
    winners = dict(zip(us.tolist(), values.tolist(), strict=True))
    lost = sum(winners[at] != value for at, value in zip(us.tolist(), values.tolist(), strict=True))
    monkeypatch.setattr("hsframe.frame.tracks._COMPARED_ROWS", 7)
    df = trend_frame([history("a", us, values)])
    assert dict(zip(df.index.asi8.tolist(), df["a"].tolist(), strict=True)) == dict(sorted(winners.items()))
    assert differing_of(df) == {"a": lost}


def test_the_newest_first_is_turned_round():
    df = trend_frame([history("a", [4, 3, 1], np.array([1.0, 2, 3]), unit="kW")])
    assert df.index.asi8.tolist() == [1, 3, 4]
    assert np.asarray(df["a"], dtype=float).tolist() == [3, 2, 1]
    assert differing_of(df) == {}


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ([Number(1, "kW"), Number(1, "kW")], 0),
        ([NA, None], 0),
        ([NA, Number(1)], 1),
        ([Number(1, "kW"), Number(1, "MW")], 1),
        ([True, True], 0),
        ([True, False], 1),
        (["x", None], 1),
        (["x", "x"], 0),
        (["x", Number(1)], 1),
    ],
)
def test_what_counts_as_a_differing_value(values, count):
    df = trend_frame([history("a", [NOON_US, NOON_US], values, kind=None)])
    assert len(df) == 1
    assert differing_of(df).get("a", 0) == count
    expected = values[1]
    got = df["a"].iloc[0]
    missing = expected is None or expected is NA
    assert pd.isna(got) if missing else got == expected or got == expected.val


def test_windows_of_one_point_are_joined_and_the_later_wins():
    parts = [
        history("a", [0, 1, 2], np.array([1.0, 2, 3]), unit="kW"),
        history("b", [0, 3], np.array([7.0, 8])),
        history("a", [2, 3], np.array([30.0, 4]), unit="kW"),
    ]
    df = trend_frame(parts)
    assert df.columns.tolist() == ["a", "b"]
    assert df.index.asi8.tolist() == [0, 1, 2, 3]
    assert np.asarray(df["a"], dtype=float).tolist() == [1, 2, 30, 4]
    assert df["a"].dtype == UnitDtype("kW")
    np.testing.assert_array_equal(df["b"], [7, np.nan, np.nan, 8])
    assert differing_of(df) == {"a": 1}


def test_windows_join_across_kinds_of_columns():
    point = Point("a", "a", "kW", "New_York", "Number")
    parts = [
        History(point, np.array([0]), NumberColumn(pa.array([1.0]), "kW")),
        History(point, np.array([1]), [Number(2, "kW")]),
        History(point, np.array([2]), [None]),
        History(point, np.array([3]), NumberColumn(pa.array([float("inf")]), None)),
        History(point, np.array([], dtype=np.int64), ()),
    ]
    df = trend_frame(parts)
    assert df["a"].dtype == UnitDtype("kW")
    np.testing.assert_array_equal(np.asarray(df["a"], dtype=float), [1, 2, np.nan, np.inf])


def test_windows_in_different_units_are_never_mixed():
    df = trend_frame([history("a", [0], np.array([1.0]), unit="kW"), history("a", [1], np.array([2.0]), unit="MW")])
    assert df["a"].tolist() == [Number(1, "kW"), Number(2, "MW")]


def test_windows_of_str_and_bool():
    df = trend_frame(
        [
            History(Point("s", "s"), np.array([0, 1]), StrColumn(pa.array(["b", "a"]).dictionary_encode())),
            History(Point("s", "s"), np.array([2]), ["c"]),
            History(Point("b", "b"), np.array([0, 1]), BoolColumn(pa.array([True, None]))),
            History(Point("b", "b"), np.array([2]), [NA]),
        ]
    )
    assert df["s"].tolist() == ["b", "a", "c"]
    assert df["s"].cat.categories.tolist() == ["a", "b", "c"]
    assert df["b"].tolist() == [True, pd.NA, pd.NA]


def test_a_null_in_a_batch_is_no_sample_and_wins_over_nothing():
    # Row by row, a server may list what each point has at one instant.
    us = [0, 0, 1]
    batch = [
        history("a", us, [Number(1), None, Number(3)], sparse=True),
        history("b", us, [None, Number(2), NA], sparse=True),
    ]
    df = trend_frame(batch)
    assert df.index.asi8.tolist() == [0, 1]
    assert df["a"].tolist() == [1.0, 3.0]
    np.testing.assert_array_equal(df["b"], [2.0, np.nan])
    assert differing_of(df) == {}


def test_what_is_in_order_is_not_copied():
    ts = np.array([0, 1, 2])
    df = trend_frame([History(Point("a"), ts, [Number(1)] * 3), History(Point("b"), ts.copy(), [Number(2)] * 3)])
    assert len(df) == 3
    assert df["a"].tolist() == [1.0] * 3


# Several points ----------------------------------------------------------------------------------------------------


def batch_grid(tz_a="New_York"):
    cols = ["ts", Col("v0", {"id": Ref("a", "Meter")}), Col("v1", {"id": Ref("b", "Fan")})]
    return Grid(
        {"hisStart": NOON, "hisEnd": NOON + STEP * 3},
        cols,
        [times(3, NOON.astimezone(zone(tz_a))), [Number(1, "kW"), None, NA], [None, True, False]],
    )


def test_a_batch_is_one_frame():
    df = grid_to_frame(batch_grid())
    assert df.columns.tolist() == ["Meter", "Fan"]
    assert df["Meter"].dtype == UnitDtype("kW")
    assert df["Fan"].tolist() == [pd.NA, True, False]
    assert points_of(df)["Fan"] == Point("b", "Fan", None, "New_York", "Bool")


def test_a_row_of_a_batch_without_any_sample_is_none():
    us = [0, 1, 2]
    parts = [history("a", us, [Number(1), None, None], sparse=True), history("b", us, [None, None, NA], sparse=True)]
    shared = [History(part.point, parts[0].ts_us, part.values, True) for part in parts]
    assert trend_frame(shared).index.asi8.tolist() == [0, 2]
    assert trend_frame(shared)["a"].isna().tolist() == [False, True]


def test_na_is_a_sample_in_arrow_columns_too():
    us = TimeColumn(pa.array([0, 1, 2]), "New_York")
    na = pa.array([False, True, False])
    column = NumberColumn(pa.array([1.0, None, None]), "kW", na)
    chunked = NumberColumn(pa.chunked_array([[1.0], [None, None]], pa.float64()), "kW", pa.chunked_array([na]))
    for values in (column, chunked):
        grid = Grid({}, ["ts", Col("v0", {"id": Ref("a")})], [us, values])
        assert grid_to_frame(grid, shape="dict")["a"].index.asi8.tolist() == [0, 1]
        assert grid_to_frame(grid).index.asi8.tolist() == [0, 1]


def test_points_without_common_instants_share_the_union():
    parts = [
        history("a", [0, 2, 4], np.array([0.0, 2, 4]), unit="kW"),
        history("b", [1, 2], [True, False], kind="Bool"),
    ]
    parts.append(history("c", [4, 9], ["x", "y"], kind="Str"))
    df = trend_frame(parts)
    assert df.index.asi8.tolist() == [0, 1, 2, 4, 9]
    np.testing.assert_array_equal(np.asarray(df["a"], dtype=float), [0, np.nan, 2, 4, np.nan])
    assert df["b"].tolist() == [pd.NA, True, False, pd.NA, pd.NA]
    assert df["c"].isna().tolist() == [True, True, True, False, False]


def test_the_old_forms_of_a_batch():
    grid = Grid({"id": Ref("a"), "id1": Ref("b")}, ["ts", "v0", "v1"], [times(1), [Number(1)], [Number(2)]])
    assert grid_to_frame(grid).columns.tolist() == ["a", "b"]
    grid = Grid({"id0": Ref("a"), "id1": Ref("b")}, ["ts", "v0", "v1"], [times(1), [Number(1)], [Number(2)]])
    assert grid_to_frame(grid).columns.tolist() == ["a", "b"]
    grid = Grid({}, ["ts", "v0", "v1"], [times(1), [Number(1)], [Number(2)]])
    assert [h.point.id for h in grid_histories(grid, ids=["x", "y"])] == ["x", "y"]
    df = grid_to_frame(grid)
    assert df.columns.tolist() == ["v0", "v1"]
    assert points_of(df) == {}


def test_a_single_answer_without_an_id_takes_the_one_that_was_asked_for():
    grid = Grid({}, ["ts", "val"], [times(1), [Number(1)]])
    assert grid_to_frame(grid, "@a").columns.tolist() == ["a"]
    assert grid_to_frame(grid).columns.tolist() == ["val"]


def test_an_answer_without_columns_is_a_history_without_samples():
    (found,) = grid_histories(Grid({"id": Ref("a")}, [], []))
    assert (found.point.id, len(found.ts_us)) == ("a", 0)
    assert [h.point.id for h in grid_histories(Grid({}, [], []), ids=["x", "y"])] == ["x", "y"]
    assert trend_frame([found]).shape == (0, 1)


def test_no_histories_are_an_empty_frame():
    df = trend_frame([])
    assert df.shape == (0, 0)
    assert str(df.index.dtype) == "datetime64[us, UTC]"
    assert df.index.name == "ts"
    assert trend_frame([], shape="dict") == {}


# Names -------------------------------------------------------------------------------------------------------------


def named(header):
    parts = [history("a", [0], [Number(1)], dis="Zone"), history("b", [0], [Number(2)], dis="Zone")]
    parts.append(history("c", [0], [Number(3)], dis="Fan"))
    return trend_frame(parts, header=header)


def test_headers():
    assert named("dis").columns.tolist() == ["Zone @a", "Zone @b", "Fan"]
    assert named("id").columns.tolist() == ["a", "b", "c"]
    assert named(lambda record: record["dis"].lower()).columns.tolist() == ["zone @a", "zone @b", "fan"]
    assert named(lambda record: f"{record['id']} {record['kind']}").columns.tolist() == [
        "@a Number", "@b Number", "@c Number",
    ]  # fmt: skip
    assert named("tz").columns.tolist() == ["New_York @a", "New_York @b", "New_York @c"]
    assert points_of(named("dis"))["Zone @b"].id == "b"
    assert named("dis").columns.dtype == "str"


def test_headers_in_levels():
    df = named(("kind", "dis"))
    assert df.columns.tolist() == [("Number", "Zone @a"), ("Number", "Zone @b"), ("Number", "Fan")]
    assert df.columns.names == ["kind", "dis"]
    assert df.hs.points["id"].tolist() == ["a", "b", "c"]
    assert df.hs.points.index.equals(df.columns)
    assert points_of(df)["Number", "Zone @b"].id == "b"
    assert list(df["Number"].columns) == ["Zone @a", "Zone @b", "Fan"]
    assert trend_frame([], header=("kind", "dis")).columns.names == ["kind", "dis"]
    one = named(("dis",))
    assert one.columns.tolist() == [("Zone @a",), ("Zone @b",), ("Fan",)]
    twice = named(lambda record: ("x", record["dis"]))
    assert twice.columns.tolist() == [("x", "Zone @a"), ("x", "Zone @b"), ("x", "Fan")]
    assert twice.columns.names == [None, None]
    assert twice.hs.points["id"].tolist() == ["a", "b", "c"]


def test_columns_without_an_id_have_each_their_own_record():
    two = [history("", [0], [Number(1)], dis="v0", unit="kW"), history("", [0], [Number(1)], dis="v1", unit="°F")]
    assert trend_frame(two, header=lambda record: record["unit"]).columns.tolist() == ["kW", "°F"]
    assert trend_frame(two, header=("unit", "dis")).columns.tolist() == [("kW", "v0"), ("°F", "v1")]


def test_a_tag_that_is_not_there_is_said():
    with pytest.warns(ReadWarning, match=r"3 of 3 points have no 'navName'.*: @a \(Zone\), @b \(Zone\), @c \(Fan\)"):
        assert named("navName").columns.tolist() == ["Zone @a", "Zone @b", "Fan"]


@pytest.mark.parametrize(
    "header",
    ["Zone Temp", "", "a->", "->b", None, 7, (), ("dis", 3), ("dis", "state"), {"dis"}, lambda record: 7,
     lambda record: (), lambda record: ("a",), lambda record: ("a", 1),
     lambda record: "x" if record["id"].val == "a" else ("x", "y")],
)  # fmt: skip
def test_an_unknown_header_is_refused(header):
    with pytest.raises(MetadataError, match="header"):
        named(header)


def test_an_unknown_shape_is_refused():
    with pytest.raises(MetadataError, match=r"'wide', 'tidy' .* or 'dict'"):
        trend_frame([], shape="tall")


# Zones -------------------------------------------------------------------------------------------------------------


def two_zones():
    return [history("a", [0, 1], [Number(1), Number(2)]), history("b", [1], [Number(3)], tz="London")]


def test_points_of_several_zones_share_utc_with_one_warning():
    with pytest.warns(ZoneWarning) as caught:
        df = trend_frame(two_zones())
    assert len(caught) == 1
    text = str(caught[0].message)
    for part in ("London", "New_York", "tz=", "shape='dict'"):
        assert part in text
    assert isinstance(df.index.tz, ZoneInfo)
    assert str(df.index.tz) == "UTC"


@pytest.mark.parametrize(
    ("tz", "key"),
    [
        ("UTC", "UTC"),
        ("London", "Europe/London"),
        ("Asia/Kathmandu", "Asia/Kathmandu"),
        (ZoneInfo("Asia/Tokyo"), "Asia/Tokyo"),
        (UTC, "UTC"),
        ("GMT+5", "Etc/GMT+5"),
    ],
)
def test_a_zone_of_choice(tz, key):
    df = trend_frame(two_zones(), tz=tz)
    assert df.index.tz == ZoneInfo(key)
    assert isinstance(df.index.tz, ZoneInfo)
    assert df.index.asi8.tolist() == [0, 1]


def test_two_names_of_one_zone_are_one_zone():
    df = trend_frame([history("a", [0], [Number(1)]), history("b", [0], [Number(1)], tz="America/New_York")])
    assert str(df.index.tz) == "America/New_York"


def test_a_frame_each_keeps_each_zone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = trend_frame(two_zones(), shape="dict")
    assert {label: str(df.index.tz) for label, df in frames.items()} == {
        "a": "America/New_York",
        "b": "Europe/London",
    }
    assert [len(df) for df in frames.values()] == [2, 1]
    assert points_of(frames["b"])["b"].tz == "London"


def test_an_unknown_zone_is_refused_unless_it_is_not_needed():
    parts = [history("a", [0], [Number(1)], tz="Atlantis")]
    with pytest.raises(ZoneError, match="Atlantis"):
        trend_frame(parts)
    assert len(trend_frame(parts, tz="UTC")) == 1


# Dict ----------------------------------------------------------------------------------------------------------------


def test_dict_leaves_out_what_is_no_sample():
    frames = grid_to_frame(batch_grid(), shape="dict")
    assert {label: len(df) for label, df in frames.items()} == {"Meter": 2, "Fan": 2}


# Clipping ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("us", [[0, 1, 2, 3], [3, 1, 0, 2]])
@pytest.mark.parametrize("arrow", [True, False])
def test_clip_is_half_open(us, arrow):
    values = np.array(us, dtype=float)
    column = NumberColumn(pa.array(values), None) if arrow else [Number(value) for value in values]
    part = History(Point("a"), np.array(us), column)
    for start, end in [(1, 3), (None, 3), (1, None), (3, 1), (9, 12), (None, None)]:
        got = part.clip(start, end)
        expected = [u for u in us if (start is None or u >= start) and (end is None or u < end)]
        assert got.ts_us.tolist() == expected
        assert [number.val for number in got.values] == expected


# What is no history, and what is a broken one ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (Grid({}, ["ts", "val"], [[], []]), True),
        (Grid({}, ["ts", "val"], [[NOON], [Number(1)]]), True),
        (Grid({}, ["ts", "v0", "v1"], [[NOON], [Number(1)], [None]]), True),
        (Grid({}, ["ts", Col("kw", {"id": Ref("a")})], [[NOON], [Number(1)]]), True),
        (Grid({"hisStart": NOON}, ["ts", "kw"], [[NOON], [Number(1)]]), True),
        (Grid({}, ["ts", "alarm"], [[NOON], ["fire"]]), False),
        (Grid({}, ["ts"], [[NOON]]), False),
        (Grid({}, ["ts", "val"], [["noon"], [Number(1)]]), False),
        (Grid({}, ["id", "ts", "val"], [[Ref("a")], [NOON], [Number(1)]]), False),
        (Grid({}, [], []), False),
    ],
)
def test_which_grids_are_histories(grid, expected):
    assert is_history(grid) is expected
    assert (grid_to_frame(grid).index.name == "ts") is expected


def test_an_error_grid_is_no_frame():
    with pytest.raises(CallError, match="no such point") as caught:
        grid_to_frame(Grid({"err": MARKER, "dis": "no such point"}, [], []))
    assert caught.value.grid is not None


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        (None, MetadataError),
        (NA, MetadataError),
        ("x", MetadataError),
        (datetime(2024, 1, 1), ZoneError),
        (date(2024, 1, 1), ZoneError),
    ],
)
def test_a_row_without_an_instant_is_refused_with_its_number(cell, error):
    with pytest.raises(error, match=r"row 1 .*'ts'"):
        grid_histories(Grid({"id": Ref("a")}, ["ts", "val"], [[NOON, cell], [Number(1), Number(2)]]))
    with pytest.raises(MetadataError, match="'ts'"):
        grid_histories(Grid({"id": Ref("a")}, ["val"], [[Number(1)]]))


def test_the_instants_of_an_answer_in_order_are_not_copied_and_not_written_into():
    us = pa.array([NOON_US, NOON_US + STEP_US])
    df = single(NumberColumn(pa.array([1.0, 2.0]), "kW"), ts=TimeColumn(us, "New_York"))
    assert np.shares_memory(df.index.asi8, us.to_numpy())
    flat = df.reset_index()
    flat.loc[0, "ts"] = pd.Timestamp("2000-01-01", tz=NY)
    assert flat["ts"].iloc[0].year == 2000
    assert df.index[0] == NOON
    assert us.to_pylist() == [NOON_US, NOON_US + STEP_US]
