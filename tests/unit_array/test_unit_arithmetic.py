"""The units of results of columns with units (hsframe.units.unit_rules)."""

import operator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe import options, units
from hsframe.errors import UnitError
from hsframe.kinds import Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype
from hsframe.unit_array.scalars import UnitFloat


def column(unit, *values):
    return pd.Series(np.array(values, dtype=float), dtype=UnitDtype(unit))


def unit_of(result):
    return getattr(result.dtype, "unit", None)


@pytest.mark.parametrize(
    ("a", "op", "b", "unit", "values"),
    [
        (("kW", 1, 2), "add", ("kW", 3, 4), "kW", [4, 6]),
        (("kW", 1, 2), "add", ("W", 500, 1500), "kW", [1.5, 3.5]),
        (("W", 500, 1500), "sub", ("kW", 1, 2), "W", [-500, -500]),
        (("°F", 70, 80), "sub", ("°F", 60, 60), "Δ°F", [10, 20]),
        (("°F", 70, 80), "sub", ("°C", 20, 20), "Δ°F", [2, 12]),
        (("°F", 70, 80), "add", ("Δ°F", 5, 5), "°F", [75, 85]),
        (("°F", 70, 80), "sub", ("Δ°C", 5, 10), "°F", [61, 62]),
        (("Δ°F", 9, 18), "add", ("°C", 20, 20), "°C", [25, 30]),
        (("Δ°F", 9, 18), "add", ("Δ°C", 5, 5), "Δ°F", [18, 27]),
        (("°F", 70, 80), "add", ("°F", 72, 82), "°F", [142, 162]),
        (("K", 300, 310), "sub", ("K", 290, 290), "ΔK", [10, 20]),
        (("kW", 2, 3), "mul", ("h", 4, 4), "kWh", [8, 12]),
        (("kVA", 2, 3), "mul", ("h", 4, 4), "kVAh", [8, 12]),
        (("kWh", 8, 12), "truediv", ("h", 4, 4), "kW", [2, 3]),
        (("kWh", 8, 12), "truediv", ("kW", 4, 4), "hr", [2, 3]),
        (("kWh", 8, 12), "truediv", ("m²", 4, 4), "kWh/m²", [2, 3]),
        (("kW", 8, 12), "truediv", ("kVA", 10, 20), "pf", [0.8, 0.6]),
        (("kWh", 500, 1500), "truediv", ("MWh", 1, 3), None, [0.5, 0.5]),
        (("kW", 8, 12), "truediv", ("kW", 4, 4), None, [2, 3]),
        (("kW", 8, 12), "mul", ("°F", 2, 2), None, [16, 24]),
        (("kW", 8, 12), "mul", ("kW", 2, 2), None, [16, 24]),
        (("kW", 7, 12), "mod", ("kW", 4, 5), "kW", [3, 2]),
        (("kW", 7, 12), "mod", ("W", 4000, 5000), "kW", [3, 2]),
        (("kW", 7, 12), "floordiv", ("W", 2000, 5000), None, [3, 2]),
    ],
)
def test_two_columns(a, op, b, unit, values):
    result = getattr(operator, op)(column(*a), column(*b))
    assert unit_of(result) == unit
    assert result.to_numpy(dtype=float) == pytest.approx(values)


@pytest.mark.parametrize(
    ("op", "operand", "unit", "values"),
    [
        ("add", 1, "°F", [71, 81]),
        ("sub", 2.0, "°F", [68, 78]),
        ("mul", 2, "°F", [140, 160]),
        ("truediv", 2, "°F", [35, 40]),
        ("floordiv", 3, "°F", [23, 26]),
        ("mod", 30, "°F", [10, 20]),
        ("sub", Number(20, "°C"), "Δ°F", [2, 12]),
        ("sub", UnitFloat(70, "°F"), "Δ°F", [0, 10]),
        ("add", UnitFloat(5, "Δ°C"), "°F", [79, 89]),
        ("mul", np.array([1, 2]), "°F", [70, 160]),
        ("add", [1, 2], "°F", [71, 82]),
        ("pow", 2, None, [4900, 6400]),
    ],
)
def test_a_column_and_something_plain(op, operand, unit, values):
    result = getattr(operator, op)(column("°F", 70, 80), operand)
    assert unit_of(result) == unit
    assert result.to_numpy(dtype=float) == pytest.approx(values)


