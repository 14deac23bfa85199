"""Columns of Arrow arrays are sequences of kinds."""

import math
import pickle
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.grid import Grid
from hsframe.kinds import NA, Number, same
from hsframe.zones import zone

NY = zone("New_York")
# 2021-11-07 05:30Z and 06:30Z: half past one, twice.
REPEATED = [1636263000_000000, 1636266600_000000]
MASK = pa.array([False, True, False])

COLUMNS: list[tuple[ArrowColumn, list[Any]]] = [
    (
        TimeColumn(pa.array(REPEATED), "New_York"),
        [datetime(2021, 11, 7, 1, 30, tzinfo=NY), datetime(2021, 11, 7, 1, 30, fold=1, tzinfo=NY)],
    ),
    (NumberColumn(pa.array([1.5, None, math.nan]), "kW", MASK), [Number(1.5, "kW"), NA, Number(math.nan)]),
    (NumberColumn(pa.array([1.0, None, math.inf]), None), [Number(1), None, Number(math.inf)]),
    (
        NumberColumn(pa.chunked_array([[1.0], [2.0**53, -4.0]]), "kW"),
        [Number(1, "kW"), Number(2.0**53, "kW"), Number(-4, "kW")],
    ),
    (BoolColumn(pa.array([True, None, False]), MASK), [True, NA, False]),
    (StrColumn(pa.array(["a", None, "a"])), ["a", None, "a"]),
    (StrColumn(pa.array(["a", None, "b"]).dictionary_encode(), MASK), ["a", NA, "b"]),
]
IDS = [f"{type(column).__name__} {place}" for place, (column, _) in enumerate(COLUMNS)]


@pytest.mark.parametrize(("column", "items"), COLUMNS, ids=IDS)
def test_a_column_is_a_sequence_of_kinds(column: ArrowColumn, items: list[Any]) -> None:
    assert len(column) == len(items)
    assert same(list(column), items)
    assert same([column[place] for place in range(len(column))], items)
    assert same([column[place - len(items)] for place in range(len(column))], items)
    assert column == items
    assert column != items[:-1]
    assert column != [*items[:-1], "other"]
    assert (column == "text") is False
    for place in (len(items), -len(items) - 1):
        with pytest.raises(IndexError, match=str(len(items))):
            column[place]
    assert same(list(pickle.loads(pickle.dumps(column))), items)
    assert repr(column) == f"<{type(column).__name__} of {len(items)} cells>"


@pytest.mark.parametrize(("column", "items"), COLUMNS, ids=IDS)
def test_slices_are_columns(column: ArrowColumn, items: list[Any]) -> None:
    for part in (slice(1, None), slice(None, -1), slice(0, 0), slice(5, 9), slice(None)):
        assert type(column[part]) is type(column)
        assert same(list(column[part]), items[part])
    for part in (slice(None, None, -1), slice(None, None, 2)):
        assert same(column[part], items[part])


def test_integral_values_are_ints_below_two_to_the_53() -> None:
    column = NumberColumn(pa.array([3.0, -0.0, 2.0**53, 0.5]))
    assert [type(number.val) for number in column] == [int, float, float, float]  # an int has no minus zero


def test_how_a_column_is_stored_does_not_matter_to_a_grid() -> None:
    for column, items in COLUMNS:
        assert Grid({}, ["a"], [column]) == Grid({}, ["a"], [items])
        assert Grid({}, ["a"], [items]) == Grid({}, ["a"], [column])


def test_an_unhashable_column_and_a_zone_that_is_unknown() -> None:
    with pytest.raises(TypeError):
        hash(COLUMNS[0][0])
    with pytest.raises(Exception, match="Nowhere"):
        TimeColumn(pa.array([0]), "Nowhere")
