"""Single numbers with a unit compute as columns do."""

from __future__ import annotations

import math
import operator
import statistics
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
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
from hsframe.units import convert

OPERATORS: list[Any] = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow),
    *(operator.lt, operator.le, operator.gt, operator.ge),
]
UNITS = ["kW", "W", "kWh", "h", "°F", "°C", "Δ°F", "Δ°C", "m", "%", "cfm", "$", "kVA"]

values = st.sampled_from([0.0, 1.0, -2.0, 0.5, 3.0, 1e6, -40.0]) | st.floats(-1e6, 1e6)


def column(val: float, unit: str | None) -> Any:
    return pd.Series([val], dtype=f"unit[{unit}]" if unit else "float64")


def outcome(compute: Any) -> tuple[Any, Any]:
    """The magnitude and the unit of a result, or the class of an error."""
    try:
        found = compute()
    except (UnitError, TypeError) as error:
        return type(error), None
    if not isinstance(found, pd.Series):
        return found if isinstance(found, bool) else float(found), getattr(found, "unit", None)
    return found.to_numpy()[0], getattr(found.dtype, "unit", None)


@given(values, st.sampled_from(UNITS), values, st.sampled_from([*UNITS, None]), st.sampled_from(OPERATORS))
def test_a_scalar_computes_as_a_column_of_one_row(x: float, a: str, y: float, b: str | None, compute: Any) -> None:
    other = UnitFloat(y, b) if b else y
    expected = outcome(lambda: compute(column(x, a), other))
    reflected = outcome(lambda: compute(other, column(x, a)))
    for made in (UnitFloat, Number):
        value = made(x, a)
        for found, law in (
            (outcome(lambda value=value: compute(value, other)), expected),
            (outcome(lambda value=value: compute(other, value)), reflected),
        ):
            if isinstance(law[0], float) and not math.isfinite(law[0]):
                assert str(found[0]) == str(float(law[0]))  # no Number and no missing value has a unit then
            elif compute is operator.pow:  # NumPy's powers of arrays may differ in the last bit
                assert found == (pytest.approx(law[0], rel=1e-15), law[1])
            else:
                assert found == law


FUNCTIONS: list[Any] = [
    *(np.add, np.subtract, np.multiply, np.true_divide, np.floor_divide, np.remainder, np.maximum, np.minimum, np.fmax),
    *(np.hypot, np.less, np.greater_equal, np.equal, np.arctan2, np.copysign),
]
OF_ONE: list[Any] = [
    *(np.negative, np.absolute, np.floor, np.ceil, np.rint, np.trunc, np.sqrt, np.square, np.cbrt, np.reciprocal),
    *(np.exp, np.sin, np.isnan, np.isfinite, np.sign),
]


def alike(found: tuple[Any, Any], law: tuple[Any, Any]) -> bool:
    if isinstance(law[0], float) and not math.isfinite(law[0]):
        return str(found[0]) == str(float(law[0]))  # no Number has a unit then
    return bool(found == law)


@given(values, st.sampled_from(UNITS), values, st.sampled_from([*UNITS, None]), st.sampled_from(FUNCTIONS))
@np.errstate(all="ignore")
def test_numpys_functions_compute_with_a_number_as_with_a_column_of_one_row(
    x: float, a: str, y: float, b: str | None, function: Any
) -> None:
    # == of Numbers never converts; that of columns does.
    if function is np.equal and a != b:
        assert function(Number(x, a), Number(y, b)) is False
        return
    other = Number(y, b) if b else y
    assert alike(outcome(lambda: function(Number(x, a), other)), outcome(lambda: function(column(x, a), other)))
    assert alike(outcome(lambda: function(other, Number(x, a))), outcome(lambda: function(other, column(x, a))))


@given(values, st.sampled_from([*UNITS, "m²", "m³"]), st.sampled_from(OF_ONE))
@np.errstate(all="ignore")
def test_numpys_functions_of_one_number(x: float, a: str, function: Any) -> None:
    assert alike(outcome(lambda: function(Number(x, a))), outcome(lambda: function(column(x, a))))