def test_reflected():
    power = column("kW", 2, 4)
    assert unit_of(10 - power) == "kW"
    assert (10 - power).tolist() == [8, 6]
    assert unit_of(8 / power) is None
    assert unit_of(1 / column("h", 2, 4)) == "/h"
    assert (np.array([1.0, 2.0]) * power).dtype == UnitDtype("kW")
    assert (np.array([1.0, 2.0]) * power.array).dtype == UnitDtype("kW")
    assert (np.float64(3) * power.array).tolist() == [6, 12]
    # The left side says the unit, also where it is a single number.
    assert (Number(1, "MW") - power).tolist() == [0.998, 0.996]
    assert unit_of(Number(1, "MW") - power) == "MW"


@pytest.mark.parametrize(
    ("a", "op", "b", "message"),
    [
        ("kW", "add", "°F", "°F does not convert to kW"),
        ("kWh", "sub", "kVAh", "kVAh does not convert to kWh"),
        ("kW", "lt", "°F", "kW < °F"),
        ("kW", "mod", "°F", "kW % °F"),
        ("Δ°F", "sub", "°F", "a temperature cannot be taken from a difference"),
        ("kW", "add", "furlong", "furlong"),
        ("EUR", "add", "USD", "USD"),
    ],
)
def test_what_does_not_go_together_is_refused(a, op, b, message):
    with pytest.raises(UnitError, match=message):
        getattr(operator, op)(column(a, 1, 2), column(b, 1, 2))


def test_a_unit_of_the_servers_own_computes_with_itself():
    mine = column("furlong", 1, 2)
    assert unit_of(mine + mine) == "furlong"
    assert unit_of(mine / mine) is None
    assert unit_of(mine * 3) == "furlong"
    assert unit_of(mine * mine) is None


def test_mixing_can_be_forbidden():
    with options.using(unit_mixing="raise"):
        assert unit_of(column("kW", 1, 2) + column("kW", 1, 2)) == "kW"
        for op in (operator.add, operator.lt, operator.truediv):
            with pytest.raises(UnitError, match="unit_mixing is 'raise'"):
                op(column("kW", 1, 2), column("W", 1, 2))
    # Two names of one unit are no mixture.
    with options.using(unit_mixing="raise"):
        assert (column("kW", 1, 2) + column("kilowatt", 1, 2)).tolist() == [2, 4]


def test_comparison_converts_and_equality_never_raises():
    fahrenheit, celsius = column("°F", 68, 70), column("°C", 20, 20)
    assert (fahrenheit == celsius).tolist() == [True, False]
    assert (fahrenheit > celsius).tolist() == [False, True]
    assert (fahrenheit <= Number(20, "°C")).tolist() == [True, False]
    assert (fahrenheit == column("kW", 68, 70)).tolist() == [False, False]
    assert (fahrenheit != column("kW", 68, 70)).tolist() == [True, True]
    assert (fahrenheit == "x").tolist() == [False, False]
    assert (fahrenheit == 68).tolist() == [True, False]
    with pytest.raises(TypeError):
        fahrenheit < "x"  # noqa: B015


def test_durations_count_in_the_time_that_the_table_has():
    hour, quarters = pd.Timedelta("1h"), pd.Series(pd.to_timedelta([15, 30], unit="min"))
    assert unit_of(column("kW", 4, 8) * hour) == "kWh"
    assert (column("kW", 4, 8) * quarters).tolist() == [1, 4]
    assert unit_of(hour * column("kW", 4, 8)) == "kWh"
    assert (column("cfm", 1, 2) * hour).tolist() == pytest.approx([60, 120], rel=1e-5)
    assert unit_of(column("cfm", 1, 2) * hour) == "ft³"
    assert unit_of(column("m³/s", 1, 2) * hour) == "m³"
    assert (column("kWh", 1, 2) / quarters).tolist() == [4, 4]
    assert unit_of(column("kWh", 1, 2) / quarters) == "kW"
    with pytest.raises(UnitError, match="°F \\* a duration"):
        column("°F", 1, 2) * hour
    with pytest.raises(UnitError, match="kW \\+ a duration"):
        column("kW", 1, 2) + hour


