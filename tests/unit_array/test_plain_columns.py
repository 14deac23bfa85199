"""Columns of plain numbers beside a single number with a unit compute as beside a column of that unit."""

from __future__ import annotations

import copy
import operator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import UnitError
from hsframe.kinds import Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.scalars import UnitFloat

ARITHMETIC: list[Any] = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow),
]
ORDER: list[Any] = [operator.lt, operator.le, operator.gt, operator.ge]
DTYPES = ["int64", "uint8", "float64", "float32", "bool", "Int64", "Float64", "boolean"]
DTYPES += ["int64[pyarrow]", "double[pyarrow]", "bool[pyarrow]"]
HOLDERS: list[Any] = [
    lambda column: column,
    lambda column: pd.Index(column),
    lambda column: column.array,
    lambda column: column.to_frame(),
    lambda column: pd.DataFrame({"a": column, "b": column, "c": column.astype("float64")}),
]


def columns_of(result: Any) -> list[tuple[list[float], str | None]]:
    """The numbers and the unit of each column of a result."""
    if isinstance(result, pd.DataFrame):
        return [columns_of(result.iloc[:, place])[0] for place in range(result.shape[1])]
    values = result if isinstance(result, pd.Series) else pd.Series(result)
    return [(values.to_numpy(dtype=float, na_value=np.nan).tolist(), getattr(values.dtype, "unit", None))]


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", [Number, UnitFloat])
@np.errstate(all="ignore")
def test_they_compute_as_beside_a_column(make: Any, dtype: str, holder: Any) -> None:
    plain, doubles = pd.Series([1, 0, 1], dtype=dtype, name="n"), pd.Series([1.0, 0.0, 1.0])
    held = holder(plain)
    for value, unit in ((0.25, "h"), (-2.0, "°C"), (0.0, "kW")):
        number, column = make(value, unit), pd.Series(np.full(3, value), dtype=f"unit[{unit}]")
        for compute in [*ARITHMETIC, *ORDER]:
            by_zero = compute in (operator.floordiv, operator.mod)
            cases = [(held, number, compute(doubles, column)), (number, held, compute(column, doubles))]
            if by_zero and make is UnitFloat:
                cases.pop(0)  # pandas looks for zeros in a divisor that has a dtype, and asks a bool for any()
            if by_zero and isinstance(held, pd.DataFrame):
                cases.pop()  # refused, see below
            for left, right, law in cases:
                [(numbers, of_unit)] = columns_of(law)
                for found in columns_of(compute(left, right)):
                    assert found == (pytest.approx(numbers, nan_ok=True), of_unit)


def test_a_count_times_hours_times_power_is_energy() -> None:
    n = pd.Series([80, 60], ["A", "B"], name="quarters")
    kwh = pd.Series([100.0, 100.0], ["A", "B"], dtype="unit[kWh]")
    left = kwh - n * Number(0.25, "h") * Number(11000, "W")
    assert (left.dtype, left.tolist()) == ("unit[kWh]", [-120.0, -65.0])
    for found in (n.mul(Number(0.25, "h")), n.rmul(Number(0.25, "h")), n.mul(Number(0.25, "h"), fill_value=0)):
        assert (found.dtype, found.name, found.tolist()) == ("unit[h]", "quarters", [20.0, 15.0])
    n *= Number(0.25, "h")
    assert (n.dtype, n.index.tolist()) == ("unit[h]", ["A", "B"])


def test_missing_values_stay_missing() -> None:
    for dtype in ("Int64", "boolean", "int64[pyarrow]"):
        found = pd.Series([None, 1], dtype=dtype) * Number(2, "h")
        assert (found.dtype, found.isna().tolist(), found[1]) == ("unit[h]", [True, False], 2.0)
        assert (pd.Series([None, 1], dtype=dtype) > UnitFloat(0.5, "h")).isna().tolist() == [True, False]


