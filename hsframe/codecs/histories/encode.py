"""Histories by columns to bodies of hisWrite, in Zinc and in JSON version 4, without an object a row.

The exact writers write the head and every text that is not a plain number; a row is joined by Arrow out of its
timestamp, its numbers and what stands between them, and is the same for the exact parser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.codecs.histories.allocator import settle_allocator
from hsframe.codecs.histories.digits import number_texts
from hsframe.codecs.histories.joined import joined_rows
from hsframe.codecs.histories.stamp_texts import stamp_forms, stamp_texts
from hsframe.codecs.histories.words import Floats, Ints
from hsframe.codecs.json4 import encode_json4, value_to_json4
from hsframe.codecs.zinc_write import encode_zinc, write_value
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.grid import Grid
from hsframe.kinds import NA, Number
from hsframe.zones import haystack_name, zone

__all__ = ["RowTexts", "row_texts"]

_BLOCK_CELLS: Final = 1 << 16
# Calls cost the same for few rows as for many.
_LEAST_ROWS: Final = 1 << 12
_MOST_CELLS: Final = 1 << 19
# The years that a date has in every zone, in epoch microseconds; beyond them the exact writer says what is wrong.
_FIRST_US: Final = (2 - 1970) * 31_556_952_000_000
_LAST_US: Final = (9998 - 1970) * 31_556_952_000_000


@dataclass(frozen=True, slots=True)
class RowTexts:
    """A body in pieces: ``head``, rows (the first without its first `skip` bytes), ``tail``."""

    head: bytes
    tail: bytes
    skip: int
    blocks: Iterator[pa.Array]


def row_texts(grid: Grid, short: str, *, nan_as_null: bool = False) -> RowTexts | None:
    """The texts of the rows of a history; None where only the exact writer can write the grid.

    Parameters
    ----------
    grid : Grid
        Its first column a :class:`~hsframe.columns.TimeColumn`, its others Arrow columns or sequences.
    short : str
        ``"zinc"`` or ``"json4"``.
    nan_as_null : bool
        Whether NaN is written as no sample.
    """
    if short not in ("zinc", "json4") or len(grid.cols) < 2 or not isinstance(grid.columns[0], TimeColumn):
        return None
    times = grid.columns[0]
    if times.values.null_count or len({col.name for col in grid.cols} & {"_kind"}):
        return None
    bounds = pc.min_max(times.values).as_py()
    if len(grid) and not (bounds["min"] >= _FIRST_US and bounds["max"] <= _LAST_US):
        return None
    bare = Grid(grid.meta, grid.cols, [()] * len(grid.cols))
    writer: _Writer
    if short == "zinc":
        head, tail, skip = encode_zinc(bare)[:-1], b"\n", 0
        writer = _ZincWriter(nan_as_null)
    else:
        head, tail, skip = encode_json4(bare)[:-2], b"]}", 1
        writer = _Json4Writer(nan_as_null)
    return RowTexts(head, tail, skip, _blocks(grid, times, writer))


def _blocks(grid: Grid, times: TimeColumn, writer: _Writer) -> Iterator[pa.Array]:
    rows = max(_BLOCK_CELLS // len(grid.cols), min(_LEAST_ROWS, _MOST_CELLS // len(grid.cols)), 1)
    settle_allocator()
    name = haystack_name(times.tz) if "/" in times.tz else times.tz
    for begin in range(0, len(grid), rows):
        us = np.asarray(times.values[begin : begin + rows].to_numpy(zero_copy_only=False), np.int64)
        columns = [column[begin : begin + rows] for column in grid.columns[1:]]
        around = writer.around_stamp(name, grid.cols[0].name)
        plain = _plain_rows(us, zone(times.tz), around, grid, columns, writer)
        if plain is not None:
            yield plain
            continue
        parts: list[Any] = [stamp_texts(us, zone(times.tz), *around)]
        for col, column in zip(grid.cols[1:], columns, strict=True):
            parts += writer.cells(column, col.name)
        parts.append(writer.row_end)
        yield pc.binary_join_element_wise(*_merged(parts), b"")


def _plain_rows(
    us: Ints,
    label: ZoneInfo,
    around: tuple[bytes, bytes],
    grid: Grid,
    columns: Sequence[Sequence[Any]],
    writer: _Writer,
) -> pa.Array | None:
    """Rows that have a finite number in each cell; None where a cell is anything else."""
    numbers = []
    gaps = [around[1]]
    for col, column in zip(grid.cols[1:], columns, strict=True):
        doubles = _finite(column)
        if doubles is None:
            return None
        assert isinstance(column, NumberColumn)
        before, behind = writer.around_number(column.unit)
        gaps[-1] += writer.lead(col.name) + before
        gaps.append(behind)
        numbers.append(number_texts(doubles))
    close = gaps.pop() + writer.row_end
    return joined_rows(stamp_forms(us, label, close + around[0], gaps[0]), numbers, gaps[1:], close)


def _finite(column: Sequence[Any]) -> Floats | None:
    """The doubles of a column of nothing but finite numbers."""
    if not isinstance(column, NumberColumn) or column.na is not None or column.values.null_count:
        return None
    doubles: Floats = np.asarray(_plain(column.values).to_numpy(zero_copy_only=False), np.float64)
    return doubles if np.isfinite(doubles).all() else None


def _merged(parts: Sequence[Any]) -> list[Any]:
    """The parts with neighbouring constants made one."""
    result: list[Any] = []
    for part in parts:
        if isinstance(part, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += part
        elif part != b"" or not isinstance(part, bytes):
            result.append(part)
    return [pa.scalar(part, pa.binary()) if isinstance(part, bytes) else part for part in result]


class _Writer:
    """How one format writes a row: parts are constants or binary arrays without nulls."""

    row_end = b""

    def __init__(self, nan_as_null: bool) -> None:
        self._nan_as_null = nan_as_null

    def around_stamp(self, name: str, column: str) -> tuple[bytes, bytes]:
        """What stands around a timestamp, from the row's beginning to the first cell, for the zone's name."""
        raise NotImplementedError

    def lead(self, column: str) -> bytes:
        """What stands in front of a cell; written for a null cell only if `null` is a text."""
        raise NotImplementedError

    def value(self, value: Any) -> bytes:
        raise NotImplementedError

    def around_number(self, unit: str | None) -> tuple[bytes, bytes]:
        raise NotImplementedError

    def null(self, column: str) -> bytes:
        """The whole of a null cell, with what stands in front."""
        raise NotImplementedError

    def cells(self, column: Sequence[Any], name: str) -> list[Any]:
        """The parts of a column's cells."""
        lead = self.lead(name)
        if isinstance(column, NumberColumn):
            return self._numbers(column, name)
        texts: pa.Array
        if isinstance(column, BoolColumn):
            texts = pc.if_else(column.values, lead + self.value(True), lead + self.value(False))
        elif isinstance(column, StrColumn):
            values = column.values
            encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
            if isinstance(encoded, pa.ChunkedArray):
                encoded = encoded.combine_chunks() if encoded.num_chunks != 1 else encoded.chunk(0)
            words = [lead + self.value(word) for word in encoded.dictionary.to_pylist()]
            texts = pa.array(words, pa.binary()).take(encoded.indices)
        else:
            return [pa.array([self.null(name) if cell is None else lead + self.value(cell) for cell in column])]
        return [self._with_holes(_plain(texts), column, name)]

    def _numbers(self, column: NumberColumn, name: str) -> list[Any]:
        values = _plain(column.values)
        before, behind = self.around_number(column.unit)
        before = self.lead(name) + before
        if self._nan_as_null:
            values = pc.if_else(pc.is_nan(values), None, values)
        odd = pc.invert(pc.is_finite(values))
        if values.null_count == 0 and not pc.any(odd).as_py() and column.na is None:
            return [before, pc.cast(pc.cast(values, pa.string()), pa.binary()), behind]
        texts = pc.cast(pc.cast(pc.if_else(odd, None, values), pa.string()), pa.binary())
        texts = pc.binary_join_element_wise(before, texts, behind, b"")
        if pc.any(odd).as_py():
            doubles = values.to_numpy(zero_copy_only=False)
            for value in (np.nan, np.inf, -np.inf):
                here = np.isnan(doubles) if value != value else doubles == value
                mask = pc.and_(pc.fill_null(odd, False), pa.array(here))
                texts = pc.if_else(mask, self.lead(name) + self.value(Number(value)), texts)
        return [self._with_holes(texts, column, name)]

    def _with_holes(self, texts: pa.Array, column: ArrowColumn, name: str) -> pa.Array:
        if column.na is not None:
            texts = pc.if_else(_plain(column.na), self.lead(name) + self.value(NA), texts)
        return pc.fill_null(texts, self.null(name)) if texts.null_count else texts