def test_numpy_takes_a_unit_float_for_a_float_but_not_beside_its_own_numbers() -> None:
    assert [np.add(UnitFloat(1.0, "kW"), 1), np.isnan(UnitFloat(1.0, "kW"))] == [2.0, False]
    assert isinstance(np.float64(2) * UnitFloat(1.0, "kW"), UnitFloat)


@pytest.mark.parametrize("other", [True, np.True_, Fraction(1, 2), Decimal("0.5"), np.array(0.5), np.longdouble(0.5)])
@pytest.mark.parametrize("compute", [operator.mul, operator.add, operator.lt])
def test_every_class_of_number_is_taken_by_values_and_columns(compute: Any, other: Any) -> None:
    for value in (UnitFloat(0.25, "kW"), Number(0.25, "kW")):
        for found, law in (
            (outcome(lambda value=value: compute(value, other)), outcome(lambda: compute(column(0.25, "kW"), other))),
            (outcome(lambda value=value: compute(other, value)), outcome(lambda: compute(other, column(0.25, "kW")))),
        ):
            assert found == law
            assert compute is operator.lt or law[1] == "kW"


@pytest.mark.parametrize("quarter", [timedelta(minutes=15), pd.Timedelta("15min"), np.timedelta64(15, "m")])
def test_durations(quarter: Any) -> None:
    power = column(4.0, "kW")
    for many in (
        power * quarter,
        quarter * power,
        power * pd.Series([quarter]),
        power.array * np.array(quarter, dtype="m8[us]"),
    ):
        assert (many.dtype, many[0]) == ("unit[kWh]", 1.0)
    for one in (UnitFloat(4.0, "kW") * quarter, Number(4, "kW") * quarter, quarter * Number(4, "kW")):
        assert (float(one), one.unit) == (1.0, "kWh")
    assert repr(UnitFloat(4.0, "kWh") / quarter) == "UnitFloat(16.0, 'kW')"
    with pytest.raises(UnitError, match="kW / a duration: the unit table has no unit"):
        UnitFloat(4.0, "kW") / quarter
    with pytest.raises(ValueError, match="Lengths"):
        power.array * np.array([quarter, quarter], dtype="m8[us]")


def test_means_of_the_standard_library() -> None:
    powers = [UnitFloat(4.0, "kW"), UnitFloat(2.0, "kW")]
    with pytest.raises(TypeError, match=r"needs a unit.*sum\(values\) / len\(values\)"):
        statistics.mean(powers)
    assert repr(sum(powers) / len(powers)) == repr(statistics.median(powers)) == "UnitFloat(3.0, 'kW')"


