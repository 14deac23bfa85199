"""Frames of single values: pandas' own shapes and magnitudes, with units."""

from __future__ import annotations

import math
from collections.abc import Callable
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


def test_a_table_has_as_many_labels_as_rows() -> None:
    for rows, labels in (([{"a": 1.0}], [1, 2, 3]), ([{"a": 1.0}, {"a": 2.0}], [1, 2, 3]), ([{}], [])):
        with pytest.raises(MetadataError, match=f"of {len(rows)} rows has as many labels; index= gives {len(labels)}"):
            hsframe.table(rows, index=labels)
    assert hsframe.table([{}], index=["x"]).index.tolist() == ["x"]
    assert len(hsframe.table([{}, {}])) == 2


def test_a_missing_or_infinite_number_has_no_other_unit() -> None:
    power = pd.Series([1.0], dtype="unit[kW]").sum()
    for other in (Number(math.nan), Number(math.inf), math.nan, None, power * math.nan):
        assert units_of(hsframe.table([{"x": other}, {"x": power}])) == ["kW"]
    assert units_of(hsframe.table([{"x": Number(3)}, {"x": power}])) == [None]


@pytest.fixture
def mixed() -> pd.DataFrame:
    """What pandas makes of a history whose unit changed: kW above W."""
    parts = [pd.Series([1.0, 2.0], dtype="unit[kW]"), pd.Series([1000.0, np.nan, 2000.0], dtype="unit[W]")]
    index = pd.date_range("2026-01-01", periods=5, freq="h", tz="UTC")
    df = pd.concat(parts).set_axis(index).to_frame("P")
    assert df["P"].dtype == object
    return df


STATISTICS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "agg": lambda df: df.hs.agg(["mean", "max", "std"]),
    "agg of one": lambda df: df.hs.agg({"P": "mean"}),
    "agg named": lambda df: df.hs.agg(m=("P", "median")),
    "rolling": lambda df: df.hs.rolling(2).mean(),
    "expanding": lambda df: df.hs.expanding().max(),
    "ewm": lambda df: df.hs.ewm(span=2).mean(),
    "of a column": lambda df: df["P"].hs.rolling(2).mean().to_frame(),
    "describe": lambda df: df.hs.describe(),
    "magnitude": lambda df: df.hs.magnitude(),
    "magnitude of a column": lambda df: df["P"].hs.magnitude().to_frame(),
    "report": lambda df: df.hs.report(),
    "integrate": lambda df: df.hs.integrate("1h"),
    "header": lambda df: df.hs.with_unit_header(),
}


@pytest.mark.filterwarnings("ignore:the frame does not know what was read of 'P':hsframe.ReadWarning")
@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)
def test_objects_in_units_that_convert_count_in_the_first(
    mixed: pd.DataFrame, statistic: Callable[[pd.DataFrame], Any]
) -> None:
    found, right = statistic(mixed), statistic(mixed.astype("unit[kW]"))
    assert found.equals(right)
    assert getattr(found, "dtypes", None) is not None
    assert list(np.atleast_1d(found.dtypes)) == list(np.atleast_1d(right.dtypes))
    text = mixed.assign(text="x")[["P"]]
    assert statistic(text).equals(right)


@pytest.mark.parametrize("other", [Number(3, "°F"), Number(3), 3.0])
@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)
def test_objects_that_are_of_no_one_unit_are_refused(
    mixed: pd.DataFrame, statistic: Callable[[pd.DataFrame], Any], other: Any
) -> None:
    mixed.loc[mixed.index[0], "P"] = other
    if statistic is STATISTICS["report"]:  # it tells of all columns what is known
        assert pd.isna(statistic(mixed).loc["P", ["unit", "mean"]]).all()
        return
    with pytest.raises(UnitError, match=r"column 'P' has values in (°F and )?kW and W( and in no unit)?, which"):
        statistic(mixed)
    assert mixed.assign(a=1.0).hs.agg({"a": "mean"}).tolist() == [1.0]


def test_objects_are_converted(mixed: pd.DataFrame) -> None:
    watts = [1000.0, 2000.0, 1000.0, np.nan, 2000.0]
    for df in (mixed.hs.to("W"), mixed.hs.to({"P": "W"}), mixed["P"].hs.to("W").to_frame()):
        assert units_of(df) == ["W"]
        assert df["P"].to_numpy(dtype=float) == pytest.approx(watts, nan_ok=True)
    mixed.loc[mixed.index[0], "P"] = Number(3, "°F")
    with pytest.raises(UnitError, match="°F cannot be converted to W"):
        mixed.hs.to({"P": "W"})


def test_the_sum_of_python_is_that_of_the_column(frame: pd.DataFrame) -> None:
    assert frame[["t", "f"]].hs.agg(sum).tolist() == frame[["t", "f"]].hs.agg("sum").tolist()
    assert units_of(frame[["t"]].hs.agg([sum])) == [None]


def test_a_tidy_frame_has_no_statistics_of_columns() -> None:
    tidy = pd.DataFrame({"id": ["a"], "ts": pd.Timestamp("2026", tz="UTC"), "value": 1.0, "text": None, "unit": "kW"})
    for statistic in (lambda: tidy.hs.agg("mean"), lambda: tidy.hs.rolling(2).mean(), lambda: tidy.hs.ewm(span=2)):
        with pytest.raises(MetadataError, match="a tidy frame has points and units in its rows"):
            statistic()
