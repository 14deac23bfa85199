"""Frames of single values: pandas' own shapes and magnitudes, with units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import MetadataError, UnitError
from hsframe.frame.tables import table
from hsframe.kinds import Number


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "t": pd.Series([55.0, 56.0, np.nan], dtype="unit[°F]"),
            "f": pd.Series([1.0, 2.0, 4.0], dtype="unit[cfm]"),
            "n": [3.0, 4.0, 5.0],
        }
    )


SPECS: list[Any] = [
    {"t": "max", "f": "max"},
    {"t": "mean", "n": "sum"},
    {"t": ["min", "max"], "f": ["max", "std"]},
    {"t": ["min"], "f": "max"},
    ["min", "max"],
    "mean",
    {"f": len, "t": "count"},
]


def plain(result: Any) -> Any:
    as_float = lambda item: item if isinstance(item, str) else float(item)  # noqa: E731 - short
    return result.map(as_float).astype("float64")


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_magnitudes_and_labels_are_those_of_pandas(frame: pd.DataFrame, spec: Any) -> None:
    found, expected = frame.hs.agg(spec), frame.hs.magnitude().agg(spec)
    assert type(found) is type(expected)
    assert found.index.tolist() == expected.index.tolist()
    if isinstance(found, pd.DataFrame):
        assert found.columns.tolist() == expected.columns.tolist()
    assert np.array_equal(plain(found), expected.astype("float64"), equal_nan=True)


def test_units(frame: pd.DataFrame) -> None:
    assert frame.hs.agg({"t": "max", "f": "max"}).tolist() == [Number(56.0, "°F"), Number(4.0, "cfm")]
    assert frame.hs.agg({"t": ["min", "max"], "f": ["min", "std"]}).hs.units == {"t": "°F", "f": "cfm"}
    spread = frame.hs.agg({"t": ["mean", "std"]})["t"]
    assert spread.tolist() == [Number(55.5, "°F"), Number(math.sqrt(0.5), "Δ°F")]
    named = frame.hs.agg(lo=("t", "min"), hi=("f", lambda column: column.max() * 2))
    assert named.hs.units == {"t": "°F", "f": "cfm"}
    assert named.to_numpy("float64", na_value=np.nan)[[0, 1], [0, 1]].tolist() == [55.0, 8.0]
    assert frame[["t"]].hs.agg("mean").dtype == "unit[°F]"


def test_a_table_of_results() -> None:
    found = table(
        [
            {"used": pd.Series([1.5], dtype="unit[MWh]").sum(), "site": "a", "mix": Number(1, "kW")},
            {"used": pd.Series([500.0], dtype="unit[kWh]").sum(), "site": "b", "mix": Number(2, "°F")},
            {"site": "c", "mix": 3.0},
        ],
        index=["x", "y", "z"],
    )
    assert found.index.tolist() == ["x", "y", "z"]
    assert found.hs.units == {"used": "MWh", "site": None, "mix": None}
    assert found["used"].tolist()[:2] == [1.5, 0.5]
    assert math.isnan(found["used"].iloc[2])
    assert found["mix"].tolist() == [Number(1, "kW"), Number(2, "°F"), 3.0]
    assert hsframe.table([]).empty
    with hsframe.options.using(unit_mixing="raise"), pytest.raises(UnitError, match="unit_mixing"):
        table([{"a": Number(1, "kW")}, {"a": Number(1, "W")}])


@pytest.mark.parametrize("call", [lambda hs: hs.agg(), lambda hs: hs.agg("max", lo=("t", "min"))])
def test_what_is_to_be_aggregated_must_be_said_once(frame: pd.DataFrame, call: Any) -> None:
    with pytest.raises(TypeError, match=r"agg (needs|takes)"):
        call(frame.hs)


def test_statistics_of_one_name_are_refused_and_rows_may_be_series(frame: pd.DataFrame) -> None:
    with pytest.raises(TypeError, match=r"two statistics of 't' have one name.*low="):
        frame.hs.agg({"t": [lambda column: column.max(), lambda column: column.min()]})
    rows = table([row for _, row in frame[["t", "n"]].iterrows()])
    assert rows.columns.tolist() == ["t", "n"]
    assert rows["n"].tolist() == [3.0, 4.0, 5.0]


@pytest.mark.parametrize("nothing", [None, pd.NA, pd.NaT, hsframe.NA, np.nan])
def test_what_is_missing_beside_a_unit_is_missing(nothing: Any) -> None:
    found = table([{"a": Number(1, "kW"), "b": Number(1, "kW")}, {"a": nothing, "b": Number(1, "°F")}, {"b": nothing}])
    assert found["a"].dtype == "unit[kW]"
    assert np.isnan(found["a"].to_numpy()).tolist() == [False, True, True]
    assert found["b"].tolist()[:2] == [Number(1, "kW"), Number(1, "°F")]
    assert math.isnan(found["b"].iloc[2])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda df: df.hs.agg(5), "a statistic is a name, as 'max', or a function of a column; got 5"),
        (lambda df: df.hs.agg({"t": ["max", 5]}), "got 5"),
        (lambda df: table([5]), r"rows of a table are dicts or Series.*got 5"),
        (lambda df: table({"t": 5}), r"rows of a table are dicts or Series.*got 't'"),
    ],
)
def test_what_is_no_statistic_and_no_row_is_refused(frame: pd.DataFrame, call: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        call(frame)


def test_columns_of_one_label_have_no_statistic(frame: pd.DataFrame) -> None:
    twice = pd.concat([frame, frame[["t"]].hs.to("si")], axis=1)
    for spec in ("max", ["max", "min"], {"t": "max"}):
        with pytest.raises(MetadataError, match="2 columns are named 't'; rename them"):
            twice.hs.agg(spec)
    assert twice.hs.agg({"f": "max"}).tolist() == [4.0]


@pytest.fixture
def levels() -> pd.DataFrame:
    return pd.DataFrame(
        {
            ("A", "p"): pd.array([1.0, 2.0, 4.0], dtype="unit[kW]"),
            ("A", "t"): pd.array([60.0, 62.0, 61.0], dtype="unit[°F]"),
            ("B", "p"): pd.array([1.0, 2.0, 9.0], dtype="unit[W]"),
        }
    )


def units_of(frame: pd.DataFrame) -> list[str | None]:
    return [getattr(dtype, "unit", None) for dtype in frame.dtypes]


def test_columns_in_levels(levels: pd.DataFrame) -> None:
    assert units_of(levels.hs.to({"A": "si"})) == units_of(levels.hs.to({("A", "t"): "°C"})) == ["kW", "°C", "W"]
    with pytest.raises(UnitError, match="'p'"):
        levels.hs.to({"A": "°C"})
    assert units_of(levels.hs.rolling(2).mean()) == units_of(levels.hs.ewm(span=2).mean()) == ["kW", "°F", "W"]
    assert units_of(levels.hs.expanding().std()) == ["kW", "Δ°F", "W"]
    assert units_of(levels.hs.rolling(2).agg(["mean", "std", "count"])) == [
        *("kW", "kW", None),
        *("°F", "Δ°F", None),
        *("W", "W", None),
    ]
    by_row = levels.hs.magnitude().groupby([0, 0, 1]).agg(["std", "count"])
    assert units_of(hsframe.with_units(by_row, like=levels)) == ["kW", None, "Δ°F", None, "W", None]
    assert units_of(levels.hs.agg(["max", "min"])) == ["kW", "°F", "W"]
    assert units_of(levels.hs.rolling(2).corr()) == [None] * 3
    assert levels.hs.rolling(2)["A"].mean().hs.units == {"p": "kW", "t": "°F"}


def test_columns_of_one_label_are_known_by_their_place(frame: pd.DataFrame) -> None:
    twice = pd.concat([frame[["t"]], frame[["t"]].hs.to("si")], axis=1)
    assert units_of(twice.hs.rolling(2).mean()) == ["°F", "°C"]
    assert units_of(twice.hs.rolling(2).std()) == ["Δ°F", "Δ°C"]
    assert twice.hs.to({"t": "°C"}).iloc[0].tolist() == pytest.approx([(55 - 32) / 1.8] * 2)
    assert units_of(twice.hs.to({"t": "°C"})) == ["°C", "°C"]
    with pytest.raises(MetadataError, match=r"several columns of like are named 't', in different units"):
        hsframe.with_units(frame[["t"]].hs.magnitude(), like=twice)


def test_windows_by_statistic(frame: pd.DataFrame) -> None:
    window = frame[["t", "f"]].hs.rolling(2)
    assert window.agg({"t": "std", "f": "mean"}).hs.units == {"t": "Δ°F", "f": "cfm"}
    assert units_of(window.agg({"t": ["mean", "std"], "f": ["count"]})) == ["°F", "Δ°F", None]
    assert units_of(frame["t"].hs.rolling(2).agg(["mean", "std", "count"])) == ["°F", "Δ°F", None]
    assert units_of(window.agg({"t": lambda values: values.max()})) == [None]
    plain = frame[["t", "f"]].hs.magnitude().rolling(2)
    for how in ("corr", "cov"):
        pd.testing.assert_frame_equal(getattr(window, how)(), getattr(plain, how)())
        by_one = getattr(frame["t"].hs.rolling(2), how)(frame["f"])
        pd.testing.assert_series_equal(by_one, getattr(plain["t"], how)(frame["f"].hs.magnitude()))
