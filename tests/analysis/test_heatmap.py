"""df.hs.heatmap(): each cell is the value of its interval, also where a clock changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.analysis.heatmap import day_cells
from hsframe.errors import MetadataError, ZoneError
from hsframe.frame.points import Point
from hsframe.zones import zone
from tests.intervals.clock_changes import CHANGES

HOUR_US = 3_600_000_000


@pytest.fixture(autouse=True)
def no_screen() -> Iterator[None]:
    pytest.importorskip("matplotlib").use("Agg")
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def frame(start: str, end: str, freq: str = "15min", tz: str = "America/New_York", unit: str = "kW") -> pd.DataFrame:
    index = pd.date_range(start, end, freq=freq, tz=tz, unit="us")
    df = pd.DataFrame({"a": pd.array(np.arange(len(index)) * 1.0, dtype=f"unit[{unit}]")}, index=index)
    return hsframe.with_points(df, {})


def cells_of(axis: Any) -> Any:
    return np.ma.filled(axis.images[0].get_array(), np.nan)


@given(change=st.sampled_from(CHANGES), hours=st.integers(1, 80), minutes=st.sampled_from([15, 30, 60]))
def test_each_value_is_in_the_cell_of_its_wall_time(change: Any, hours: int, minutes: int) -> None:
    tz, step_us = zone(change[0]), minutes * HOUR_US // 60
    start = (pd.Timestamp(change[1]) - pd.Timedelta("12h")).tz_localize(tz)
    index = pd.date_range(start, periods=hours * 60 // minutes, freq=f"{minutes}min", unit="us")
    values = np.arange(len(index)) + 1.0
    cells, first = day_cells(index.asi8, values, step_us, tz)
    seen: dict[tuple[int, int], list[float]] = {}
    for time, value in zip(index, values, strict=True):
        day = time.toordinal() - 719163 - first
        seen.setdefault((day, (time.hour * 60 + time.minute) // minutes), []).append(value)
    for (day, slot), own in seen.items():
        assert cells[2 * slot : 2 * slot + 2, day].tolist() == [own[0], own[-1]]
        assert len(own) <= 2
    assert np.isfinite(cells).sum() == 2 * len(seen)


@pytest.mark.parametrize("tags", [None, '{hisMode:"cov"}', "{hisTotalized}"])
def test_cells_are_what_resample_gives(tags: str | None) -> None:
    df = frame("2026-10-31", "2026-11-03", unit="kW" if tags != "{hisTotalized}" else "kWh")
    df = df.drop(df.index[100:140])
    df = hsframe.with_points(df, {"a": Point("a", "a", str(df["a"].hs.unit), "New_York", "Number", None, tags)})
    (axis,) = df.hs.heatmap()
    cells = cells_of(axis)
    hours = df.hs.resample("1h")["a"]
    for time, value in hours.items():
        half = 1 if time.fold else 0
        found = cells[2 * time.hour + half, (time.normalize().tz_localize(None) - pd.Timestamp("2026-10-31")).days]
        np.testing.assert_array_equal(found, float(value))
    assert cells.shape == (48, 3)
    assert axis.images[0].colorbar.ax.get_ylabel() == df["a"].hs.unit
    (again,) = df.hs.resample("1h").hs.heatmap()  # rows of intervals are drawn as they are
    np.testing.assert_array_equal(cells_of(again), cells)


def test_a_day_of_23_hours_has_a_hole_and_one_of_25_a_divided_cell() -> None:
    spring, autumn = (cells_of(frame(day, end).hs.heatmap(agg="first")[0]) for day, end in (
        ("2026-03-08", "2026-03-09"), ("2026-11-01", "2026-11-02"),
    ))  # fmt: skip
    assert np.flatnonzero(np.isnan(spring[:, 0])).tolist() == [4, 5]
    assert autumn[:6, 0].tolist() == [0, 0, 4, 8, 12, 12]


def test_a_grid_of_columns_leaves_texts_out() -> None:
    df = frame("2026-01-01", "2026-01-04", "1h").assign(on=True, s="x", b=np.inf)
    axes = df.hs.heatmap(agg="first", title="t", vmax=9)
    assert [axis.get_title() for axis in axes] == ["a", "on", "b"]
    assert axes[0].images[0].get_clim()[1] == 9
    assert np.isnan(cells_of(axes[2])).all()
    axes[0].figure.canvas.draw()
    assert [text.get_text() for text in axes[1].images[0].colorbar.ax.get_yticklabels()] == ["false", "true"]
    (axis,) = df["a"].iloc[:0].hs.heatmap()
    axis.figure.canvas.draw()


def test_what_has_no_hours_is_refused() -> None:
    df = frame("2026-01-01", "2026-01-04", "1h")
    for wrong in (lambda: df.hs.heatmap(interval="1D"), lambda: df.hs.resample("1D").hs.heatmap()):
        with pytest.raises(MetadataError, match="at most '1h'"):
            wrong()
    with pytest.raises(MetadataError, match="no column can be drawn; the columns are 's'"):
        df[[]].assign(s="x").hs.heatmap()
    with pytest.raises(ZoneError):
        df.tz_localize(None).hs.heatmap()