def test_a_frame_has_the_unit_in_each_column() -> None:
    df = pd.DataFrame([[1, 2.0, True, 3], [4, 0.0, False, 6]], columns=pd.Index(["a", "b", "b", "c"], name="of"))
    df["k"] = pd.Series([1.0, 2.0], dtype="unit[kW]")
    for found in (df * Number(2, "h"), Number(2, "h") * df, df.mul(Number(2, "h")), df * UnitFloat(2.0, "h")):
        assert [str(dtype) for dtype in found.dtypes] == ["unit[h]"] * 4 + ["unit[kWh]"]
        assert found.columns.equals(df.columns)
        assert found.iloc[1].astype(float).tolist() == [8.0, 0.0, 0.0, 12.0, 4.0]
    whole, rest = divmod(df, Number(2, "kW"))
    assert ([str(one) for one in whole.dtypes], set(map(str, rest.dtypes))) == (["float64"] * 5, {"unit[kW]"})
    assert (df > Number(1500, "W"))["k"].tolist() == [False, True]
    df *= Number(2, "h")
    assert str(df["c"].dtype) == "unit[h]"


def test_quotients_by_zero() -> None:
    n = pd.Series([0, 2])
    for found in (Number(5, "kW") // n, n.rfloordiv(Number(5, "kW")), divmod(Number(5, "kW"), n)[0]):
        assert (found.dtype, found.tolist()) == ("unit[kW]", [np.inf, 2.0])
    assert (n // Number(0, "kW")).tolist() == pytest.approx([np.nan, np.inf], nan_ok=True)


def test_objects_compute_one_by_one_and_columns_of_a_unit_as_ever() -> None:
    rows = pd.Series([Number(1, "kW"), 2.0, None], dtype=object)
    for found in (rows * Number(2, "h"), Number(2, "h") * rows, pd.Index(rows[:2]) * Number(2, "h")):
        assert list(found)[:2] == [Number(2, "kWh"), Number(4.0, "h")]
    for many in (pd.array([1.0, 2.0], dtype="unit[kW]"), pd.Index(pd.array([1.0, 2.0], dtype="unit[kW]"))):
        for found in (many * Number(2, "h"), Number(2, "h") * many, many * UnitFloat(2.0, "h")):
            assert (str(found.dtype), list(map(float, found))) == ("unit[kWh]", [2.0, 4.0])
        assert (many > Number(1500, "W")).tolist() == (many == Number(2000, "W")).tolist() == [False, True]
    assert (pd.to_timedelta(["1h", "2h"]) * Number(2, "kW")).dtype == "unit[kWh]"
    assert (pd.Series([1, 2]) * Number(2)).dtype == "float64"
    for texts in (pd.Series(["x"]), pd.to_datetime(pd.Series(["2026-01-01"])), pd.Series(["x"], dtype="category")):
        with pytest.raises(TypeError):
            texts * Number(2, "h")


def test_a_range_index_does_not_take_a_whole_value_for_an_int() -> None:
    found = pd.RangeIndex(3) + UnitFloat(2.0, "kW")
    assert (str(found.dtype), list(map(float, found))) == ("unit[kW]", [2.0, 3.0, 4.0])


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, np.nan]), max_size=4), st.sampled_from([0.0, 2.0]))
def test_equality_is_by_value_and_never_converts(values: list[float], value: float) -> None:
    floats = pd.Series(values, dtype="float64")
    holders = [floats, floats.to_numpy(), pd.Index(floats), floats.array, floats.to_frame(), floats.astype("Float64")]
    for plain in holders:
        for mine, law in ((UnitFloat(value, "kW"), plain == value), (Number(value, "kW"), plain == "no number")):
            for found, expected in (
                (plain == mine, law),
                (mine == plain, law),
                (plain != mine, ~law),
                (mine != plain, ~law),
            ):
                assert type(found) is type(expected)
                assert columns_of(found) == [(pytest.approx(one[0], nan_ok=True), None) for one in columns_of(expected)]