def test_places_and_counts():
    temp = column("°F", 70, 72, 70, np.nan)
    assert (temp.idxmax(), temp.to_frame("t").idxmin()["t"]) == (1, 0)
    assert (temp.array.argmax(), temp.count()) == (1, 3)
    assert temp.value_counts().index.dtype == UnitDtype("°F")
    assert temp.value_counts().to_dict() == {70.0: 2, 72.0: 1}
    assert temp.unique().dtype == UnitDtype("°F")
    assert temp.isin([70]).tolist() == [True, False, True, False]
    assert temp.isin([Number(70, "°F"), Number(72, "kW")]).tolist() == [True, False, True, False]
    assert temp.isin(column("°C", 21.11111111111111, 0)).tolist()[1] is False
    assert temp.isin(column("kW", 70, 72)).any() == np.False_
    assert column("kW", 1, 2, 3).searchsorted(Number(2500, "W")) == 2
    assert temp.mode().tolist() == [70]
    assert temp.rank().tolist()[:3] == [1.5, 3, 1.5]
    assert unit_of(temp.diff()) == "Δ°F"
    assert unit_of(temp.pct_change(fill_method=None)) is None
    assert unit_of(temp.quantile([0.5])) == "°F"
    assert temp.duplicated().tolist() == [False, False, True, False]
    assert temp.between(Number(21, "°C"), Number(22, "°C")).tolist() == [True, False, True, False]
    codes, uniques = pd.factorize(temp)
    assert (codes.tolist(), uniques.dtype) == ([0, 1, 0, -1], UnitDtype("°F"))


def test_missing_values_stay_missing():
    a, b = column("kW", 1, np.nan), column("kW", np.nan, 2)
    assert (a + b).isna().all()
    assert (a * 2).isna().tolist() == [False, True]
    assert (a == a).tolist() == [True, False]
    assert (a != a).tolist() == [False, True]
    assert (a + pd.NA).isna().all()


@pytest.mark.parametrize(
    ("function", "unit"),
    [(np.abs, "m²"), (np.floor, "m²"), (np.sqrt, "m"), (np.exp, None), (np.log, None), (np.square, None)],
)
def test_numpy_functions_give_no_wrong_unit(function, unit):
    area = column("m²", 4, 9)
    result = function(area)
    assert unit_of(result) == unit
    assert result.to_numpy(dtype=float) == pytest.approx(function(np.array([4.0, 9.0])))


def test_numpy_functions_of_two():
    a, b = column("kW", 1, 5), column("W", 2000, 2000)
    assert np.maximum(a, b).tolist() == [2, 5]
    assert unit_of(np.maximum(a, b)) == "kW"
    assert unit_of(np.add(a, b)) == "kW"
    assert np.sum(a.array) == 6
    assert np.add.accumulate(a.array).tolist() == [1, 6]
    with pytest.raises(UnitError, match="maximum"):
        np.maximum(a, column("°F", 1, 2))


@pytest.mark.parametrize(
    ("how", "unit"),
    [
        ("sum", None),
        ("mean", "°F"),
        ("median", "°F"),
        ("min", "°F"),
        ("max", "°F"),
        ("std", "Δ°F"),
        ("sem", "Δ°F"),
        ("var", None),
        ("prod", None),
        ("skew", None),
        ("kurt", None),
        ("count", None),
    ],
)
def test_reductions_say_their_unit_in_every_place(how, unit):
    values = [70.0, 71.5, np.nan, 75.0, 80.0, 66.0]
    frame = pd.DataFrame({"t": column("°F", *values), "k": ["a", "a", "a", "a", "a", "a"]})
    plain = pd.Series(values)
    expected = getattr(plain, how)()
    single = getattr(frame["t"], how)()
    assert single == pytest.approx(expected)
    assert getattr(single, "unit", None) == unit
    if how in ("kurt", "skew"):
        return
    grouped = getattr(frame.groupby("k")["t"], how)()
    assert grouped.iloc[0] == pytest.approx(expected)
    assert unit_of(grouped) == unit
    index = pd.date_range("2024-01-01", periods=6, freq="h", tz="UTC")
    sampled = getattr(frame["t"].set_axis(index).resample("1D"), how)()
    assert sampled.iloc[0] == pytest.approx(expected)
    assert unit_of(sampled) == unit


def test_a_variance_has_the_unit_squared_where_the_table_has_it():
    assert column("m", 1.0, 2.0).var().unit == "m²"


GROUPED = ["sum", "mean", "min", "max", "std", "var", "median", "first", "last", "prod", "count", "cumsum", "rank"]