def _plain(values: Any) -> pa.Array:
    """One array of what may be chunked."""
    if isinstance(values, pa.ChunkedArray):
        return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    return values


class _ZincWriter(_Writer):
    def around_stamp(self, name: str, column: str) -> tuple[bytes, bytes]:
        return b"\n", b" " + name.encode()

    def lead(self, column: str) -> bytes:
        return b","

    def value(self, value: Any) -> bytes:
        return write_value(value).encode()

    def around_number(self, unit: str | None) -> tuple[bytes, bytes]:
        return b"", write_value(Number(1, unit)).encode()[1:]

    def null(self, column: str) -> bytes:
        return b","


class _Json4Writer(_Writer):
    row_end = b"}"

    def around_stamp(self, name: str, column: str) -> tuple[bytes, bytes]:
        before = f',{{{json.dumps(column, ensure_ascii=False)}:{{"_kind":"dateTime","val":"'
        return before.encode(), f'","tz":"{name}"}}'.encode()

    def lead(self, column: str) -> bytes:
        return f",{json.dumps(column, ensure_ascii=False)}:".encode()

    def value(self, value: Any) -> bytes:
        return json.dumps(value_to_json4(value), ensure_ascii=False, separators=(",", ":")).encode()

    def around_number(self, unit: str | None) -> tuple[bytes, bytes]:
        if unit is None:
            return b"", b""
        before, behind = self.value(Number(1, unit)).split(b'"val":1')
        return before + b'"val":', behind

    def null(self, column: str) -> bytes:
        return b""
