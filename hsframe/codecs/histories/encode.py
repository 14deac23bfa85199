"""Histories by columns to bodies of hisWrite, in Zinc and in JSON version 4, without an object per row.

The exact writers write the head and every text that is not a plain number; a row is joined by Arrow out of its
timestamp, its numbers and the texts between them, and reads the same for the exact parser.

The text of a timestamp is made for each run of one day and offset, the clock comes from a table of the seconds of a
day. Rows of one form (a fraction of none, three or six digits; an offset or Z) have one length: an array of records.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from io import BytesIO
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.codecs.formats import encode_exact
from hsframe.codecs.histories.byte_words import Ints, Words
from hsframe.codecs.json4 import Json4
from hsframe.codecs.zinc_write import encode_zinc, write_value
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.durations import DAY_US, MINUTE_US, SECOND_US
from hsframe.grid import Grid
from hsframe.kinds import NA, Number
from hsframe.spans import from_epoch_us
from hsframe.zones import haystack_name, zone

_BLOCK_CELLS: Final = 1 << 16
# Calls cost the same for few rows as for many.
_LEAST_ROWS: Final = 1 << 12
_MOST_CELLS: Final = 1 << 19
# Numbers of 0 to 1000 in hundredths; fewer rows than this are not worth the table of their texts.
_HUNDREDTHS: Final = 100_001
_WORTH_TABLE: Final = 1_000
# The years that a date has in every zone, in epoch microseconds; beyond them the exact writer says what is wrong.
_FIRST_US: Final = (2 - 1970) * 31_556_952_000_000
_LAST_US: Final = (9998 - 1970) * 31_556_952_000_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_S: Final = DAY_US // SECOND_US
_DATE: Final = 11  # YYYY-MM-DDT
_CLOCK: Final = 8
# A zone changes its offset at most once between two looks: its changes are at least six days apart.
_LOOK_US: Final = DAY_US


def encode_history(grid: Grid, short: str) -> bytes:
    r"""A history as a body of hisWrite, which decodes to the grid again.

    Other formats, and grids whose rows cannot be joined from columns, are left to the exact writer. NaN and infinities
    are written by name, numbers by their shortest text, the zone by the name that the column has. CodecError for a
    value that the format cannot write.

    >>> import pyarrow as pa
    >>> from hsframe.columns import NumberColumn, TimeColumn
    >>> times = TimeColumn(pa.array([0, 60_000_000]), "UTC")
    >>> encode_history(Grid({}, ["ts", "val"], [times, NumberColumn(pa.array([1.5, 2.0]), "kW")]), "zinc")
    b'ver:"3.0"\nts,val\n1970-01-01T00:00:00Z UTC,1.5kW\n1970-01-01T00:01:00Z UTC,2kW\n'
    """
    times = grid.columns[0]
    if short not in _WRITERS or not isinstance(times, TimeColumn) or not _can_write(grid, times):
        return encode_exact(grid, short)
    name = haystack_name(times.tz) if "/" in times.tz else times.tz
    layout = _WRITERS[short](Grid(grid.meta, grid.cols, [()] * len(grid.cols)), name)
    # It grows without a copy and gives its buffer away: blocks are written where memory is warm, and the body once.
    body = BytesIO()
    body.write(layout.head)
    skipped = layout.separator_length
    for block, close in _blocks(grid, times, layout):
        ends = np.frombuffer(block.buffers()[1], np.int32)[block.offset :]
        body.write(memoryview(block.buffers()[2])[int(ends[0]) + len(close) + skipped : int(ends[len(block)])])
        body.write(close)
        skipped = 0
    body.write(layout.tail)
    return body.getvalue()


def _can_write(grid: Grid, times: TimeColumn) -> bool:
    """Whether rows can be joined: the exact writer writes the others, or says what is wrong with them."""
    if len(grid) == 0 or len(grid.cols) < 2 or times.values.null_count or "_kind" in grid.col_names:
        return False
    # A zero of such a unit looks like a number in hexadecimal in Zinc.
    if any(isinstance(column, NumberColumn) and (column.unit or "").startswith("x") for column in grid.columns):
        return False
    bounds = pc.min_max(times.values).as_py()
    return bool(bounds["min"] >= _FIRST_US and bounds["max"] <= _LAST_US)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What one format writes around the rows of a grid, their timestamps and their cells.

    A row begins with what separates it from the one before, which the first row does not need.
    """

    head: bytes
    tail: bytes
    separator_length: int
    around_stamp: tuple[bytes, bytes]
    leads: Sequence[bytes]
    nulls: Sequence[bytes]
    row_end: bytes
    value: Callable[[Any], bytes]


def _zinc(bare: Grid, tz: str) -> _Layout:
    commas = [b","] * (len(bare.cols) - 1)
    around = b"\n", b" " + tz.encode()
    return _Layout(
        encode_zinc(bare)[:-1], b"\n", 0, around, commas, commas, b"", lambda value: write_value(value).encode()
    )