def test_numbers_in_arrays_of_objects_compute_one_by_one() -> None:
    rows = np.array([Number(60, "°F"), Number(70, "°F")], dtype=object)
    assert list(rows - Number(65, "°F")) == [Number(-5, "Δ°F"), Number(5, "Δ°F")]
    assert list(UnitFloat(65.0, "°F") - rows) == [Number(5, "Δ°F"), Number(-5, "Δ°F")]
    assert (rows < Number(65, "°F")).tolist() == [True, False]
    assert (rows == Number(60, "°F")).tolist() == (Number(60, "°F") == rows).tolist() == [True, False]
    assert (np.array([60.0, 1.0]) == Number(60, "°F")).tolist() == [False, False]
    assert list(np.maximum(rows, Number(65, "°F"))) == [Number(65, "°F"), Number(70, "°F")]
    assert (pd.Series([2.0], dtype="unit[kW]") * pd.Series([Number(2, "h")])).dtype == "unit[kWh]"
    assert isinstance(np.maximum(Number(1, "kW"), pd.array([2.0], dtype="unit[kW]")), UnitArray)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: UnitFloat(1.5, "kWh") + UnitFloat(2.0, "MWh"), UnitFloat(2001.5, "kWh")),
        (lambda: UnitFloat(1.5, "kWh") + Number(2, "MWh"), Number(2001.5, "kWh")),
        (lambda: Number(7, "kW") // 2, Number(3, "kW")),
        (lambda: Number(7) % Number(4), Number(3)),
        (lambda: Number(10**300) * Number(10**300), Number(math.inf)),
        (lambda: Number(2**52) * 4, Number(2.0**54)),
        (lambda: divmod(Number(7, "kW"), 2), (Number(3, "kW"), Number(1, "kW"))),
        (lambda: divmod(7, Number(2)), (Number(3), Number(1))),
        (lambda: -Number(7, "kW"), Number(-7, "kW")),
        (lambda: +abs(Number(-7, "kW")), Number(7, "kW")),
        (lambda: round(Number(7.26, "kW"), 1), Number(7.3, "kW")),
        (lambda: round(UnitFloat(7.26, "kW")), UnitFloat(7.0, "kW")),
        (lambda: Number(4, "kW") * timedelta(minutes=15), Number(1.0, "kWh")),
        (lambda: UnitFloat(4.0, "kWh") / pd.Timedelta("1h"), UnitFloat(4.0, "kW")),
        (lambda: np.float64(2) * UnitFloat(4.0, "kW"), UnitFloat(8.0, "kW")),
        (lambda: np.int32(2) * Number(4, "kW"), Number(8, "kW")),
        (lambda: Fraction(1, 2) * Number(4, "kW"), Number(2.0, "kW")),
        (lambda: sum([UnitFloat(1.0, "kW"), UnitFloat(500.0, "W")]), UnitFloat(1.5, "kW")),
        (lambda: max(UnitFloat(1.0, "kW"), UnitFloat(1500.0, "W")), UnitFloat(1500.0, "W")),
        (lambda: np.round(UnitFloat(7.26, "kW"), 1), UnitFloat(7.3, "kW")),
        (lambda: 65 - UnitFloat(60.0, "°F"), UnitFloat(5.0, "Δ°F")),
        (lambda: UnitFloat(60.0, "°F") - Number(65, "°F"), Number(-5.0, "Δ°F")),
    ],
)
def test_values(found: Any, expected: Any) -> None:
    assert repr(found()) == repr(expected)


@pytest.mark.parametrize("other", ["1", None, np.datetime64("2026-01-01"), [1], pd.Timestamp("2026-01-01")])
def test_what_is_no_number_is_refused(other: Any) -> None:
    for value in (UnitFloat(1.0, "kW"), Number(1, "kW")):
        for compute in (operator.add, operator.lt):
            with pytest.raises(TypeError):
                compute(value, other)


def test_arrays_and_columns_beside_a_scalar() -> None:
    value = UnitFloat(2.0, "kW")
    for plain in (np.array([1.0, 2.0]) * value, value * np.array([1.0, 2.0])):
        assert plain.tolist() == [2.0, 4.0]
    assert (np.array([1.0, 3.0]) < value).tolist() == [True, False]
    assert (value + pd.Series([1.0], dtype="unit[W]")).dtype == "unit[kW]"
    assert (pd.Series([1.0], dtype="unit[W]") + value).dtype == "unit[W]"


def test_rows_and_reductions_of_two_units() -> None:
    frame = pd.DataFrame({"s": column(55.0, "°F"), "r": column(50.0, "°F"), "f": column(2.0, "cfm")})
    assert frame.apply(lambda row: row["s"] - row["r"], axis=1).tolist() == [Number(5.0, "Δ°F")]
    assert (frame.max() - frame.min())["s"] == Number(0.0, "Δ°F")
    assert frame.mean()["f"] * 2 == Number(4.0, "cfm")


def test_a_text_has_the_unit_with_any_format() -> None:
    for value in (UnitFloat(21.52, "°C"), Number(21.52, "°C")):
        assert (str(value), f"{value}", f"{value:.1f}", f"{value:>8.2e}") == (
            "21.52 °C",
            "21.52 °C",
            "21.5 °C",
            "2.15e+01 °C",
        )


