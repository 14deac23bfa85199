"""Frames of single values: pandas' own shapes and magnitudes, with units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import UnitError
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
