"""Properties: a grid to a frame to grids to a frame, over every change of the clock, against a model of two lines."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hsframe import frame_to_his_grids
from hsframe.codecs import decode, encode
from hsframe.columns import NumberColumn, TimeColumn
from hsframe.frame.convert import grid_to_frame
from hsframe.frame.histories import History
from hsframe.frame.points import Point, differing_of
from hsframe.frame.trend import trend_frame
from hsframe.grid import Col, Grid
from hsframe.kinds import NA, Number, Ref
from hsframe.unit_array.dtype import UnitDtype
from hsframe.zones import zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Zone and an instant at which its clock changes.
CHANGES = {
    "New_York": ["2024-03-10T07:00", "2024-11-03T06:00"],
    "London": ["2024-03-31T01:00", "2024-10-27T01:00"],
    "Lord_Howe": ["2024-04-06T15:00", "2024-10-05T15:30"],
    "Kathmandu": ["1985-12-31T18:30"],
    "Sao_Paulo": ["2018-02-18T02:00", "2018-11-04T03:00"],
    "GMT+5": ["2024-01-01T05:00"],
    "UTC": ["2024-01-01T00:00"],
}


def micros(when):
    return (when - EPOCH) // timedelta(microseconds=1)


@st.composite
def clock_times(draw, min_size=0):
    """A zone and instants around a change of its clock, as the epoch microseconds of distinct quarters of an hour."""
    tz = draw(st.sampled_from(sorted(CHANGES)))
    change = micros(datetime.fromisoformat(draw(st.sampled_from(CHANGES[tz])) + "+00:00"))
    quarters = draw(st.lists(st.integers(-16, 16), unique=True, min_size=min_size, max_size=20))
    return tz, [change + quarter * 900_000_000 for quarter in quarters]


def instant(us, tz):
    return (EPOCH + timedelta(microseconds=us)).astimezone(zone(tz))


floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=64), st.integers(-(2**53) + 1, 2**53 - 1).map(float)
)
cells = {
    "Number": st.one_of(floats.map(lambda val: Number(val, "kW")), st.none()),
    "Bool": st.one_of(st.booleans(), st.none()),
    "Str": st.one_of(st.sampled_from(["on", "off", "auto", "", 'é\n"']), st.none()),
}
UNIT = {"Number": "kW", "Bool": None, "Str": None}


@st.composite
def batches(draw):
    """A batch grid with the truth: for each point its samples."""
    tz, us = draw(clock_times())
    kinds = draw(st.lists(st.sampled_from(sorted(cells)), min_size=1, max_size=4))
    columns = [draw(st.lists(cells[kind], min_size=len(us), max_size=len(us))) for kind in kinds]
    points = [Point(f"p:{n}", f"Point {n}", UNIT[kind], tz, kind) for n, kind in enumerate(kinds)]
    cols = [Col("ts"), *(Col(f"v{n}", {"id": Ref(point.id)}) for n, point in enumerate(points))]
    return Grid({}, cols, [[instant(u, tz) for u in us], *columns]), points, us


@given(batches())
def test_grid_to_frame_to_grids_to_frame(batch):
    grid, points, us = batch
    frame = grid_to_frame(grid, points)
    # Every instant at which a point has a sample, once, in order, in the zone, with the offset that the wire had.
    us = [u for u, row in zip(us, grid, strict=True) if len(row) > 1]
    assert frame.index.asi8.tolist() == sorted(us)
    assert str(frame.index.tz) == zone(points[0].tz).key
    assert [when.isoformat() for when in frame.index.to_pydatetime()] == [
        instant(u, points[0].tz).isoformat() for u in sorted(us)
    ]
    grids = frame_to_his_grids(frame)
    assert frame.notna().any(axis=1).all()
    assert len(grids) == bool(us)
    for written in grids:
        # All that was a sample is written, with the same kinds in the cells; what was none is not.
        truth = {
            (row["ts"].astimezone(UTC), col.meta["id"]): row[col.name]
            for row in grid
            for col in grid.cols[1:]
            if col.name in row
        }
        assert {
            (row["ts"].astimezone(UTC), col.meta["id"]): row[col.name]
            for row in written
            for col in written.cols[1:]
            if col.name in row
        } == truth
        pd.testing.assert_frame_equal(grid_to_frame(written, points), frame)
        assert frame_to_his_grids(grid_to_frame(written, points)) == grids
        # The zone in which the index is shown makes no difference.
        assert frame_to_his_grids(frame.tz_convert("Asia/Tokyo")) == grids


@given(mime=st.sampled_from(["zinc", "json4", "json3"]), batch=batches())
def test_the_way_over_the_wire_makes_no_difference(mime, batch):
    grid, points, _ = batch
    frame = grid_to_frame(grid, points)
    for written in frame_to_his_grids(frame):
        again = decode(encode(written, mime), mime)
        assert again == written
        pd.testing.assert_frame_equal(grid_to_frame(again, points), frame)


@given(
    clock_times(min_size=1),
    st.lists(st.sampled_from([None, NA, float("nan"), float("inf"), float("-inf"), 0.0, -1.5, 3e300]), min_size=1),
    st.booleans(),
)
def test_a_single_history_keeps_every_row(times, values, arrow):
    tz, us = times
    us = us[: len(values)]
    values = values[: len(us)]
    if arrow:
        na = pa.array([value is NA for value in values])
        column = NumberColumn(pa.array([None if value is NA else value for value in values], pa.float64()), "kW", na)
        times = TimeColumn(pa.array(us, pa.int64()), tz)
    else:
        column = [value if value is None or value is NA else Number(value, "kW") for value in values]
        times = [instant(u, tz) for u in us]
    point = Point("a", "Meter", "kW", tz, "Number")
    frame = grid_to_frame(Grid({"id": Ref("a")}, ["ts", "val"], [times, column]), point)
    order = np.argsort(us)
    assert frame.index.asi8.tolist() == [us[place] for place in order]
    assert frame["Meter"].dtype == UnitDtype("kW")
    expected = [math.nan if values[place] is None or values[place] is NA else values[place] for place in order]
    np.testing.assert_array_equal(np.asarray(frame["Meter"], dtype=float), expected)


samples = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([1.0, 2.0, math.nan])), max_size=10)


@given(st.lists(st.tuples(st.sampled_from("abc"), samples, st.booleans()), max_size=6))
def test_windows_in_any_order_against_a_model(parts):
    histories, model, count = [], {}, {}
    for ident, rows, arrow in parts:
        values = np.array([value for _, value in rows])
        column = NumberColumn(pa.array(values, pa.float64()), None) if arrow else [Number(value) for _, value in rows]
        us = np.array([us for us, _ in rows], dtype=np.int64)
        histories.append(History(Point(ident, ident, None, "London", "Number"), us, column))
        of_point = model.setdefault(ident, {})
        for us, value in rows:
            of_point.setdefault(us, []).append(value)
    union = sorted({us for of_point in model.values() for us in of_point})
    for ident, of_point in model.items():
        for values in of_point.values():
            last = values[-1]
            lost = sum(1 for value in values if not (value == last or (value != value and last != last)))
            count[ident] = count.get(ident, 0) + lost
    frame = trend_frame(histories)
    assert frame.columns.tolist() == list(model)
    assert frame.index.asi8.tolist() == union
    for ident, of_point in model.items():
        np.testing.assert_array_equal(frame[ident], [of_point.get(us, [math.nan])[-1] for us in union])
    assert differing_of(frame) == {ident: lost for ident, lost in count.items() if lost}
    frames = trend_frame(histories, shape="dict")
    assert {ident: df.index.asi8.tolist() for ident, df in frames.items()} == {
        ident: sorted(of_point) for ident, of_point in model.items()
    }
    tidy = trend_frame(histories, shape="tidy")
    rows = [(ident, us, model[ident][us][-1]) for ident in sorted(model) for us in sorted(model[ident])]
    assert tidy["id"].tolist() == [ident for ident, _, _ in rows]
    assert tidy["id"].cat.categories.tolist() == sorted(model)
    assert pd.DatetimeIndex(tidy["ts"]).asi8.tolist() == [us for _, us, _ in rows]
    np.testing.assert_array_equal(tidy["value"], [value for _, _, value in rows])
    assert differing_of(tidy) == differing_of(frame)


@given(clock_times(min_size=1), st.data())
def test_clipping_tiles_gives_the_whole(times, data):
    tz, us = times
    column = NumberColumn(pa.array(np.arange(len(us), dtype=float)), "kW")
    whole = History(Point("a", "a", "kW", tz, "Number"), np.array(us), column)
    cut = data.draw(st.integers(min(us) - 1, max(us) + 1))
    pieces = [whole.clip(None, cut), whole.clip(cut, None)]
    assert all(u < cut for u in pieces[0].ts_us)
    assert all(u >= cut for u in pieces[1].ts_us)
    pd.testing.assert_frame_equal(trend_frame(pieces), trend_frame([whole]))