def test_equality_with_what_is_no_column() -> None:
    assert [UnitFloat(2, "kW") != other for other in (2, "x", None, Number(2, "kW"))] == [False, True, True, False]
    assert [Number(2, "kW") != other for other in (2, "x", None, Number(2, "kW"))] == [True, True, True, False]
    assert (UnitFloat(2, "kW") == pd.NA) is (Number(2) != pd.NA) is pd.NA
    assert (hash(UnitFloat(2, "kW")), {2.0: 1}[UnitFloat(2, "kW")]) == (hash(2.0), 1)


def test_arrays_of_numpy() -> None:
    one = np.array([1.0, 2.0])
    for number in (Number(2, "h"), UnitFloat(2.0, "h")):
        for found in (one * number, number * one):
            assert isinstance(found, UnitArray)
            assert (found.unit, found.magnitudes.tolist()) == ("h", [2.0, 4.0])
    assert (np.maximum(one, Number(1.5, "h")).unit, np.multiply(one, Number(2, "h")).unit) == ("h", "h")
    assert (np.array([1], "m8[h]") * Number(2, "kW")).unit == "kWh"
    assert (np.ma.array(one, mask=[False, True]) * Number(2, "h"))[0] == Number(2.0, "h")
    assert list(np.multiply.outer(one, Number(2, "h"))) == [Number(2.0, "h"), Number(4.0, "h")]
    with pytest.raises(UnitError, match=r"cannot take numbers in h; write a = a \* b"):
        one *= Number(2, "h")
    assert one.tolist() == [1.0, 2.0]


def test_tables_of_numpy_say_what_to_do() -> None:
    table = np.ones((2, 3))
    number = Number(2, "h")
    for found in (table * number, UnitFloat(2.0, "h") * table, table[:0] * number, table[None] * number):
        assert "NumPy has no tables with a unit; take pd.DataFrame(values)" in repr(found)
        with pytest.raises(AttributeError, match="no 'sum' of rows with a unit: NumPy has no tables"):
            found.sum()
        with pytest.raises(AttributeError, match="no 'astype' of rows with a unit"):
            found.astype(float)
        with pytest.raises(TypeError, match="nothing can be put into rows with a unit"):
            found[0] = 1.0
        with pytest.raises(TypeError):
            found + 1
        copy.deepcopy(found)
    with pytest.raises(UnitError, match="NumPy has no tables"):
        np.maximum(table, Number(2, "h"))
    with pytest.raises(UnitError, match="NumPy has no tables"):
        np.maximum(table, pd.array([1.0, 2.0, 3.0], dtype="unit[h]"))
    assert (table > Number(0.5, "h")).tolist() == [[True] * 3] * 2
    assert (table ** Number(2)).tolist() == (table % Number(2)).tolist() == table.tolist()
    assert (table // Number(2, "h")).tolist() == np.zeros((2, 3)).tolist()


@pytest.mark.parametrize("made", [UnitFloat, Number])
@pytest.mark.parametrize("size", [2.0, 0.0, -2.0])
@pytest.mark.parametrize("values", [[3.0, 0.0, -1.0], [3, 0, -1], [True, False, True]], ids=["float", "int", "bool"])
def test_quotients_and_rests_beside_zeros_are_those_of_doubles(made: Any, size: float, values: list[Any]) -> None:
    """pandas fills what it divides by zero, and asks for that what it takes for an array."""
    number, floats = made(size, "h"), np.array(values, dtype=float)
    with np.errstate(all="ignore"):
        for left, right, expected in (
            ("plain", "number", (floats // size, floats % size)),
            ("number", "plain", (size // floats, size % floats)),
        ):
            for plain in (pd.Series(values), pd.DataFrame({"a": values, "b": values})):
                sides = {"plain": plain, "number": number}
                a, b = sides[left], sides[right]
                for found, wanted in zip((a // b, a % b, *divmod(a, b)), (*expected, *expected), strict=True):
                    column = found["b"] if isinstance(found, pd.DataFrame) else found
                    np.testing.assert_array_equal(np.asarray(column, dtype=float), wanted)