@given(st.data())
def test_groups_are_those_of_plain_columns(data):
    rows = data.draw(st.integers(0, 40))
    values = data.draw(st.lists(st.one_of(st.just(np.nan), st.floats(-1e6, 1e6)), min_size=rows, max_size=rows))
    keys = data.draw(st.lists(st.integers(-2, 4), min_size=rows, max_size=rows))
    if data.draw(st.booleans()):
        keys = sorted(keys)
    keys = [np.nan if key == -2 else float(key) for key in keys]
    how = data.draw(st.sampled_from(GROUPED))
    count = data.draw(st.integers(1, 4))
    plain = pd.DataFrame({f"c{n}": np.array(values, dtype=float) * (n + 1) for n in range(count)})
    unit = plain.astype(UnitDtype("kW"))
    expected = getattr(plain.groupby(np.array(keys, dtype=float)), how)()
    found = getattr(unit.groupby(np.array(keys, dtype=float)), how)()
    pd.testing.assert_frame_equal(found.astype(float), expected.astype(float), rtol=1e-9, atol=1e-9)


@given(st.data())
def test_periods_are_those_of_plain_columns(data):
    rows = data.draw(st.integers(1, 60))
    steps = data.draw(st.lists(st.integers(1, 50), min_size=rows, max_size=rows))
    values = data.draw(st.lists(st.one_of(st.just(np.nan), st.floats(-1e6, 1e6)), min_size=rows, max_size=rows))
    index = pd.to_datetime(np.cumsum(steps) * 3600, unit="s", utc=True).tz_convert("America/New_York")
    how = data.draw(st.sampled_from(["sum", "mean", "min", "max", "std", "count", "first", "last", "median"]))
    min_count = data.draw(st.sampled_from([{}, {"min_count": 2}])) if how in ("sum", "min", "max") else {}
    plain = pd.DataFrame({"a": np.array(values)}, index=index)
    expected = getattr(plain.resample("1D"), how)(**min_count)
    found = getattr(plain.astype(UnitDtype("kW")).resample("1D"), how)(**min_count)
    pd.testing.assert_frame_equal(found.astype(float), expected.astype(float), rtol=1e-9, atol=1e-9)


KW = ["kW", "W", "BTU/h", "tonref", "hp"]
finite = st.floats(-1e6, 1e6)


@given(st.sampled_from(KW), st.sampled_from(KW), finite, finite)
def test_a_sum_is_the_same_in_every_unit(a, b, x, y):
    left = column(a, x) + column(b, y)
    expected = units.convert(x, a, "W") + units.convert(y, b, "W")
    assert units.convert(float(left.iloc[0]), a, "W") == pytest.approx(expected, rel=1e-9, abs=1e-3)


@pytest.mark.parametrize("dtype", ["bool", "boolean", "Int64", "Float64", "int64[pyarrow]", "double[pyarrow]", "int8"])
def test_other_arrays_of_pandas_on_either_side(dtype):
    power, other = column("kW", 1, 2), pd.Series([1, 0], dtype=dtype)
    for product in (power * other, other * power):
        assert (product.dtype, product.tolist()) == (UnitDtype("kW"), [1.0, 0.0])
    assert (other + power).dtype == UnitDtype("kW")
    assert (other - column("°F", 60, 70)).dtype == UnitDtype("Δ°F")
    assert (other < power).tolist() == [False, True]


def test_durations_on_either_side():
    hours = pd.Series(pd.to_timedelta(["1h", "2h"]))
    for energy in (column("kW", 1, 2) * hours, hours * column("kW", 1, 2)):
        assert (energy.dtype, energy.tolist()) == (UnitDtype("kWh"), [1.0, 4.0])


def test_functions_of_ones_own_compute_by_the_same_rules():
    temp = column("°F", 68, 77)
    assert temp.map(lambda t: 65 - t).dtype == UnitDtype("Δ°F")
    assert temp.apply(lambda t: t * 2).dtype == UnitDtype("°F")
    assert temp.map(lambda t: float(t) * 2).dtype == np.float64
    assert temp.map(lambda t: t if t < 70 else 80 - t).tolist() == [Number(68.0, "°F"), Number(3.0, "Δ°F")]
    assert temp.map(lambda t: t).dtype == UnitDtype("°F")
    assert temp.combine(column("°F", 70, 70), max).dtype == UnitDtype("°F")
    assert temp.map({68.0: "low", 77.0: "high"}).tolist() == ["low", "high"]