def test_sums_of_temperatures_have_no_unit() -> None:
    frame = pd.DataFrame({"t": pd.Series([60.0, 62.0], dtype="unit[°F]"), "k": ["a", "a"]})
    index = pd.date_range("2026-01-01", periods=2, freq="h", tz="UTC")
    for found in (
        frame[["t"]].sum(),
        frame.groupby("k")["t"].sum(),
        frame.groupby("k")["t"].cumsum().tail(1),
        frame.set_index(index)["t"].resample("1D").sum(),
        frame["t"].cumsum().tail(1),
    ):
        assert (found.dtype, found.iloc[0]) == (np.dtype("float64"), 122.0)
    assert getattr(frame["t"].sum(), "unit", None) is None
    assert np.add.accumulate(frame["t"].array).tolist() == [60.0, 122.0]
    assert (65 - frame["t"]).clip(lower=0).hs.to("si").sum() == pytest.approx(8 * 5 / 9)


# Conversion, prices ---------------------------------------------------------------------------------------------------


@given(values, st.sampled_from(UNITS), st.sampled_from([*UNITS, "kilowatt", "MWh", "si", "ip"]))
def test_a_value_converts_as_a_column_does(val: float, unit: str, target: str) -> None:
    expected = outcome(lambda: column(val, unit).hs.to(target))
    for one in (UnitFloat(val, unit), Number(val, unit)):
        assert outcome(lambda one=one: one.to(target)) == expected
        if expected[0] is not UnitError:
            assert type(one.to(target)) is type(one)


def test_what_has_no_unit_does_not_convert() -> None:
    with pytest.raises(UnitError, match=r"3 has no unit to convert from; give it one, as in Number\(3, 'kW'\)"):
        Number(3).to("kW")
    assert math.isnan(Number(math.nan, "kW").to("W"))
    for target in (None, 5):
        with pytest.raises(UnitError, match=f"a unit must be a text, as 'kW'; got {target}"):
            Number(3, "kW").to(target)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [Number, UnitFloat])
