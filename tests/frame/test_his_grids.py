"""A frame to the grids that hisWrite takes, and every way in which it is refused."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe import frame_to_his_grids
from hsframe.columns import BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import MetadataError, UnitError, ZoneError
from hsframe.frame.convert import grid_to_frame
from hsframe.frame.his_grids import PointSamples, batch_grid
from hsframe.frame.points import Point, attach
from hsframe.grid import Col
from hsframe.kinds import NA, Number, Ref
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype
from hsframe.zones import zone

NY = zone("New_York")
METER = Point("a", "Meter", "kW", "New_York", "Number")
FAN = Point("b", "Fan", None, "New_York", "Bool")
MODE = Point("c", "Mode", None, "New_York", "Str")
TEMP = Point("d", "Temp", "°C", "London", "Number")
INDEX = pd.DatetimeIndex(["2024-05-01 12:00", "2024-05-01 12:15", "2024-05-01 12:30"], tz=NY, name="ts")


def kw(*values, unit="kW"):
    return UnitArray(np.array(values, dtype=np.float64), dtype=UnitDtype(unit))


def meter(values, index=INDEX, **kwargs):
    return frame_to_his_grids(pd.DataFrame({"Meter": values}, index=index), [METER], **kwargs)


def refused(error, df, points=(METER,), **kwargs):
    with pytest.raises(error) as caught:
        frame_to_his_grids(df, list(points), **kwargs)
    return str(caught.value)


# What is written ---------------------------------------------------------------------------------------------------


def test_a_batch_grid_in_arrow_columns():
    df = pd.DataFrame(
        {
            "Meter": kw(1, np.nan, 2.5),
            "Fan": pd.array([None, True, False], dtype="boolean"),
            "Mode": pd.Categorical(["auto", None, "off"]),
        },
        index=INDEX,
    )
    (grid,) = frame_to_his_grids(df, [METER, FAN, MODE])
    assert not grid.meta
    assert grid.cols == (
        Col("ts"),
        Col("v0", {"id": Ref("a")}),
        Col("v1", {"id": Ref("b")}),
        Col("v2", {"id": Ref("c")}),
    )
    assert [type(column) for column in grid.columns] == [TimeColumn, NumberColumn, BoolColumn, StrColumn]
    assert list(grid.column("ts")) == INDEX.to_pydatetime().tolist()
    assert grid.columns[0].tz == "New_York"
    assert list(grid.column("v0")) == [Number(1, "kW"), None, Number(2.5, "kW")]
    assert list(grid.column("v1")) == [None, True, False]
    assert list(grid.column("v2")) == ["auto", None, "off"]


def test_a_grid_a_zone_with_the_zone_of_the_records():
    df = pd.DataFrame({"Meter": kw(1, 2, 3), "Temp": kw(4, 5, 6, unit="°C")}, index=INDEX.tz_convert("UTC"))
    first, second = frame_to_his_grids(df, [METER, TEMP])
    assert [grid.columns[0].tz for grid in (first, second)] == ["New_York", "London"]
    assert first[0]["ts"] == second[0]["ts"] == INDEX[0]
    assert second[0]["ts"].isoformat() == "2024-05-01T17:00:00+01:00"
    assert second.cols[1] == Col("v0", {"id": Ref("d")})


def test_the_zone_name_is_the_records_own_text():
    point = Point("a", "Meter", "kW", "Port-au-Prince", "Number")
    (grid,) = frame_to_his_grids(pd.DataFrame({"Meter": [1.0]}, index=INDEX[:1]), [point])
    assert grid.columns[0].tz == "Port-au-Prince"


@pytest.mark.parametrize(
    ("tz", "name"), [("US/Eastern", "New_York"), ("UTC", "UTC"), (timezone(timedelta(hours=-5)), "GMT+5")]
)
def test_of_a_point_without_a_known_zone_that_of_the_index_is_written(tz, name):
    (grid,) = frame_to_his_grids(pd.DataFrame({"@a": [1.0]}, index=INDEX[:1].tz_convert(tz)))
    assert grid.columns[0].tz == name
    assert grid[0]["ts"] == INDEX[0]


def test_rows_and_grids_without_a_sample_are_left_out():
    df = pd.DataFrame({"Meter": kw(np.nan, 2, np.nan), "Temp": kw(np.nan, np.nan, np.nan, unit="°C")}, index=INDEX)
    (grid,) = frame_to_his_grids(df, [METER, TEMP])
    assert [dict(row) for row in grid] == [{"ts": INDEX[1], "v0": Number(2, "kW")}]
    assert frame_to_his_grids(df.iloc[:0], [METER, TEMP]) == []
    assert frame_to_his_grids(pd.DataFrame(index=INDEX)) == []


@pytest.mark.parametrize(
    "values",
    [
        pd.array(pa.array([1.0, float("nan"), None]), dtype=pd.ArrowDtype(pa.float64())),
        pd.arrays.FloatingArray(np.array([1.0, np.nan, 0.0]), np.array([False, False, True])),
        np.array([1.0, np.nan, np.nan], dtype=np.float32),
    ],
    ids=["arrow", "masked", "float32"],
)
def test_nan_is_no_sample_in_any_storage(values):
    (grid,) = meter(values)
    assert list(grid.column("v0")) == [Number(1.0, "kW")]


def test_rows_are_written_in_the_order_of_time():
    (grid,) = meter(kw(3, 1, 2), index=INDEX[[2, 0, 1]])
    assert [row["v0"].val for row in grid] == [1, 2, 3]
    assert list(grid.column("ts")) == INDEX.to_pydatetime().tolist()


def test_plain_numbers_are_in_the_points_unit():
    expected = [Number(1, "kW"), None, Number(3, "kW")]
    for values in (
        [1.0, np.nan, 3.0],
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1, None, 3], dtype="float64[pyarrow]"),
        [Number(1, "kW"), None, Number(3, "kW")],
        [Number(1), NA, Number(3, "kilowatt")],
        [Number(1), Number(float("nan")), 3],
        np.array([1, np.nan, np.int64(3)], dtype=object),
    ):
        (grid,) = meter(values)
        # The row without a sample is left out.
        assert list(grid.column("v0")) == [cell for cell in expected if cell is not None]
    (grid,) = meter(np.array([1, 2, 3], dtype=np.int32))
    assert grid[1]["v0"] == Number(2, "kW")


@given(st.lists(st.sets(st.integers(-3, 12)), min_size=1, max_size=4))
def test_a_batch_has_a_row_an_instant_of_any_point(instants):
    batch = [
        PointSamples(
            METER, "UTC", np.array(sorted(us), np.int64), NumberColumn(pa.array([float(u) for u in sorted(us)]), "kW")
        )
        for us in instants
    ]
    grid = batch_grid(batch)
    union = sorted(set().union(*instants))
    assert grid.columns[0].values.to_pylist() == union
    for us, column in zip(instants, grid.columns[1:], strict=True):
        assert list(column) == [Number(u, "kW") if u in us else None for u in union]


def test_a_series_is_a_frame_of_one_column():
    (grid,) = frame_to_his_grids(pd.Series([1.0, 2.0, 3.0], index=INDEX, name="Meter"), [METER])
    assert len(grid) == 3


def test_texts_and_truths_in_every_storage():
    for values in (["x", None, "y"], pd.Series(["x", None, "y"], dtype="str").array, pd.Categorical(["x", None, "y"])):
        (grid,) = frame_to_his_grids(pd.DataFrame({"Mode": values}, index=INDEX), [MODE])
        assert list(grid.column("v0")) == ["x", "y"]
    for values in ([True, None, False], pd.array([True, None, False], dtype="boolean"), [True, NA, np.bool_(False)]):
        (grid,) = frame_to_his_grids(pd.DataFrame({"Fan": values}, index=INDEX), [FAN])
        assert list(grid.column("v0")) == [True, False]
    (grid,) = frame_to_his_grids(pd.DataFrame({"Fan": [True, True, False]}, index=INDEX), [FAN])
    assert list(grid.column("v0")) == [True, True, False]


def test_units_are_converted_when_asked():
    (grid,) = meter(kw(1, 2.5, np.inf, unit="MW"), convert=True, inf="send")
    assert list(grid.column("v0")) == [Number(1000, "kW"), Number(2500, "kW"), Number(float("inf"))]
    (grid,) = meter([Number(1, "MW"), Number(2, "kW"), 3], convert=True)
    assert [row["v0"] for row in grid] == [Number(1000, "kW"), Number(2, "kW"), Number(3, "kW")]


def test_scalars_of_a_unit_column_bring_their_unit_along():
    values = pd.Series(kw(1, np.nan, 3, unit="MW")).tolist()
    (grid,) = meter(pd.Series(values, index=INDEX, dtype=object), convert=True)
    assert list(grid.column("v0")) == [Number(1000, "kW"), Number(3000, "kW")]
    with pytest.raises(UnitError, match=r"'Meter'.*row 0.*MW"):
        meter(pd.Series(values, index=INDEX, dtype=object))


def test_another_spelling_of_the_unit_is_no_other_unit():
    (grid,) = meter(kw(1, 2, 3, unit="kilowatt"))
    assert grid[0]["v0"] == Number(1, "kW")


def test_of_a_lone_id_nothing_can_be_checked_and_the_unit_is_the_columns():
    (grid,) = frame_to_his_grids(pd.DataFrame({"@a": kw(1, 2, 3, unit="MW")}, index=INDEX))
    assert grid[0]["v0"] == Number(1, "MW")


def test_of_a_point_whose_zone_alone_is_known_the_unit_is_the_columns():
    (grid,) = frame_to_his_grids(
        pd.DataFrame({"@a": kw(1, 2, 3)}, index=INDEX), {"@a": Point("a", "Meter", tz="London")}
    )
    assert grid[0]["v0"] == Number(1, "kW")
    assert grid.columns[0].tz == "London"


def test_infinities_are_sent_when_asked():
    (grid,) = meter(kw(1, np.inf, -np.inf), inf="send")
    assert [row["v0"] for row in grid] == [Number(1, "kW"), Number(float("inf")), Number(float("-inf"))]


def test_digits_below_the_microsecond_are_cut_off():
    index = pd.DatetimeIndex(["2024-05-01 12:00:00.123456789"], tz="UTC")
    (grid,) = meter([1.0], index=index)
    assert grid[0]["ts"] == datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=zone("UTC"))


def test_what_was_read_can_be_written_as_it_is():
    df = pd.DataFrame({"Meter": kw(1, 2, 3)}, index=INDEX)
    (grid,) = frame_to_his_grids(df, [METER])
    frame = grid_to_frame(grid)
    assert frame_to_his_grids(frame) == [grid]
    assert frame_to_his_grids(grid_to_frame(grid, [METER])) == [grid]


ARROW = pd.ArrowDtype(pa.timestamp("us", tz="America/New_York"))
FALL_BACK = pd.date_range("2026-11-01 00:30", periods=4, freq="h", tz="America/New_York", unit="us", name="ts")


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(FALL_BACK.astype(ARROW), name="ts"),
        pd.Index(FALL_BACK.to_pydatetime(), dtype=object, name="ts"),
        pd.Index(list(FALL_BACK), dtype=object, name="ts"),
        pd.Index([datetime.fromisoformat(when.isoformat()) for when in FALL_BACK], dtype=object, name="ts"),
    ],
    ids=["arrow", "datetime", "Timestamp", "offsets"],
)
def test_aware_times_are_instants_in_any_storage(index):
    df = pd.DataFrame({"Meter": [1.0, 2.0, 3.0, 4.0]})
    assert frame_to_his_grids(df.set_axis(index), [METER]) == frame_to_his_grids(df.set_axis(FALL_BACK), [METER])


@pytest.mark.parametrize("index", [FALL_BACK.astype(ARROW), FALL_BACK.astype(object)], ids=["arrow", "object"])
def test_a_frame_of_any_times_keeps_its_catalog(index):
    df = pd.DataFrame({"Meter": [1.0] * 4}, index=FALL_BACK)
    attach(df, {"Meter": METER})
    assert frame_to_his_grids(df.set_axis(index)) == frame_to_his_grids(df)


# What is refused ---------------------------------------------------------------------------------------------------


def test_naive_times_are_refused():
    text = refused(ZoneError, pd.DataFrame({"Meter": [1.0] * 3}, index=INDEX.tz_localize(None)))
    for part in (
        "'Meter'",
        "the index 'ts'",
        "naive",
        "2024-05-01 12:00:00 in row 0",
        "tz_localize",
        "nothing was written",
    ):
        assert part in text


@pytest.mark.parametrize("dtype", [object, pd.ArrowDtype(pa.timestamp("us"))], ids=["object", "arrow"])
def test_naive_times_of_any_storage_are_refused(dtype):
    text = refused(ZoneError, pd.DataFrame({"Meter": [1.0] * 3}, index=INDEX.tz_localize(None).astype(dtype)))
    assert "naive" in text
    assert "2024-05-01 12:00:00 in row 0" in text


def test_one_naive_time_among_others_is_refused():
    index = pd.Index([INDEX[0], pd.NaT, datetime(2024, 5, 1, 12, 30)], dtype=object)
    text = refused(ZoneError, pd.DataFrame({"Meter": [1.0] * 3}, index=index))
    assert "first without one 2024-05-01 12:30:00" in text


def test_a_missing_time_of_any_storage_is_refused():
    for index in (pd.Index([INDEX[0], None], dtype=object), pd.Index([INDEX[0], None], dtype=ARROW)):
        assert "row 1: NaT" in refused(MetadataError, pd.DataFrame({"Meter": [1.0, 2.0]}, index=index))


def test_an_index_that_is_none_of_time_is_refused():
    text = refused(MetadataError, pd.DataFrame({"Meter": [1.0]}))
    for part in ("'Meter'", "RangeIndex", "DatetimeIndex", "set_index"):
        assert part in text


def test_instants_that_come_twice_are_refused_with_both_rows():
    text = refused(MetadataError, pd.DataFrame({"Meter": [1.0] * 4}, index=INDEX[[0, 2, 1, 2]]))
    for part in ("'Meter'", "2024-05-01 12:30:00-04:00", "rows 1 and 3", "groupby(level=0).last()"):
        assert part in text


def test_of_several_instants_that_come_twice_the_first_in_the_frame_is_named():
    text = refused(MetadataError, pd.DataFrame({"Meter": [1.0] * 5}, index=INDEX[[2, 2, 1, 0, 0]]))
    assert "rows 0 and 1" in text


def test_an_instant_that_is_none_is_refused():
    index = pd.DatetimeIndex([INDEX[0], pd.NaT], name="ts")
    text = refused(MetadataError, pd.DataFrame({"Meter": [1.0, 2.0]}, index=index))
    assert "the index 'ts' of the columns 'Meter', row 1: NaT" in text


@pytest.mark.parametrize("given", [[1.0], {"Meter": [1.0]}, None, INDEX])
def test_what_is_no_frame_is_refused(given):
    with pytest.raises(MetadataError, match=f"a {type(given).__name__} cannot be written; expected a DataFrame"):
        frame_to_his_grids(given, [METER])


def test_an_unknown_column_is_refused():
    text = refused(MetadataError, pd.DataFrame({"Meter": [1.0] * 3, "Nobody": [1.0] * 3}, index=INDEX))
    assert "'Nobody'" in text
    assert "points={'Nobody'" in text


def test_another_unit_is_refused_with_the_first_place():
    text = refused(UnitError, pd.DataFrame({"Meter": kw(np.nan, 2, 3, unit="MW")}, index=INDEX))
    for part in ("'Meter'", "@a", "row 1", "2024-05-01 12:15:00-04:00", "in MW", "in kW", "convert=True"):
        assert part in text


def test_the_row_named_is_the_frames_own_where_it_is_not_in_order():
    text = refused(UnitError, pd.DataFrame({"Meter": kw(np.nan, 2, np.nan, unit="MW")}, index=INDEX[[2, 0, 1]]))
    assert "row 1, 2024-05-01 12:00" in text


def test_a_unit_that_cannot_be_converted_is_refused_even_when_asked():
    text = refused(UnitError, pd.DataFrame({"Meter": kw(1, 2, 3, unit="°F")}, index=INDEX), convert=True)
    for part in ("'Meter'", "°F", "kW", "row 0"):
        assert part in text


def test_a_unit_for_a_point_without_one_is_refused():
    point = Point("a", "Meter", None, "New_York", "Number")
    text = refused(UnitError, pd.DataFrame({"Meter": kw(1, 2, 3)}, index=INDEX), [point], convert=True)
    assert "the point has no unit" in text


def test_numbers_in_other_units_are_refused_with_their_first_row():
    df = pd.DataFrame({"Meter": [Number(1, "kW"), Number(2, "MW"), Number(3, "MW")]}, index=INDEX)
    text = refused(UnitError, df)
    assert "row 1" in text
    assert "MW" in text
    text = refused(UnitError, df.rename(columns={"Meter": "@a"}), [])
    assert "the unit of the point is not known" in text


def test_a_column_that_is_all_missing_may_be_in_any_unit():
    assert meter(kw(np.nan, np.nan, np.nan, unit="°F")) == []


@pytest.mark.parametrize(
    "values", [kw(1, np.inf, 3), [1.0, -np.inf, 3.0], [Number(1, "kW"), Number(float("inf")), None]]
)
def test_infinities_are_refused(values):
    text = refused(MetadataError, pd.DataFrame({"Meter": values}, index=INDEX))
    for part in ("'Meter'", "row 1", "inf", "inf='send'"):
        assert part in text


@pytest.mark.parametrize(
    ("point", "values", "held"),
    [
        (METER, [None, True, False], "Bool"),
        (METER, [None, "x", "y"], "Str"),
        (METER, pd.array([None, True, False], dtype="boolean"), "Bool"),
        (FAN, [np.nan, 1.0, 0.0], "Number"),
        (MODE, kw(np.nan, 1, 2), "Number"),
        (MODE, [None, Number(1), None], "Number"),
        (FAN, pd.Categorical([None, "on", "off"]), "Str"),
    ],
)
def test_values_of_another_kind_than_the_points_are_refused(point, values, held):
    text = refused(MetadataError, pd.DataFrame({point.dis: values}, index=INDEX), [point])
    for part in (f"'{point.dis}'", "row 1", f"{held} values", f"kind {point.kind}"):
        assert part in text


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([1.0, "x", None], 1),
        (["x", True, None], 1),
        ([None, {1}, None], 1),
        ([1.0, 2.0, [1]], 2),
        (INDEX, 0),
        ([1j, 2j, 3j], 0),
    ],
)
def test_values_that_are_none_of_the_kinds_are_refused(values, row):
    text = refused(MetadataError, pd.DataFrame({"Meter": pd.Series(values, index=INDEX)}))
    for part in ("'Meter'", f"row {row}", "Number, Bool or Str"):
        assert part in text


def test_zones_that_are_none_are_refused():
    df = pd.DataFrame({"@a": [1.0]}, index=INDEX[:1].tz_convert(timezone(timedelta(hours=5, minutes=45))))
    text = refused(ZoneError, df, [])
    assert "'@a'" in text
    assert "points={" in text
    text = refused(ZoneError, pd.DataFrame({"Meter": [1.0]}, index=INDEX[:1]), [Point("a", "Meter", tz="Atlantis")])
    assert "'Meter'" in text
    assert "Atlantis" in text


def test_an_unknown_way_with_infinities_is_refused():
    assert "inf='drop'" in refused(MetadataError, pd.DataFrame({"Meter": [1.0] * 3}, index=INDEX), inf="drop")