def test_a_scalar_is_a_float_with_a_unit():
    import copy
    import json
    import pickle

    value = column("°F", 72.5).iloc[0]
    assert isinstance(value, float)
    assert (value, value.unit, value.val, f"{value:.0f}", str(value)) == (72.5, "°F", 72.5, "72 °F", "72.5 °F")
    assert repr(value) == "UnitFloat(72.5, '°F')"
    assert repr([value + 1, 80 - value, value.round(), value / value]) == (
        "[UnitFloat(73.5, '°F'), UnitFloat(7.5, 'Δ°F'), UnitFloat(72.0, '°F'), 1.0]"
    )
    assert (type(value.item()), value.dtype, value.astype("int64")) == (float, np.dtype("float64"), 72)
    assert column("°F", 72.5).astype(str).tolist() == ["72.5"]
    assert column("°F", 72.5).to_csv(index=False, header=False).strip() == "72.5"
    for copied in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert (copied, copied.unit) == (72.5, "°F")
    assert json.dumps(value) == "72.5"
    assert hash(value) == hash(72.5)


@pytest.mark.parametrize(
    ("settings", "cells"),
    [
        ({"sep": ";", "decimal": ","}, "72,5;-"),
        ({"float_format": "%.2f"}, "72.50,-"),
        ({"float_format": "{:.2f}".format}, "72.50,-"),
        ({"float_format": "%.2f", "decimal": ",", "sep": ";"}, "72,50;-"),
        ({"quoting": 2, "decimal": ","}, '"72,5","-"'),
    ],
)
def test_csv_has_plain_numbers_whatever_their_form(settings, cells):
    df = pd.DataFrame({"Zone": column("°F", 72.5), "Meter": column("kW", np.nan)})
    expected = df.astype("float64").to_csv(index=False, header=False, na_rep="-", **settings)
    assert df.to_csv(index=False, header=False, na_rep="-", **settings) == expected
    assert expected.strip() == cells
    index = df.set_index("Zone").to_csv(header=False, na_rep="-", **settings)
    assert index.strip() == cells


def test_assignment_converts_or_refuses():
    temp = column("°F", 70, 71, 72)
    temp.iloc[0] = Number(20, "°C")
    temp.iloc[1] = 65
    assert temp.tolist() == [68, 65, 72]
    temp.loc[:] = column("°C", 0, 10, 20)
    assert temp.tolist() == [32, 50, 68]
    with pytest.raises(UnitError, match="kW does not convert"):
        temp.iloc[0] = Number(1, "kW")
    with pytest.raises(TypeError, match="not a number"):
        temp.array[0] = "warm"
    assert temp.fillna(Number(1, "°C")).dtype == UnitDtype("°F")
    assert temp.where(temp > 40, Number(0, "°C")).tolist() == [32, 50, 68]
    assert temp.clip(lower=UnitFloat(10, "°C")).dtype == UnitDtype("°F")


def test_a_new_row_keeps_the_unit():
    frame = pd.DataFrame({"t": column("°F", 70, 71), "p": column("kW", 1, 2)})
    frame.loc[2] = [72, 3]
    assert list(frame.dtypes) == [UnitDtype("°F"), UnitDtype("kW")]
    frame.loc[3] = frame.iloc[0]
    assert list(frame.dtypes) == [UnitDtype("°F"), UnitDtype("kW")]
    assert frame["t"].tolist() == [70, 71, 72, 70]


def test_a_cast_converts():
    assert column("°F", 32, 212).astype("unit[°C]").tolist() == [0, 100]
    assert column("kW", 1, 2).astype(float).tolist() == [1, 2]
    assert column("kW", 1, 2).astype("int64").tolist() == [1, 2]
    assert column("kW", 1, np.nan).astype("Float64").isna().tolist() == [False, True]
    assert pd.Series([1.0, 2.0]).astype("unit[kW]").dtype == UnitDtype("kW")
    with pytest.raises(UnitError, match="power"):
        column("°F", 1, 2).astype("unit[kW]")
    with pytest.raises(UnitError, match="symbol of a unit"):
        UnitDtype("")


def test_an_array_takes_doubles_only():
    with pytest.raises(TypeError, match="float64"):
        UnitArray(np.array([1, 2]), "kW")
    with pytest.raises(TypeError, match="not a number"):
        pd.array([1, True], dtype=UnitDtype("kW"))
    with pytest.raises(TypeError, match="not numbers"):
        pd.array(np.array(["2024"], dtype="datetime64[s]"), dtype=UnitDtype("kW"))
    assert pd.array([Number(1, "MW"), 2, None, pd.NA], dtype=UnitDtype("kW")).tolist()[:2] == [1000, 2]
