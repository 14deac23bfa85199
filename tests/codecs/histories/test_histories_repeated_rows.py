"""Rows that repeat but for the clock and the number: every byte of them counts, and most of them are read so."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from hsframe.codecs import decode_exact
from hsframe.codecs.histories import decode as decode_module
from hsframe.codecs.histories import stamps
from hsframe.codecs.histories.byte_words import Block
from hsframe.codecs.histories.decode import try_decode
from hsframe.codecs.histories.repeated_rows import RepeatedRows
from hsframe.errors import CodecError
from hsframe.grid import Grid

# A zone name that was damaged is a zone that is not known.
pytestmark = pytest.mark.filterwarnings("ignore::hsframe.ZoneWarning", "ignore::hsframe.UnitWarning")

HEADS = {
    "zinc": 'ver:"3.0" id:@a\nts,val\n',
    "json4": '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"val"}],"rows":[\n',
    "json3": '{"meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"val"}],"rows":[\n',
}
ROWS = {
    "zinc": "{at} {tz},{val}{unit}",
    "json4": '{{"ts":{{"_kind":"dateTime","val":"{at}","tz":"{tz}"}},'
    '"val":{{"_kind":"number","val":{val},"unit":"{unit}"}}}}',
    "json3": '{{"ts":"t:{at} {tz}","val":"n:{val} {unit}"}}',
}


def rows_of(short: str, count: int, tz: str = "New_York", unit: str = "°F", hours: float = 0.25) -> list[str]:
    zone = ZoneInfo({"New_York": "America/New_York", "London": "Europe/London"}.get(tz, tz))
    rows = []
    for row in range(count):
        at = (datetime(2021, 3, 27, 20, tzinfo=UTC) + timedelta(hours=hours * row)).astimezone(zone).isoformat()
        rows.append(
            ROWS[short].format(at=at.replace("+00:00", "Z"), tz=tz, val=f"{50 + row * 0.37:.2f}", unit=unit).strip()
        )
    return rows


def body_of(short: str, rows: list[str]) -> bytes:
    if short == "zinc":
        return (HEADS[short] + "\n".join(rows) + "\n").encode()
    return (HEADS[short] + ",\n".join(rows) + "\n]}\n").encode()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows of each block were read as repeated ones, in small blocks."""
    counts: list[int] = []
    plain = RepeatedRows.read

    def spied(self: RepeatedRows, *arguments: Any) -> Any:
        result = plain(self, *arguments)
        counts.append(0 if result is None else int(np.count_nonzero(result[2])))
        return result

    monkeypatch.setattr(RepeatedRows, "read", spied)
    monkeypatch.setattr(decode_module, "BLOCK_BYTES", 900)
    return counts


def exactly(body: bytes, short: str) -> Grid | None:
    try:
        return decode_exact(body, short)
    except CodecError:
        return None


@pytest.mark.parametrize("short", HEADS)
@pytest.mark.parametrize("unit", ["°F", "kWh/ft²", "%"])
def test_most_rows_are_read_as_repeated_ones(short: str, unit: str, read: list[int]) -> None:
    body = body_of(short, rows_of(short, 200, unit=unit))
    assert try_decode(body, short) == decode_exact(body, short)
    assert sum(read) > 150


def test_numbers_without_a_unit_are_read_as_repeated_rows(read: list[int]) -> None:
    body = body_of("zinc", rows_of("zinc", 200, unit=""))
    assert try_decode(body, "zinc") == decode_exact(body, "zinc")
    assert sum(read) > 150


@pytest.mark.parametrize("short", HEADS)
def test_a_zone_that_changes_its_form_is_read_anew(short: str, read: list[int]) -> None:
    body = body_of(short, rows_of(short, 200, tz="London"))
    assert b"Z" in body
    assert b"+01:00" in body
    assert try_decode(body, short) == decode_exact(body, short)
    assert sum(read) > 120


@pytest.mark.filterwarnings("ignore::hsframe.errors.ZoneWarning")  # a wrong digit in an offset
@pytest.mark.parametrize("short", HEADS)
@pytest.mark.parametrize("tz", ["New_York", "London"])
def test_every_byte_of_a_row_counts(short: str, tz: str, read: list[int]) -> None:
    rows = rows_of(short, 40, tz=tz, unit="kW", hours=0.05)
    body = body_of(short, rows)
    begin = body.index(rows[30].encode())
    for at in range(begin - 2, begin + len(rows[30]) + 2):
        for octet in (body[at] ^ 1, ord("9"), ord(",")):
            wrong = body[:at] + bytes([octet]) + body[at + 1 :]
            fast = try_decode(wrong, short)
            if fast is not None:
                assert fast == exactly(wrong, short)
    assert sum(read) > 1000


@pytest.mark.parametrize("short", HEADS)
def test_odd_rows_among_repeated_ones(short: str, read: list[int]) -> None:
    odd = {"zinc": ["NA", "", "-3.5kW", "123456789.25kW", "1e3kW", "INF"], "json4": ["null"], "json3": ["null", '"z:"']}
    rows = rows_of(short, 200, unit="kW")
    for number, row in enumerate(range(20, 200, 9)):
        cell = odd[short][number % len(odd[short])]
        head, mark, _ = rows[row].partition("," if short == "zinc" else '"val":' if short == "json3" else '},"val":')
        rows[row] = head + mark + cell + ("" if short == "zinc" else "}")
    body = body_of(short, rows)
    assert try_decode(body, short) == decode_exact(body, short)
    assert sum(read) > 100


