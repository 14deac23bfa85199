"""Single numbers with a unit compute as columns do."""

from __future__ import annotations

import math
import operator
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import UnitError
from hsframe.kinds import Number
from hsframe.unit_array.scalars import UnitFloat

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


@pytest.mark.parametrize("other", [True, "1", None, [1], pd.Timestamp("2026-01-01")])
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


def test_a_text_has_the_unit_and_a_format_is_of_the_magnitude() -> None:
    for value in (UnitFloat(21.52, "°C"), Number(21.52, "°C")):
        assert (str(value), f"{value}", f"{value:.1f}", f"{value:>8.2e}") == (
            "21.52 °C",
            "21.52 °C",
            "21.5",
            "2.15e+01",
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
