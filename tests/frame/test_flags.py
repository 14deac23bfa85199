"""na="flag": NA, NaN and null told apart, in every shape and however a history came; units= of a frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.columns import BoolColumn, NumberColumn, StrColumn
from hsframe.errors import MetadataError, UnitError
from hsframe.frame.flags import FLAG_DTYPE, flag_codes, flag_label, split_flags
from hsframe.frame.histories import History
from hsframe.frame.in_units import check_units, in_units, targets_in_units
from hsframe.frame.points import Point, points_of
from hsframe.frame.reads import checksum, reads_of
from hsframe.frame.trend import trend_frame
from hsframe.kinds import NA, Number
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype

STEP = 900_000_000
NAN = float("nan")
CELLS = [Number(1, "kW"), NA, Number(NAN), None, Number(2, "kW")]


def history(ident, cells, places=None, *, sparse=False, unit="kW", kind="Number"):
    ts = np.array(range(len(cells)) if places is None else places, dtype=np.int64) * STEP
    return History(Point(ident, ident, unit, "UTC", kind), ts, cells, sparse)


def texts(column):
    return [None if missing else text for text, missing in zip(column, column.isna(), strict=True)]


def test_by_default_there_is_one_column_a_point():
    assert trend_frame([history("a", CELLS), history("b", CELLS)]).columns.tolist() == ["a", "b"]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("cells", [CELLS, CELLS[1:2], [None], NumberColumn(pa.array([1.0, None, None, NAN]), "kW")])
def test_the_note_of_a_read_has_the_checksum_of_na_and_nan_not_of_null(cells, order):
    ts_us = np.arange(len(cells))[::order] * STEP
    read = History(Point("a", "a", "kW", "UTC", "Number"), ts_us, cells, span_us=(0, len(cells) * STEP))
    places = [place for place, cell in enumerate(cells) if cell is NA or (cell is not None and cell.val != cell.val)]
    assert reads_of(trend_frame([read]))["a"].missing == checksum(ts_us[places])


def test_flags_stand_behind_their_point():
    df = trend_frame([history("a", CELLS), history("b", CELLS[::-1])], na="flag")
    assert df.columns.tolist() == ["a", "a [na]", "b", "b [na]"]
    assert df["a"].dtype == UnitDtype("kW")
    assert df["a [na]"].dtype == FLAG_DTYPE
    assert texts(df["a [na]"]) == [None, "NA", "NaN", "null", None]
    assert texts(df["b [na]"]) == [None, "null", "NaN", "NA", None]
    assert list(points_of(df)) == ["a", "b"]


def test_where_a_point_has_no_sample_there_is_no_flag():
    df = trend_frame([history("a", CELLS), history("b", [NA], [7])], na="flag")
    assert len(df) == 6
    assert texts(df["a [na]"]) == [None, "NA", "NaN", "null", None, None]
    assert texts(df["b [na]"]) == [None] * 5 + ["NA"]
    batch = trend_frame([history("a", [Number(1, "kW"), None, NA], sparse=True)], na="flag")
    assert texts(batch["a [na]"]) == [None, "NA"]


def test_flags_go_with_their_rows():
    """Out of order, and of equal instants the last row wins."""
    df = trend_frame([history("a", [NA, Number(1, "kW"), Number(NAN), Number(2, "kW")], [3, 1, 2, 3])], na="flag")
    assert texts(df["a [na]"]) == [None, "NaN", None]
    df = trend_frame([history("a", [NA, None]), history("a", [Number(1, "kW"), NA])], na="flag")
    assert texts(df["a [na]"]) == [None, "NA"]


def test_the_tidy_shape_has_one_column_of_flags_and_the_dict_one_a_frame():
    histories = [history("a", CELLS), history("b", [True, NA], unit=None, kind="Bool")]
    tidy = trend_frame(histories, na="flag", shape="tidy")
    assert tidy.columns.tolist() == ["id", "ts", "value", "text", "unit", "na"]
    assert texts(tidy["na"]) == [None, "NA", "NaN", "null", None, None, "NA"]
    frames = trend_frame(histories, na="flag", shape="dict")
    assert {label: df.columns.tolist() for label, df in frames.items()} == {"a": ["a", "a [na]"], "b": ["b", "b [na]"]}


def test_arrow_columns_and_lists_of_kinds_have_the_same_flags():
    na = pa.array([False, True, False, False, False])
    arrow = NumberColumn(pa.array([1.0, None, NAN, None, 2.0]), "kW", na)
    assert flag_codes(arrow).tolist() == flag_codes(CELLS).tolist() == [-1, 0, 1, 2, -1]
    chunked = NumberColumn(pa.chunked_array([arrow.values[:2], arrow.values[2:]]), "kW", na)
    assert flag_codes(chunked).tolist() == [-1, 0, 1, 2, -1]
    assert flag_codes(arrow, sparse=True).tolist() == flag_codes(CELLS, sparse=True).tolist() == [-1, 0, 1, -1, -1]
    assert flag_codes(BoolColumn(pa.array([True, None, None]), pa.array([False, True, False]))).tolist() == [-1, 0, 2]
    assert flag_codes(StrColumn(pa.array(["x", None]))).tolist() == [-1, 2]
    assert flag_codes([]).tolist() == []


@given(st.lists(st.sampled_from(CELLS)), st.lists(st.sampled_from(CELLS)))
def test_what_is_missing_has_a_flag_or_no_sample(a, b):
    df = trend_frame([history("a", a), history("b", b)], na="flag")
    for label, cells in (("a", a), ("b", b)):
        flagged = df[flag_label(label)].notna()
        sampled = np.arange(len(df)) < len(cells)
        assert (df[label].isna() == (flagged | ~sampled)).all()
        assert flagged.sum() == sum(cell not in (CELLS[0], CELLS[-1]) for cell in cells)


def test_values_and_flags_can_be_parted():
    df = trend_frame([history("a", CELLS), history("b", CELLS[::-1])], na="flag")
    values, flags = split_flags(df)
    pd.testing.assert_frame_equal(values, trend_frame([history("a", CELLS), history("b", CELLS[::-1])]))
    assert flags.columns.tolist() == ["a", "b"]
    assert (flags == "NA").sum().tolist() == [1, 1]
    assert list(points_of(flags)) == ["a", "b"]
    with pytest.raises(MetadataError, match="column of flags for each point"):
        split_flags(values)
    with pytest.raises(MetadataError, match="column of flags for each point"):
        split_flags(df.drop(columns="a [na]"))


def test_a_point_that_is_called_like_a_column_of_flags_is_refused():
    with pytest.raises(MetadataError, match=r"called 'a \[na\]'"):
        trend_frame([history("a", CELLS), history("a [na]", CELLS)], na="flag")
    with pytest.raises(MetadataError, match="na='mask'"):
        trend_frame([], na="mask")


# Units ----------------------------------------------------------------------------------------------------------------


def test_units_of_frames_in_every_shape():
    histories = [
        history("t", [Number(50, "°F"), NA], unit="°F"),
        history("f", [True], unit=None, kind="Bool"),
        history("empty", [], unit="°F"),
    ]
    df = trend_frame(histories, units="si")
    assert [str(dtype) for dtype in df.dtypes] == ["unit[°C]", "boolean", "unit[°C]"]
    assert df["t"].iloc[0] == 10
    assert points_of(df)["t"].unit == "°F"
    tidy = trend_frame(histories, units="si", shape="tidy")
    assert tidy.loc[tidy["id"] == "t", ["value", "unit"]].iloc[0].tolist() == [10, "°C"]
    assert trend_frame(histories, units="si", shape="dict")["t"]["t"].dtype == UnitDtype("°C")
    assert trend_frame(histories, units={"t": "K", "@empty": "native"})["t"].dtype == UnitDtype("K")
    assert trend_frame(histories, units={"°F": "°C"})["empty"].dtype == UnitDtype("°C")


def test_a_column_of_several_units_is_of_one_when_all_convert():
    mixed = [Number(50, "°F"), Number(20, "°C"), NA]
    df = trend_frame([history("t", mixed, unit="°F")], units="si")
    assert df["t"].dtype == UnitDtype("°C")
    np.testing.assert_array_equal(np.asarray(df["t"], dtype=float), [10, 20, NAN])
    kept = trend_frame([history("t", [Number(50, "°F"), Number(1, "kW")], unit="°F")], units="si")["t"]
    assert kept.tolist() == [Number(10, "°C"), Number(1, "kW")]
    with pytest.raises(UnitError, match="column 't': kW cannot be converted to °C"):
        trend_frame([history("t", [Number(50, "°F"), Number(1, "kW")], unit="°F")], units={"t": "°C"})


def test_what_has_no_unit_is_left_by_a_system_and_refused_by_a_unit():
    plain = np.array([1.0])
    assert in_units(plain, "si", "x") is plain
    with pytest.raises(UnitError, match="'x' has no unit"):
        in_units(plain, "kW", "x")
    points, arrays = [Point("a", "A", "kW"), Point("b", "B")], [UnitArray(plain, "kW"), plain]
    for units, targets in {"native": [None, None], "ip": ["ip", "ip"], "MW": ["MW", None]}.items():
        check_units(units)
        assert targets_in_units(units, points, ["A", "B"], arrays) == targets
    with pytest.raises(UnitError, match=r"no column converts to 'C' \(coulomb\); the units are kW"):
        targets_in_units("C", points, ["A", "B"], arrays)
    assert targets_in_units("C", [], [], []) == []
    with pytest.raises(MetadataError, match=r"units='degC' is not .*; did you mean '°C'\?"):
        check_units("degC")
