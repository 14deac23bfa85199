"""Bodies of hisWrite: what is written reads back as the grid."""

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
from hsframe.codecs.histories import encode_history
from hsframe.codecs.histories.decode import try_decode
from hsframe.codecs.histories.encode import offset_minutes
from hsframe.codecs.zinc_write import write_value
from hsframe.columns import BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.errors import CodecError
from hsframe.grid import Col, Grid
from hsframe.kinds import Number, Ref
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


def small_history(values: list[float], unit: str | None = "kW") -> Grid:
    times = TimeColumn(pa.array([i * 60_000_000 for i in range(len(values))]), "UTC")
    return Grid({"id": Ref("a")}, ["ts", "val"], [times, NumberColumn(pa.array(values), unit)])


def test_infinities_and_nan_by_name() -> None:
    grid = small_history([1.5, float("inf"), float("-inf"), float("nan")])
    lines = encode_history(grid, "zinc").decode().splitlines()[2:]
    assert [line.split(",")[1] for line in lines] == ["1.5kW", "INF", "-INF", "NaN"]


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


# ---- rows of nothing but numbers

decimals = st.builds(lambda digits, places: digits / 10**places, st.integers(-(10**9), 10**9), st.integers(0, 6))
short_decimals = st.builds(lambda digits: digits / 100, st.integers(-10, 100_010))
finite = st.floats(allow_nan=False, allow_infinity=False)
of_seconds = st.integers(1_500_000_000, 1_700_000_000).map(lambda s: s * 1_000_000)
fractional = of_seconds.map(lambda us: us + 1_000) | of_seconds.map(lambda us: us + 1)


@st.composite
def plain_histories(draw: st.DrawFn) -> Grid:
    length, width = draw(st.integers(1, 20)), draw(st.integers(1, 4))
    clock = draw(st.sampled_from([of_seconds, of_seconds | fractional]))
    times = draw(st.lists(clock, min_size=length, max_size=length))
    columns: list[Any] = [TimeColumn(pa.array(times), draw(st.sampled_from(["New_York", "London", "UTC", "Kolkata"])))]
    for _ in range(width):
        numbers = draw(st.sampled_from([short_decimals, decimals, finite]))
        cells = draw(st.lists(numbers, min_size=length, max_size=length))
        unit = draw(st.sampled_from([None, "kW", "°F", "gal/min_per_square_foot_of_roof"]))
        columns.append(NumberColumn(pa.array(cells, pa.float64()), unit))
    return Grid({}, [Col("ts"), *(Col(f"v{place}") for place in range(width))], columns)


@given(plain_histories(), st.sampled_from(["zinc", "json4"]))
def test_plain_rows_read_back_exactly(grid: Grid, form: str) -> None:
    assert decode_exact(encode_history(grid, form), form) == grid


@given(plain_histories(), st.sampled_from([1, 3]), st.sampled_from([0, 1000]))
def test_plain_rows_are_the_texts_one_by_one(grid: Grid, rows: int, worth_table: int) -> None:
    tz = grid.columns[0].tz  # type: ignore[attr-defined]
    lines = []
    for row, when in enumerate(grid.column("ts")):
        cells = (write_number(column.values[row].as_py(), column.unit) for column in grid.columns[1:])  # type: ignore[attr-defined]
        lines.append(f"{stamp_of(when)} {tz}," + ",".join(cells))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_BLOCK_CELLS", "_MOST_CELLS"):
            patch.setattr(f"hsframe.codecs.histories.encode.{name}", rows * len(grid.cols))
        patch.setattr("hsframe.codecs.histories.encode._WORTH_TABLE", worth_table)
        body = encode_history(grid, "zinc").decode()
    assert body.splitlines()[2:] == lines


def stamp_of(when: datetime) -> str:
    text = when.isoformat(timespec="milliseconds" if when.microsecond % 1000 == 0 else "microseconds")
    text = text.replace(".000", "") if when.microsecond == 0 else text
    return text.replace("+00:00", "Z")


def write_number(double: float, unit: str | None) -> str:
    text: str = pa.array([double]).cast(pa.string())[0].as_py()
    return text + write_value(Number(1, unit))[1:]


@pytest.mark.parametrize("double", [0.0, -0.0, 0.01, 999.99, 1000.0, 1000.01, -0.01, 0.005, 1e308, 5e-324])
def test_numbers_have_their_shortest_text(double: float) -> None:
    body = encode_history(small_history([double] * 2_000), "zinc").decode()
    assert {line.split(",")[1] for line in body.splitlines()[2:]} == {write_number(double, "kW")}


def test_a_zero_of_a_unit_that_looks_hexadecimal() -> None:
    times = TimeColumn(pa.array([0, 60_000_000], pa.int64()), "UTC")
    grid = Grid({}, ["ts", "val"], [times, NumberColumn(pa.array([0.0, 1.0]), "xab")])
    body = encode(grid, "zinc")
    assert body.splitlines()[2:] == [b"1970-01-01T00:00:00Z UTC,0.0xab", b"1970-01-01T00:01:00Z UTC,1xab"]
    assert decode_exact(body, "zinc") == grid