def test_a_result_that_is_nan_is_missing_to_pandas(make: Any) -> None:
    value = make(3.0, "kW")
    zero = value - value
    results = [value * math.nan, math.nan - value, value + np.nan, zero / zero, value // math.nan, -(value * math.nan)]
    assert [type(one) for one in results] == [float] * len(results)
    assert pd.isna(pd.Series(results, dtype=object)).all()
    assert [value + pd.NA, pd.NA - value, value < pd.NA] == [pd.NA] * 3
    assert (int(make(-2.7, "kW")), math.trunc(make(-2.7, "kW"))) == (-2, -2)
    assert pd.Series([value, make(1.5, "W")], dtype=object).astype(int).tolist() == [3, 1]


def test_rows_with_a_missing_value_are_missing_where_they_are_computed() -> None:
    df = pd.DataFrame({"r": [5.0, np.nan, 7.0], "s": [1.0, 1.0, 1.0]}, dtype="unit[°F]").assign(t=1.0)
    by_column = df["r"] - df["s"]
    by_row = df.apply(lambda row: row["r"] - row["s"], axis=1)
    assert by_row.isna().tolist() == by_column.isna().tolist() == [False, True, False]
    assert (by_row.count(), len(by_row.dropna())) == (2, 2)
    assert float(by_row.sum()) == float(by_column.sum()) == 10.0
    product = df[["r", "s"]].astype({"s": "unit[°C]"}).to_numpy() @ np.array([1, 0])
    assert pd.isna(product).tolist() == [False, True, False]


@pytest.mark.parametrize(("amount", "rate", "cost"), [
    ((1500, "kWh"), (0.21, "$/kWh"), (315.0, "$")),
    ((1.5, "MWh"), (0.21, "$/kWh"), (315.0, "$")),
    ((3.6e6, "kJ"), (210, "$/MWh"), (210.0, "$")),
    ((2, "MWh"), (0.4, "kgCO2e/kWh"), (800.0, "kgCO2e")),
    ((40, "°daysF"), (3, "kWh/°daysF"), (120.0, "kWh")),
    ((5, "Δ°C"), (2, "kW/°F"), (18.0, "kW")),
    # Blanks, the word "per" and names say the same; the head of a rate is not looked up, nor a unit that is the same.
    ((1.5, "MWh"), (0.21, "$ / kWh"), (315.0, "$")),
    ((1.5, "MWh"), (0.21, "$ per kWh"), (315.0, "$")),
    ((1.5, "MWh"), (0.21, "_ct_per_kilowatt_hour"), (315.0, "_ct")),
    ((1.5, "MWh"), (0.21, "$⁄kWh"), (315.0, "$")),
    ((3.0, "m²"), (2.0, "kWh per m²"), (6.0, "kWh")),
    ((3.0, "kW"), (2.0, "$/mW"), (6e6, "$")),
    ((1.5, "MWh"), (2, "/kWh"), (3000.0, None)),
    ((1.5, "ccf"), (2, "$/ccf"), (3.0, "$")),
    ((3, "kW"), (2, "°F/kW"), (6.0, "Δ°F")),
])  # fmt: skip
def test_a_price_times_an_amount_is_money_in_any_unit(amount: Any, rate: Any, cost: Any) -> None:
    for make in (Number, UnitFloat, column):
        for product in (make(*amount) * Number(*rate), Number(*rate) * make(*amount)):
            found, unit = outcome(lambda product=product: product)
            assert (pytest.approx(found), unit) == cost
    assert outcome(lambda: Number(*rate) * 2) == (rate[0] * 2, rate[1])


def test_a_price_times_something_else_is_refused() -> None:
    for amount in (Number(1, "kW"), Number(1, "kVAh"), UnitFloat(1.0, "%"), column(1, "kW"), Number(1, "$/kWh")):
        for x, y in ((amount, Number(1, "$/kWh")), (Number(1, "$/kWh"), amount)):
            with pytest.raises(UnitError, match=r"\$/kWh takes amounts in kWh, and .* does not convert to that"):
                operator.mul(x, y)
    with pytest.raises(UnitError, match="kW/°F takes amounts in Δ°F, and °F does not convert"):
        Number(70, "°F") * Number(2, "kW/°F")
    assert Number(2, "$/min") * timedelta(minutes=30) == Number(60, "$")
    assert (Number(2, "furlong") * Number(1, "kWh")).unit is None


@pytest.mark.parametrize(("rate", "words"), [
    ("$/KWH", "did you mean 'kWh'"), ("€/kwh", "did you mean 'kWh'"), ("$ / Mwh", "no 'Mwh'"), ("$/ccf", "no 'ccf'"),
    ("$ per ccf", "no 'ccf'"), ("$_per_kwh", "no 'kwh'"), ("/KWH", "no 'KWH'"), ("$/kW-month", "no 'kW-month'"),
    ("$/", "no ''"),
])  # fmt: skip
def test_a_price_per_something_unknown_is_no_factor_of_an_amount(rate: str, words: str) -> None:
    for amount in (Number(1, "MWh"), UnitFloat(1.0, "h"), column(1, "kW"), Number(1, "%"), Number(1, "furlong")):
        for price in (Number(2, rate), column(2, rate)):
            for x, y in ((amount, price), (price, amount)):
                with pytest.raises(UnitError, match=rf"takes amounts in .*hs\.magnitude\(\).*{words}") as caught:
                    operator.mul(x, y)
                assert "price.hs.magnitude().astype('unit[$/kWh]')" in str(caught.value)
    assert outcome(lambda: 3 * column(2, rate)) == (6.0, rate)
    assert float((column(2, rate).hs.magnitude().astype("unit[$/kWh]") * Number(1, "MWh")).iloc[0]) == 2000.0


@pytest.mark.parametrize(("a", "b", "quotient"), [
    ((210, "$"), (0.21, "$/kWh"), (1000.0, "kWh")),
    ((1, "MWh"), (4, "kWh per $"), (250.0, "$")),
    ((210, "$/MWh"), (0.21, "$/kWh"), (1.0, None)),
    ((0.21, "$ / kWh"), (210, "$/MWh"), (1.0, None)),
    ((2, "MWh/person"), (4, "kWh/person"), (500.0, None)),
    ((0.3, "$/kWh"), (2, "$/kg"), (0.15, None)),
    ((6, "Δ°F"), (2, "°F/kW"), (3.0, "kW")),
    ((70, "°F"), (2, "°F/kW"), (35.0, None)),  # a temperature is no rise of one
])  # fmt: skip
def test_an_amount_by_a_rate_and_the_ratio_of_two_rates(a: Any, b: Any, quotient: Any) -> None:
    for make in (Number, UnitFloat, column):
        found, unit = outcome(lambda make=make: make(*a) / make(*b))
        assert (pytest.approx(found), unit) == quotient


AMOUNTS = ["Wh", "kWh", "MWh", "GJ", "BTU", "therm"]
HEADS = ["$", "_ct", "kgCO2", "Δ°F", "kW"]


@given(
    values, values, st.sampled_from(AMOUNTS), st.sampled_from(AMOUNTS), st.sampled_from(HEADS),
    st.sampled_from(["/", " / ", " /", " per ", "_per_"]),
)  # fmt: skip
def test_a_rate_is_the_same_in_each_spelling_and_unit(
    x: float, y: float, a: str, b: str, head: str, slash: str
) -> None:
    amount, rate = Number(x, a), Number(y, f"{head}{slash}{b}")
    paid = amount * rate
    assert (paid.unit, paid.val) == (head, pytest.approx((amount.to(b) * Number(y, f"{head}/{b}")).val))
    assert paid.val == pytest.approx(x * y * convert(1.0, a, b))
    if abs(x) > 1e-9 and abs(y) > 1e-9:
        back = paid / rate
        assert (back.unit, back.to(a).val) == (b, pytest.approx(x))


def test_the_ratio_of_rates_per_something_unknown_is_refused() -> None:
    with pytest.raises(UnitError, match=r"cannot compute \$/KWH / \$/kWh: KWH does not convert to kWh"):
        Number(1, "$/KWH") / Number(1, "$/kWh")


def test_single_values_are_equal_without_conversion_and_ordered_with_it() -> None:
    assert UnitFloat(7, "kW") == UnitFloat(7, "W")
    assert UnitFloat(7, "kW") > UnitFloat(7, "W")
    assert Number(7, "kW") != Number(7, "W")
    assert Number(7, "kW") > Number(7, "W")
    for make in (UnitFloat, Number):
        assert make(7, "kW") != make(7000, "W")
        assert make(7, "kW") == make(7000, "W").to("kW")
    assert (column(7, "kW") == column(7000, "W")).all()


@pytest.mark.parametrize("price", ["$kWh", "$·kWh⁻¹", "€kWh", "$ kWh", "kWh⁻¹", "$ kWh^-1"])
@pytest.mark.parametrize("unit", ["kWh", "MWh"])
def test_a_price_without_a_slash_is_refused(price, unit):
    """A plain number would be right for the unit that is meant, and a thousand times wrong for another one."""
    amounts = pd.Series([1.0], dtype=f"unit[{unit}]")
    for amount in (Number(1, unit), amounts.max(), amounts):
        for both in ((amount, Number(0.2, price)), (Number(0.2, price), amount)):
            with pytest.raises(UnitError, match=r"reads as a price without its slash; write it as '\$/kWh'"):
                _ = both[0] * both[1]


def test_a_unit_that_is_written_another_way_than_after_the_slash_is_named():
    for rate, area, meant in (("kWh/m²", "m2", "m²"), ("kW/ft²", "ft2", "ft²"), ("kWh/m³", "m3", "m³")):
        with pytest.raises(UnitError, match=f"no '{area}'.*Write it as '{meant}', as '{rate}' has it") as caught:
            _ = Number(3, rate) * Number(2, area)
        assert "\n" not in str(caught.value)
        assert Number(3, rate) * Number(2, meant) == Number(6, rate.partition("/")[0])
    for amount, other in (("kWh", "m2"), ("kWh/m²", "persons"), ("$", "kWh"), ("widgets", "kWh"), ("kWh/m²", "ft3")):
        assert (Number(3, amount) * Number(2, other)).unit is None
