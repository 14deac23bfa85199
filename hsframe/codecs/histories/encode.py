"""Histories by columns to bodies of hisWrite, in Zinc and in JSON version 4, without an object a row.

The exact writers write the head and every text that is not a plain number; a row is joined by Arrow out of its
timestamp, its numbers and what stands between them, and is the same for the exact parser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hsframe.codecs.histories.stamp_texts import stamp_texts
from hsframe.codecs.json4 import Json4
from hsframe.codecs.zinc_write import encode_zinc, write_value
from hsframe.columns import ArrowColumn, BoolColumn, NumberColumn, StrColumn, TimeColumn
from hsframe.grid import Grid
from hsframe.kinds import NA, Number
from hsframe.zones import haystack_name, zone

__all__ = ["encode_history"]

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


def encode_history(grid: Grid, short: str) -> bytes:
    r"""A history as a body of hisWrite.

    Parameters
    ----------
    grid : Grid
        Columns ``ts`` and one a point; Arrow columns are written without an object a row.
    short : str
        ``"zinc"``, ``"json"`` or ``"json4"``, ``"json3"``.

    Returns
    -------
    bytes
        What decodes to the grid again. NaN and infinities are written by name, numbers by their shortest text, the
        zone by the name that the column has.

    Raises
    ------
    CodecError
        A value that the format cannot write.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from hsframe.columns import NumberColumn, TimeColumn
    >>> times = TimeColumn(pa.array([0, 60_000_000]), "UTC")
    >>> encode_history(Grid({}, ["ts", "val"], [times, NumberColumn(pa.array([1.5, 2.0]), "kW")]), "zinc")
    b'ver:"3.0"\nts,val\n1970-01-01T00:00:00Z UTC,1.5kW\n1970-01-01T00:01:00Z UTC,2kW\n'
    """
    short = "json4" if short == "json" else short
    times = grid.columns[0] if grid.columns else None
    if not isinstance(times, TimeColumn) or short not in _WRITERS or not _can_write(grid, times):
        from hsframe.codecs import encode_exact

        return encode_exact(grid, short)
    writer = _WRITERS[short]()
    head, tail = writer.around_rows(Grid(grid.meta, grid.cols, [()] * len(grid.cols)))
    # It grows without a copy and gives its buffer away: blocks are written where memory is warm, and the body once.
    body = BytesIO()
    body.write(head)
    skipped = writer.separator_length
    for block in _blocks(grid, times, writer):
        body.write(_octets(block)[skipped:])
        skipped = 0
    body.write(tail)
    return body.getvalue()


def _can_write(grid: Grid, times: TimeColumn) -> bool:
    """Whether rows can be joined: the exact writer writes the others, or says what is wrong with them."""
    if len(grid) == 0 or len(grid.cols) < 2 or times.values.null_count or "_kind" in grid.col_names:
        return False
    bounds = pc.min_max(times.values).as_py()
    return bool(bounds["min"] >= _FIRST_US and bounds["max"] <= _LAST_US)


def _blocks(grid: Grid, times: TimeColumn, writer: _Writer) -> Iterator[pa.Array]:
    """The texts of rows, each with what separates it from the row in front."""
    rows = max(_BLOCK_CELLS // len(grid.cols), min(_LEAST_ROWS, _MOST_CELLS // len(grid.cols)), 1)
    name = haystack_name(times.tz) if "/" in times.tz else times.tz
    around = writer.around_stamp(name, grid.cols[0].name)
    for begin in range(0, len(grid), rows):
        us = np.asarray(times.values[begin : begin + rows].to_numpy(zero_copy_only=False), np.int64)
        parts: list[Any] = [stamp_texts(us, zone(times.tz), *around)]
        for col, column in zip(grid.cols[1:], grid.columns[1:], strict=True):
            parts += writer.cells(column[begin : begin + rows], col.name)
        parts.append(writer.row_end)
        yield pc.binary_join_element_wise(*_merged(parts), b"")


def _octets(block: Any) -> memoryview:
    """The bytes of the texts of an Arrow binary array."""
    ends = np.frombuffer(block.buffers()[1], np.int32)
    return memoryview(block.buffers()[2])[int(ends[block.offset]) : int(ends[block.offset + len(block)])]


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

    #: What ends a row.
    row_end = b""
    #: The bytes in front of a row that separate it from the one before.
    separator_length = 0

    def around_rows(self, bare: Grid) -> tuple[bytes, bytes]:
        """What stands in front of the rows of a grid and behind them, for the grid without rows."""
        raise NotImplementedError

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
        odd = pc.invert(pc.is_finite(values))
        if values.null_count == 0 and not pc.any(odd).as_py() and column.na is None:
            return [before, _number_texts(values), behind]
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
    """One array of what may be chunked."""
    if isinstance(values, pa.ChunkedArray):
        return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    return values


class _ZincWriter(_Writer):
    def around_rows(self, bare: Grid) -> tuple[bytes, bytes]:
        return encode_zinc(bare)[:-1], b"\n"

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
    separator_length = 1

    def around_rows(self, bare: Grid) -> tuple[bytes, bytes]:
        return Json4().encode(bare)[:-2], b"]}"

    def around_stamp(self, name: str, column: str) -> tuple[bytes, bytes]:
        before = f',{{{json.dumps(column, ensure_ascii=False)}:{{"_kind":"dateTime","val":"'
        return before.encode(), f'","tz":"{name}"}}'.encode()

    def lead(self, column: str) -> bytes:
        return f",{json.dumps(column, ensure_ascii=False)}:".encode()

    def value(self, value: Any) -> bytes:
        return json.dumps(Json4().write(value), ensure_ascii=False, separators=(",", ":")).encode()

    def around_number(self, unit: str | None) -> tuple[bytes, bytes]:
        if unit is None:
            return b"", b""
        before, behind = self.value(Number(1, unit)).split(b'"val":1')
        return before + b'"val":', behind

    def null(self, column: str) -> bytes:
        return b""


_WRITERS: Final = {"zinc": _ZincWriter, "json4": _Json4Writer}
