"""The answer of read as a frame."""

from __future__ import annotations

import time as clock
from datetime import date, datetime, time, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from hsframe.frame.convert import grid_to_frame
from hsframe.frame.entities import entity_frame
from hsframe.frame.points_like import as_points
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NA, REMOVE, Coord, Number, Ref, Symbol, Uri, XStr
from hsframe.unit_array.dtype import UnitDtype
from hsframe.zones import zone

NY, LONDON = zone("New_York"), zone("London")


def column(cells, name="tag"):
    frame = entity_frame(Grid({}, [name], [cells]))
    assert frame.columns.tolist() == [name]
    return frame[name]


def test_a_marker_is_whether_it_is_there():
    found = column([MARKER, None])
    assert found.dtype == np.bool_
    assert found.tolist() == [True, False]


def test_bools_keep_what_is_missing():
    found = column([True, None, False, NA])
    assert found.dtype == "boolean"
    assert found.tolist() == [True, pd.NA, False, pd.NA]


def test_numbers_of_one_unit_are_a_unit_column():
    found = column([Number(1, "kW"), None, NA, Number(2.5, "kW")])
    assert found.dtype == UnitDtype("kW")
    np.testing.assert_array_equal(np.asarray(found, dtype=float), [1, np.nan, np.nan, 2.5])


def test_numbers_without_a_unit_are_plain():
    found = column([Number(1), None, Number(float("inf"))])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [1, np.nan, np.inf])


@pytest.mark.parametrize("other", [Number(2, "°F"), Number(2)])
def test_numbers_of_several_units_stay_numbers(other):
    found = column([Number(1, "kW"), other, None])
    assert found.dtype == object
    assert found.tolist()[:2] == [Number(1, "kW"), other]
    assert pd.isna(found[2])


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (["x", None, "", NA], ["x", None, "", None]),
        ([Uri("http://x/"), None], ["http://x/", None]),
        ([Symbol("site"), NA], ["site", None]),
        ([Ref("a"), None, NA], ["a", None, None]),
    ],
)
def test_texts_are_str(cells, texts):
    found = column(cells)
    assert found.dtype == "str"
    assert [None if pd.isna(text) else text for text in found] == texts


def test_display_names_of_refs_stand_beside_them():
    rows = [
        {"id": Ref("a", "Meter"), "siteRef": Ref("s", "HQ")},
        {"id": Ref("b", "Fan"), "siteRef": Ref("t")},
        {"id": Ref("c")},
    ]
    frame = entity_frame(Grid.from_rows({}, ["id", "siteRef"], rows))
    assert frame.columns.tolist() == ["id", "id->dis", "siteRef", "siteRef->dis"]
    assert frame["siteRef"].tolist()[:2] == ["s", "t"]
    assert frame["siteRef->dis"].tolist()[0] == "HQ"
    assert frame["siteRef->dis"].isna().tolist() == [False, True, True]
    assert [point.dis for point in as_points(frame)] == ["Meter", "Fan", "c"]


@pytest.mark.parametrize(
    ("dis", "beside"), [("Meter", False), ("Another", True), (None, True), (Number(1, "kW"), True)]
)
def test_the_id_has_no_second_column_where_dis_says_the_same(dis, beside):
    frame = entity_frame(Grid({}, ["id", "dis"], [[Ref("a", "Meter"), Ref("b")], [dis, "B"]]))
    assert ("id->dis" in frame.columns) is beside
    assert as_points(frame)[0].dis == "Meter"


def test_date_times_of_one_zone():
    # The hour that the clock repeats: same wall time, two instants.
    first = datetime(2024, 11, 3, 1, 30, tzinfo=NY)
    found = column([first, first.replace(fold=1), None])
    assert str(found.dtype) == "datetime64[us, America/New_York]"
    assert found[0].isoformat() == "2024-11-03T01:30:00-04:00"
    assert found[1].isoformat() == "2024-11-03T01:30:00-05:00"
    assert found[2] is pd.NaT


def test_date_times_of_several_zones_are_utc():
    found = column([datetime(2024, 1, 1, tzinfo=NY), datetime(2024, 1, 1, tzinfo=LONDON)])
    assert str(found.dtype) == "datetime64[us, UTC]"
    assert [when.isoformat() for when in found] == ["2024-01-01T05:00:00+00:00", "2024-01-01T00:00:00+00:00"]


def test_date_times_that_no_haystack_server_sends():
    odd = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert str(column([odd]).dtype) == "datetime64[us, UTC]"
    assert column([datetime(2024, 1, 1)]).tolist() == [datetime(2024, 1, 1)]


@pytest.mark.parametrize(
    "cells",
    [
        [date(2024, 1, 1), None],
        [time(8, 30), None],
        [[1, 2], {"a": MARKER}],
        [Coord(1, 2), XStr("T", "x")],
        [Grid({}, ["a"], [["x"]]), None],
        [MARKER, True, "x"],
        [MARKER, NA],
        [REMOVE, None],
        [None, NA],
        [Ref("a", "Dis"), "b"],
        [date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=NY)],
    ],
)
def test_everything_else_stays_what_it_is(cells):
    found = column(cells)
    assert found.dtype == object
    assert all(got is cell for got, cell in zip(found.tolist(), cells, strict=True))


def test_no_rows_and_no_columns():
    frame = entity_frame(Grid({}, ["id", "site"], [[], []]))
    assert frame.shape == (0, 2)
    assert entity_frame(Grid()).shape == (0, 0)


def test_a_row_of_an_unknown_id_is_a_row_of_nothing():
    frame = entity_frame(Grid.from_rows({}, ["id", "site"], [{"id": Ref("a"), "site": MARKER}, {}]))
    assert len(frame) == 2
    assert [point.id for point in as_points(frame)] == ["a"]


def test_a_grid_that_is_no_history_is_a_frame_of_entities():
    grid = Grid({}, ["id", "site"], [[Ref("a")], [MARKER]])
    pd.testing.assert_frame_equal(grid_to_frame(grid), entity_frame(grid))


def test_a_frame_of_entities_lives_through_parquet(tmp_path):
    rows = [{"id": Ref("a", "Meter"), "site": MARKER, "area": Number(1), "tz": "New_York", "unit": "kW"}]
    frame = entity_frame(Grid.from_rows({}, ["id", "site", "area", "tz", "unit"], rows))
    frame.to_parquet(tmp_path / "x.parquet")
    back = pd.read_parquet(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(back, frame)
    assert as_points(back) == as_points(frame)


def test_ten_thousand_entities_take_no_time_worth_naming():
    count = 10_000
    columns = {"id": [Ref(f"p{n}", f"Point {n}") for n in range(count)]}
    for n in range(10):
        columns[f"marker{n}"] = [MARKER if (row + n) % 3 else None for row in range(count)]
        columns[f"text{n}"] = [f"x{row % 50}" if (row + n) % 4 else None for row in range(count)]
    for n in range(5):
        columns[f"ref{n}"] = [Ref(f"s{row % 20}", f"Site {row % 20}") for row in range(count)]
        columns[f"num{n}"] = [Number(row, "kW") for row in range(count)]
    grid = Grid({}, list(columns), list(columns.values()))
    took = []
    for _ in range(3):
        start = clock.process_time()
        frame = entity_frame(grid)
        took.append(clock.process_time() - start)
    assert len(frame) == count
    assert min(took) < 0.5  # 0.05 to 0.1 s; the limit is there to notice a loop over rows
