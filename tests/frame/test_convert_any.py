"""Any grid becomes a frame, and any history a trend frame that can be written back."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from hsframe import frame_to_his_grids
from hsframe.codecs import decode, encode
from hsframe.errors import CallError, ZoneWarning
from hsframe.frame.convert import grid_to_frame
from hsframe.frame.entities import entity_frame
from hsframe.frame.histories import is_history
from hsframe.kinds import NA, Number
from hsframe.testing import strategies


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(strategies.grids())
def test_every_grid_is_a_frame_with_all_its_rows(grid):
    frame = entity_frame(grid)
    assert len(frame) == len(grid)
    # Columns of display names stand between those of the tags; no tag is lost and none is moved.
    assert [name for name in frame.columns if not name.endswith("->dis")] == grid.col_names
    for name in grid.col_names:
        filled = [cell is not None and cell is not NA and cell != Number(float("nan")) for cell in grid.column(name)]
        if frame[name].dtype == bool:
            assert frame[name].tolist() == filled
        elif frame[name].dtype != object:
            assert frame[name].notna().tolist() == filled
        else:
            assert len(frame[name]) == len(filled)
    if grid.is_error:
        with pytest.raises(CallError) as caught:
            grid_to_frame(grid)
        assert caught.value.grid is grid


def sampled(value):
    """What a frame shows as a value: null, NA and NaN are missing."""
    return value is not None and value is not NA and value != Number(float("nan"))


@settings(max_examples=settings.default.max_examples // 2)
@given(strategies.history_grids())
def test_every_history_keeps_its_instants_and_values(grid):
    assert is_history(grid)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZoneWarning)
        frame = grid_to_frame(grid, header="id")
    single = grid.has_col("val")
    truth = {}
    for row in grid:
        us = (row["ts"] - datetime(1970, 1, 1, tzinfo=UTC)) // pd.Timedelta(microseconds=1).to_pytimedelta()
        for place, name in enumerate(grid.col_names[1:]):
            if single or name in row:
                truth[us, place] = row.get(name)
    assert frame.index.asi8.tolist() == sorted({us for us, _ in truth})
    assert frame.shape[1] == len(grid.cols) - 1
    for place in range(frame.shape[1]):
        expected = [sampled(truth.get((us, place))) for us in frame.index.asi8.tolist()]
        assert frame.iloc[:, place].notna().tolist() == expected
    for mime in ("zinc", "json4", "json3"):
        pd.testing.assert_frame_equal(grid_to_frame(decode(encode(grid, mime), mime), header="id"), frame)
    # What is written back holds the samples and nothing else.
    written = frame_to_his_grids(frame, inf="send") if _writable(frame) else []
    back = [grid_to_frame(one, header="id") for one in written]
    for one in back:
        pd.testing.assert_frame_equal(one, frame[frame.notna().any(axis=1)], check_names=False)


def _writable(frame: pd.DataFrame) -> bool:
    """Objects are values of several units or kinds, which are refused; that is tested by name elsewhere."""
    return not any(dtype == np.dtype(object) for dtype in frame.dtypes)