def test_rows_that_do_not_repeat_stop_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of("zinc", 3000)
    rows = [row if number % 4 == 1 else row.replace(":00-", ":00.5-") for number, row in enumerate(rows)]
    made: list[int] = []
    plain = RepeatedRows._boundary_at

    def spied(self: RepeatedRows, block: Block, start: int) -> Any:
        made.append(start)
        return plain(self, block, start)

    monkeypatch.setattr(RepeatedRows, "_boundary_at", spied)
    monkeypatch.setattr(decode_module, "BLOCK_BYTES", 900)
    body = body_of("zinc", rows)
    assert try_decode(body, "zinc") == decode_exact(body, "zinc")
    assert 1 < len(made) < 20


def test_rows_of_another_form_are_not_looked_up_as_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of("zinc", 200, unit="kW")
    rows[100:] = [row.replace(":00-", f":00.{number:03d}-") for number, row in enumerate(rows[100:])]
    asked: list[int] = []
    plain = stamps._midnight_us

    def spied(*words: int) -> int:
        asked.append(words[2])
        return plain(*words)

    monkeypatch.setattr(stamps, "_midnight_us", spied)
    monkeypatch.setattr(decode_module, "BLOCK_BYTES", 900)
    body = body_of("zinc", rows)
    assert try_decode(body, "zinc") == decode_exact(body, "zinc")
    assert {offset.to_bytes(6, "little") for offset in asked} == {b"-04:00"}


WIDE_HEADS = {
    "json4": '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"v0"},{"name":"v1"},{"name":"v2"}],'
    '"rows":[\n',
    "json3": '{"meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"v0"},{"name":"v1"},{"name":"v2"}],"rows":[\n',
}
WIDE_ROWS = {
    "json4": '{{"ts":{{"_kind":"dateTime","val":"{at}","tz":"New_York"}},'
    '"v{0}":{{"_kind":"number","val":{a},"unit":"kW"}},"v{1}":{{"_kind":"number","val":{b},"unit":"°F"}},"v{2}":{{"_kind":"number","val":{c},"unit":"kW"}}}}',
    "json3": '{{"ts":"t:{at} New_York","v{0}":"n:{a} kW","v{1}":"n:{b} °F","v{2}":"n:{c} kW"}}',
}


def wide_rows(short: str, count: int, order: str = "012") -> list[str]:
    zone = ZoneInfo("America/New_York")
    rows = []
    for row in range(count):
        at = (datetime(2021, 3, 27, 20, tzinfo=UTC) + timedelta(minutes=15 * row)).astimezone(zone).isoformat()
        cells = {"a": f"{50 + row * 0.37:.2f}", "b": str(row - 20), "c": repr(row / 7)}
        rows.append(WIDE_ROWS[short].format(*order, at=at, **cells))
    return rows


def wide_body(short: str, rows: list[str]) -> bytes:
    return (WIDE_HEADS[short] + ",\n".join(rows) + "\n]}\n").encode()


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each block gave as repeated ones of several numbers, in small blocks and pieces."""
    counts: list[int] = []
    plain = RepeatedRows.read_wide

    def spied(self: RepeatedRows, *arguments: Any) -> Any:
        result = plain(self, *arguments)
        counts.append(0 if result is None else sum(len(times) for times, _ in result[0]))
        return result

    monkeypatch.setattr(RepeatedRows, "read_wide", spied)
    monkeypatch.setattr(decode_module, "BLOCK_BYTES", 2000)
    monkeypatch.setattr("hsframe.codecs.histories.repeated_rows.CACHED_CELLS", 12)
    monkeypatch.setattr("hsframe.codecs.histories.buffers._WIDE_BLOCKS", 1)
    return counts


@pytest.mark.parametrize("short", WIDE_HEADS)
@pytest.mark.parametrize("order", ["012", "201"])
def test_most_rows_of_many_points_are_read_as_repeated_ones(short: str, order: str, wide: list[int]) -> None:
    body = wide_body(short, wide_rows(short, 200, order))
    assert try_decode(body, short) == decode_exact(body, short)
    assert sum(wide) > 150


@pytest.mark.parametrize("short", WIDE_HEADS)
def test_a_column_that_no_row_has_stays_empty(short: str, wide: list[int]) -> None:
    rows = [re.sub(r',"v1":("[^"]*"|\{[^}]*\})', "", row) for row in wide_rows(short, 200)]
    body = wide_body(short, rows)
    assert try_decode(body, short) == decode_exact(body, short)
    assert sum(wide) > 150


@pytest.mark.filterwarnings("ignore::hsframe.errors.ZoneWarning")
@pytest.mark.parametrize("short", WIDE_HEADS)
def test_every_byte_of_a_row_of_many_points_counts(short: str, wide: list[int]) -> None:
    rows = wide_rows(short, 50)
    body = wide_body(short, rows)
    begin = body.index(rows[35].encode())
    for at in range(begin - 2, begin + len(rows[35].encode()) + 2):  # the points are alike: one byte of each is enough
        wrong = body[:at] + bytes([(body[at] ^ 1, ord("9"), ord("}"))[at % 3]]) + body[at + 1 :]
        fast = try_decode(wrong, short)
        if fast is not None:
            assert fast == exactly(wrong, short)
    assert sum(wide) > 300


@pytest.mark.parametrize("short", WIDE_HEADS)
def test_a_block_with_an_odd_row_of_many_points_is_read_apart(short: str, wide: list[int]) -> None:
    rows = wide_rows(short, 300)
    rows[100] = re.sub(r'"v1":("[^"]*"|\{[^}]*\})', '"v1":null', rows[100])
    rows[150] = re.sub(r',"v1":("[^"]*"|\{[^}]*\})', "", rows[150])
    rows[200] = rows[200].replace(":", ": ", 1)
    body = wide_body(short, rows)
    assert try_decode(body, short) == decode_exact(body, short)
    assert wide.count(0) == 4, "the first block, which teaches, and three with an odd row"
    assert sum(wide) > 200