def _json4(bare: Grid, tz: str) -> _Layout:
    codec = Json4()
    ts, *names = (json.dumps(name, ensure_ascii=False) for name in bare.col_names)
    around = f',{{{ts}:{{"_kind":"dateTime","val":"'.encode(), f'","tz":"{tz}"}}'.encode()
    leads = [f",{name}:".encode() for name in names]

    def value(cell: Any) -> bytes:
        return json.dumps(codec.write(cell), ensure_ascii=False, separators=(",", ":")).encode()

    return _Layout(codec.encode(bare)[:-2], b"]}", 1, around, leads, [b""] * len(names), b"}", value)


_WRITERS: Final = {"zinc": _zinc, "json4": _json4}


def _blocks(grid: Grid, times: TimeColumn, layout: _Layout) -> Iterator[tuple[pa.Array, bytes]]:
    """The texts of rows, each after the constant that ends a row, which follows the last one too.

    Arrow joins few parts faster than many, so the constants around a timestamp are written as part of its text.
    """
    rows = max(_BLOCK_CELLS // len(grid.cols), min(_LEAST_ROWS, _MOST_CELLS // len(grid.cols)), 1)
    for begin in range(0, len(grid), rows):
        us = np.asarray(times.values[begin : begin + rows].to_numpy(zero_copy_only=False), np.int64)
        before, after = layout.around_stamp
        parts: list[Any] = [after]
        for column, lead, null in zip(grid.columns[1:], layout.leads, layout.nulls, strict=True):
            parts += _cells(column[begin : begin + rows], lead, null, layout.value)
        after, *parts = _merged([*parts, layout.row_end])
        close = parts.pop() if isinstance(parts[-1], bytes) else b""
        yield pc.binary_join_element_wise(stamp_texts(us, zone(times.tz), close + before, after), *parts, b""), close


def _merged(parts: Sequence[Any]) -> list[Any]:
    """The parts, which are constants or binary arrays without nulls, with neighbouring constants made one."""
    result: list[Any] = []
    for part in parts:
        if isinstance(part, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += part
        elif part != b"" or not isinstance(part, bytes):
            result.append(part)
    return result


def _cells(column: Sequence[Any], lead: bytes, null: bytes, value: Callable[[Any], bytes]) -> list[Any]:
    """The parts of a column's cells, each with the text before it; a null cell is written as `null`."""
    texts: pa.Array
    if isinstance(column, NumberColumn):
        values = _plain(column.values)
        before, after = value(Number(1, column.unit)).split(b"1", 1)
        odd = pc.invert(pc.is_finite(values))
        has_odd = pc.any(odd).as_py()
        if values.null_count == 0 and not has_odd and column.na is None:
            return [lead + before, _number_texts(values), after]
        texts = _number_texts(pc.if_else(odd, None, values))
        texts = pc.binary_join_element_wise(lead + before, texts, after, b"")
        if has_odd:
            doubles = values.to_numpy(zero_copy_only=False)
            for name in (np.nan, np.inf, -np.inf):
                here = np.isnan(doubles) if name != name else doubles == name
                texts = pc.if_else(pc.and_(pc.fill_null(odd, False), pa.array(here)), lead + value(Number(name)), texts)
    elif isinstance(column, BoolColumn):
        texts = pc.if_else(_plain(column.values), lead + value(True), lead + value(False))
    elif isinstance(column, StrColumn):
        values = _plain(column.values)
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        words = [lead + value(word) for word in encoded.dictionary.to_pylist()]
        texts = pa.array(words, pa.binary()).take(encoded.indices)
    else:
        return [pa.array([null if cell is None else lead + value(cell) for cell in column])]
    if isinstance(column, ArrowColumn) and column.na is not None:
        texts = pc.if_else(_plain(column.na), lead + value(NA), texts)
    return [pc.fill_null(texts, null) if texts.null_count else texts]


def _number_texts(values: pa.Array) -> pa.Array:
    """The shortest text of each finite number that reads back as the number.

    Arrow writes them one by one. Most measured values are hundredths, and a table of what Arrow writes for each
    takes a tenth of the time: where the quotient is the double itself, its text is the double's.
    """
    doubles = np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
    if len(doubles) >= _WORTH_TABLE:
        with np.errstate(over="ignore"):
            scaled = np.rint(doubles * 100)
        if ((scaled / 100 == doubles) & (scaled < _HUNDREDTHS) & ~np.signbit(doubles)).all():
            return _hundredths().take(pa.array(scaled.astype(np.int32)))
    return pc.cast(pc.cast(values, pa.string()), pa.binary())


@cache
def _hundredths() -> pa.Array:
    return pc.cast(pc.cast(pa.array(np.arange(_HUNDREDTHS) / 100), pa.string()), pa.binary())


def _plain(values: Any) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    return values


def offset_minutes(us: Ints, zone: ZoneInfo) -> Ints:
    """The offset of each instant in whole minutes, truncated towards zero as by the exact writer."""
    if len(us) == 0:
        return np.zeros(0, np.int64)
    looks = us // _LOOK_US
    changed = np.flatnonzero(looks[1:] != looks[:-1]) + 1
    firsts = np.concatenate(([0], changed))
    runs = looks[firsts]

    @cache
    def at(look: int) -> int:
        return _offset_at(look * _LOOK_US, zone)

    offsets = np.array([at(look) for look in runs.tolist()], np.int64)
    result = np.repeat(offsets, np.diff(firsts, append=len(us)))
    for run, look in enumerate(runs.tolist()):
        if at(look) != at(look + 1):
            begin = int(firsts[run])
            end = int(firsts[run + 1]) if run + 1 < len(firsts) else len(us)
            between = range(look * _LOOK_US, (look + 1) * _LOOK_US)
            before_us = bisect_left(between, True, key=lambda when: _offset_at(when, zone) != at(look))
            result[begin:end] = np.where(us[begin:end] < between.start + before_us, at(look), at(look + 1))
    return result


def _offset_at(us: int, zone: ZoneInfo) -> int:
    offset = from_epoch_us(us, zone).utcoffset() or timedelta(0)
    return int(offset / timedelta(minutes=1))


def stamp_texts(us: Ints, zone: ZoneInfo, before: bytes, after: bytes) -> pa.Array:
    """The texts ``before + 2021-01-01T00:00:00-05:00 + after`` of instants in the years 1 to 9999 in the zone."""
    offsets = offset_minutes(us, zone)
    local = us + offsets * MINUTE_US
    seconds = local // SECOND_US
    fractions = local - seconds * SECOND_US
    has_zero = not offsets.any()
    if (has_zero or offsets.all()) and not fractions.any():
        return _binary(_records(seconds, fractions, offsets, 0, has_zero, before, after))
    digits = np.where(fractions == 0, 0, np.where(fractions % 1000 == 0, 3, 6))
    forms = digits * 2 + (offsets == 0)
    pieces, order = [], []
    for form in np.unique(forms).tolist():
        rows = np.flatnonzero(forms == form)
        parts = (seconds[rows], fractions[rows], offsets[rows])
        pieces.append(_binary(_records(*parts, form // 2, bool(form % 2), before, after)))
        order.append(rows)
    back = np.empty(len(us), np.int64)
    back[np.concatenate(order)] = np.arange(len(us))
    return pa.concat_arrays(pieces).take(pa.array(back))


def _records(
    seconds: Ints, fractions: Ints, offsets: Ints, digits: int, is_utc: bool, before: bytes, after: bytes
) -> npt.NDArray[np.void]:
    """Rows whose texts have one length: a whole text for each run of days and offsets, then clocks and fractions."""
    days = seconds // _DAY_S
    changed = (days[1:] != days[:-1]) | (offsets[1:] != offsets[:-1])
    firsts = np.concatenate(([0], np.flatnonzero(changed) + 1))
    room = bytes(_CLOCK + (digits and digits + 1))
    keys = list(zip(days[firsts].tolist(), offsets[firsts].tolist(), strict=True))
    known = {}
    for day, minutes in set(keys):
        offset = "Z" if is_utc else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
        known[day, minutes] = f"{date.fromordinal(day + _EPOCH_DAY).isoformat()}T".encode() + room + offset.encode()
    text = b"".join([before + known[key] + after for key in keys])
    size = len(text) // len(firsts)
    records = np.repeat(np.frombuffer(text, f"V{size}"), np.diff(firsts, append=len(seconds)))
    at = len(before) + _DATE
    octets = records.view(np.uint8)

    def part(at: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        return np.ndarray((len(records),), dtype, octets, offset=at, strides=(size,))

    part(at, "<u8")[:] = _clock_words()[seconds - days * _DAY_S]
    if digits:
        part(at + _CLOCK, f"S{digits + 1}")[:] = _fraction_texts(digits)[fractions // (1000 if digits == 3 else 1)]
    return records


def _binary(records: npt.NDArray[np.void]) -> pa.Array:
    size = records.itemsize
    ends = np.arange(0, (len(records) + 1) * size, size, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(records), [None, pa.py_buffer(ends), pa.py_buffer(records)])


@cache
def _clock_words() -> Words:
    texts = b"".join(b"%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(_DAY_S))
    return np.frombuffer(texts, np.uint64)


@cache
def _fraction_texts(digits: int) -> npt.NDArray[Any]:
    return np.array([b".%0*d" % (digits, value) for value in range(10**digits)])
