"""Gaps filled along a line keep the unit, in a Series and in a DataFrame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hsframe


@pytest.mark.parametrize("as_frame", [False, True])
def test_interpolate_fills_short_gaps_and_keeps_the_unit(as_frame: bool) -> None:
    column = pd.Series([1.0, np.nan, 3.0, np.nan, np.nan, np.nan, 7.0], name="t").astype(hsframe.UnitDtype("°F"))
    filled = column.to_frame().interpolate(limit=1)["t"] if as_frame else column.interpolate(limit=1)
    assert filled.dtype == hsframe.UnitDtype("°F")
    np.testing.assert_array_equal(filled.to_numpy("float64"), [1.0, 2.0, 3.0, 4.0, np.nan, np.nan, 7.0])
    assert int(column.isna().sum()) == 4
