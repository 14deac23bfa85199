"""Numbers to texts, and rows put together out of them, against Arrow, Python and the exact parser."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsframe.codecs import decode_exact
from hsframe.codecs.histories import encode_history
from hsframe.codecs.histories.digits import number_texts
from hsframe.codecs.histories.joined import joined_rows
from hsframe.codecs.histories.stamp_texts import stamp_forms
from hsframe.codecs.zinc_write import write_value
from hsframe.columns import NumberColumn, TimeColumn
from hsframe.grid import Col, Grid
from hsframe.kinds import Number
from hsframe.zones import zone

decimals = st.builds(lambda digits, places: digits / 10**places, st.integers(-(10**9), 10**9), st.integers(0, 6))
short = st.builds(lambda digits, places: digits / 10**places, st.integers(-(10**5), 10**5), st.integers(0, 2))
finite = st.floats(allow_nan=False, allow_infinity=False)


def texts_of(doubles: list[float]) -> list[str]:
    fields, lengths = number_texts(np.array(doubles))
    size = fields.itemsize
    octets = fields.tobytes()
    return [octets[at * size : at * size + int(length)].decode() for at, length in enumerate(lengths)]


@given(st.lists(decimals | finite, min_size=1) | st.lists(short, min_size=1) | st.lists(decimals, min_size=1))
@example([0.0, -0.0, 0.1, -0.1, 0.01, 0.001, 0.0001, 1e-5, 1.0, 10.0, 100.0, 99999.99, 100000.0, 9999999.0, 1e7, -1e6])
@example([-9999.99, -99999.99, 999.9999, 1000.0001, -0.0])
@example([5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, 0.1 + 0.2, 2.0**53])
@example([1.0, 2.5, -0.0])
def test_texts_are_those_of_arrow(doubles: list[float]) -> None:
    texts = texts_of(doubles)
    assert texts == pa.array(doubles, pa.float64()).cast(pa.string()).to_pylist()
    assert list(map(float, texts)) == doubles
    assert [math.copysign(1, float(text)) for text in texts] == [math.copysign(1, double) for double in doubles]


@pytest.mark.parametrize("places", [0, 1, 2, 3, 4])
def test_every_short_decimal_has_its_shortest_text(places: int) -> None:
    doubles = [digits / 10**places for digits in range(1, 100_000, 7 if places else 1)]
    assert texts_of(doubles) == [repr(double).removesuffix(".0") for double in doubles]


def test_short_decimals_need_one_word_a_text() -> None:
    fields, _ = number_texts(np.array([72.53, -3.5, 100.0, 0.0]))
    assert fields.itemsize == 8


instants = st.integers(1_500_000_000, 1_700_000_000).map(lambda s: s * 1_000_000)
fractional = instants.map(lambda us: us + 1_000) | instants.map(lambda us: us + 1)


@st.composite
def plain_histories(draw: st.DrawFn) -> Grid:
    length, width = draw(st.integers(1, 20)), draw(st.integers(1, 4))
    clock = draw(st.sampled_from([instants, instants | fractional]))
    times = draw(st.lists(clock, min_size=length, max_size=length))
    columns: list[Any] = [TimeColumn(pa.array(times), draw(st.sampled_from(["New_York", "London", "UTC", "Kolkata"])))]
    for _ in range(width):
        cells = draw(st.lists(draw(st.sampled_from([short, decimals, finite])), min_size=length, max_size=length))
        unit = draw(st.sampled_from([None, "kW", "°F", "gal/min_per_square_foot_of_roof"]))
        columns.append(NumberColumn(pa.array(cells, pa.float64()), unit))
    return Grid({}, [Col("ts"), *(Col(f"v{place}") for place in range(width))], columns)


@given(plain_histories(), st.sampled_from(["zinc", "json4"]))
def test_plain_rows_read_back_exactly(grid: Grid, form: str) -> None:
    assert decode_exact(encode_history(grid, form), form) == grid


@given(plain_histories(), st.sampled_from([1, 3]))
def test_plain_rows_are_the_texts_one_by_one(grid: Grid, rows: int) -> None:
    tz = grid.columns[0].tz  # type: ignore[attr-defined]
    lines = []
    for row, when in enumerate(grid.column("ts")):
        cells = (write_number(column.values[row].as_py(), column.unit) for column in grid.columns[1:])  # type: ignore[attr-defined]
        lines.append(f"{stamp_of(when)} {tz}," + ",".join(cells))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_BLOCK_CELLS", "_MOST_CELLS"):
            patch.setattr(f"hsframe.codecs.histories.encode.{name}", rows * len(grid.cols))
        body = encode_history(grid, "zinc").decode()
    assert body.splitlines()[2:] == lines


def stamp_of(when: datetime) -> str:
    text = when.isoformat(timespec="milliseconds" if when.microsecond % 1000 == 0 else "microseconds")
    text = text.replace(".000", "") if when.microsecond == 0 else text
    return text.replace("+00:00", "Z")


def write_number(double: float, unit: str | None) -> str:
    text: str = pa.array([double]).cast(pa.string())[0].as_py()
    return text + write_value(Number(1, unit))[1:]


def test_what_a_field_has_too_much_is_written_over() -> None:
    us = np.arange(3, dtype=np.int64) * 60_000_000
    fields = np.frombuffer(b"".join((b"%d" % digit).ljust(24, b"#") for digit in (1, 2, 3)), "V24")
    ones = np.ones(3, np.int64)
    rows = joined_rows(stamp_forms(us, zone("UTC"), b"\n", b" UTC,"), [(fields, ones)] * 3, [b",", b","], b"")
    at = [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)).isoformat()[:19] for minute in range(3)]
    assert [row.as_py().decode() for row in rows] == [
        f"\n{when}Z UTC,{digit},{digit},{digit}" for digit, when in enumerate(at, 1)
    ]
