"""Bodies of hisWrite: what is written reads back as the grid, and keeps under the limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.codecs import decode_exact, encode, encode_exact
from hsframe.codecs.histories import encode_history, split_history
from hsframe.codecs.histories.decode import try_decode
from hsframe.codecs.histories.stamp_texts import offset_minutes
from hsframe.columns import BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import CodecError
from hsframe.grid import Col, Grid
from hsframe.kinds import Ref
from hsframe.testing import strategies as hs

ZONES = ["New_York", "London", "UTC", "Kolkata", "Lord_Howe", "St_Johns", "GMT+5", "Casablanca"]
instants = st.integers(-(2**50), 2**51) | st.integers(1_600_000_000, 1_700_000_000).map(lambda s: s * 1_000_000)
doubles = st.floats(allow_nan=True, allow_infinity=True) | st.decimals(-100, 100, places=2).map(float)


@st.composite
def columns(draw: st.DrawFn, length: int) -> Any:
    na = draw(st.none() | st.lists(st.booleans(), min_size=length, max_size=length))
    kind = draw(st.sampled_from(["number", "number", "bool", "str", "objects"]))
    if kind == "objects":
        return draw(st.lists(st.none() | hs.numbers() | hs.refs(), min_size=length, max_size=length))

    def cells(strategy: st.SearchStrategy[Any], dtype: pa.DataType) -> pa.Array:
        values = draw(st.lists(st.none() | strategy, min_size=length, max_size=length))
        if na is not None:
            values = [None if gone else value for value, gone in zip(values, na, strict=True)]
        return pa.array(values, dtype, from_pandas=False)

    gone = None if na is None else pa.array(na, pa.bool_())
    if kind == "number":
        return NumberColumn(cells(doubles, pa.float64()), draw(st.sampled_from([None, "°F", "kW", "m2"])), gone)
    if kind == "bool":
        return BoolColumn(cells(st.booleans(), pa.bool_()), gone)
    texts = cells(st.sampled_from(["on", 'a"b', "x, y", "°\n", ""]), pa.string())
    return StrColumn(texts.dictionary_encode() if draw(st.booleans()) else texts, gone)


@st.composite
def histories(draw: st.DrawFn, max_rows: int = 12) -> Grid:
    length = draw(st.integers(0, max_rows))
    times = TimeColumn(
        pa.array(draw(st.lists(instants, min_size=length, max_size=length)), pa.int64()), draw(st.sampled_from(ZONES))
    )
    if draw(st.booleans()):
        return Grid({"id": Ref("a", "A b")}, ["ts", "val"], [times, draw(columns(length))])
    width = draw(st.integers(1, 3))
    cols = [Col("ts"), *(Col(f"v{place}", {"id": Ref(f"p{place}")}) for place in range(width))]
    return Grid({}, cols, [times, *(draw(columns(length)) for _ in range(width))])


@given(histories(), st.sampled_from(["zinc", "json4", "json3"]))
def test_what_is_written_reads_back(grid: Grid, short: str) -> None:
    body = encode_history(grid, short)
    assert decode_exact(body, short) == grid
    assert encode(grid, short) == body


@given(hs.history_grids(), st.sampled_from(["zinc", "json4", "json3"]))
def test_columns_that_were_read_are_written_again(grid: Grid, short: str) -> None:
    body = encode_exact(grid, short)
    by_columns = try_decode(body, short)
    if by_columns is not None:
        assert decode_exact(encode_history(by_columns, short), short) == decode_exact(body, short)


@given(histories(), st.sampled_from(["zinc", "json4", "json3"]), st.integers(300, 900))
def test_split_bodies_keep_the_limit_and_every_row_once(grid: Grid, short: str, limit: int) -> None:
    longest = max((len(encode_history(_one_row(grid, row), short)) for row in range(len(grid))), default=0)
    if longest > limit:
        with pytest.raises(CodecError, match="more than the limit"):
            split_history(grid, short, limit)
        return
    bodies = split_history(grid, short, limit)
    assert max(map(len, bodies)) <= limit
    parts = [decode_exact(body, short) for body in bodies]
    for part in parts:
        assert part.meta == grid.meta
        assert part.cols == grid.cols
    whole = decode_exact(encode_history(grid, short), short)
    assert [dict(row) for part in parts for row in part] == [dict(row) for row in whole]


def _one_row(grid: Grid, row: int) -> Grid:
    return Grid(grid.meta, grid.cols, [column[row : row + 1] for column in grid.columns])


def small_history(values: list[float], unit: str | None = "kW") -> Grid:
    times = TimeColumn(pa.array([i * 60_000_000 for i in range(len(values))]), "UTC")
    return Grid({"id": Ref("a")}, ["ts", "val"], [times, NumberColumn(pa.array(values), unit)])


def test_infinities_by_name_and_nan_as_asked() -> None:
    grid = small_history([1.5, float("inf"), float("-inf"), float("nan")])
    lines = encode_history(grid, "zinc").decode().splitlines()[2:]
    assert [line.split(",")[1] for line in lines] == ["1.5kW", "INF", "-INF", "NaN"]
    lines = encode_history(grid, "zinc", nan_as_null=True).decode().splitlines()[2:]
    assert [line.split(",")[1] for line in lines] == ["1.5kW", "INF", "-INF", ""]
    assert b"NaN" not in encode_history(grid, "json4", nan_as_null=True)
    assert b"NaN" not in encode_history(grid, "json3", nan_as_null=True)


def test_a_body_is_filled_to_the_limit() -> None:
    grid = small_history([float(i % 100) for i in range(20_000)])
    for short in ("zinc", "json4"):
        bodies = split_history(grid, short, 100_000)
        longest_row = 120
        assert all(100_000 - longest_row < len(body) <= 100_000 for body in bodies[:-1])
        assert sum(len(decode_exact(body, short)) for body in bodies) == 20_000


def test_a_row_that_is_too_long_is_refused() -> None:
    with pytest.raises(CodecError, match="one row with its header is"):
        split_history(small_history([1.0, 2.0]), "zinc", 30)


def test_a_unit_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(CodecError, match="cannot be a unit"):
        encode_history(small_history([1.0], "a b"), "zinc")


def test_chunked_columns_are_written() -> None:
    times = TimeColumn(pa.chunked_array([pa.array([0]), pa.array([60_000_000])]), "UTC")
    values = NumberColumn(pa.chunked_array([pa.array([1.0]), pa.array([None], pa.float64())]), "kW")
    body = encode_history(Grid({}, ["ts", "val"], [times, values]), "zinc")
    assert body.endswith(b"1970-01-01T00:00:00Z UTC,1kW\n1970-01-01T00:01:00Z UTC,\n")


@given(st.lists(instants, min_size=1), st.sampled_from([*ZONES, "Amsterdam", "Monrovia"]))
def test_offsets_are_those_of_zoneinfo(us: list[int], name: str) -> None:
    from hsframe.zones import zone

    label: ZoneInfo = zone(name)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = []
    for when in us:
        offset = (epoch + timedelta(microseconds=when)).astimezone(label).utcoffset()
        assert offset is not None
        expected.append(int(offset.total_seconds() / 60))
    assert offset_minutes(np.array(us, np.int64), label).tolist() == expected
