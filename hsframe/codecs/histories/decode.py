"""A whole body to a grid by columns, where that can be done."""

from __future__ import annotations

from hsframe.codecs.exact import NeedsExactParserError, decode_exact
from hsframe.codecs.histories.buffers import BLOCK_BYTES, BodyBuffer
from hsframe.codecs.histories.json_rows import JsonRows
from hsframe.codecs.histories.json_rows import head_length as json_head_length
from hsframe.codecs.histories.row_reader import RowReader
from hsframe.codecs.histories.zinc_rows import ZincRows
from hsframe.codecs.histories.zinc_rows import head_length as zinc_head_length
from hsframe.errors import CodecError
from hsframe.grid import Grid


def try_decode(body: bytes, short: str) -> Grid | None:
    """The grid of a body that is a history, its columns as Arrow arrays: cell by cell what the exact parser gives.

    None where the exact parser has to read the body whole. `short` is ``"zinc"``, ``"json4"`` or ``"json3"``.
    """
    begin = head_length(body, short)
    view = memoryview(body)
    ahead = min(len(body), begin + BLOCK_BYTES)
    try:
        _, reader = open_history(body[:begin], short)
        buffer = BodyBuffer(reader, BLOCK_BYTES)
        buffer.push(view[begin:ahead])
        if ahead < len(body):
            reader.rows.expect((ahead - begin) / (len(body) - begin))
            buffer.push(view[ahead:])
        buffer.flush()
        grid = reader.finish(buffer.held)
        return Grid(grid.meta, grid.cols, reader.columns()) if reader.rows.length else None
    except NeedsExactParserError:
        return None


def head_length(body: bytes, short: str) -> int:
    """The length of a body up to its first row; 0 where it does not reach so far."""
    return zinc_head_length(body) if short == "zinc" else json_head_length(body)


def open_history(head: bytes, short: str) -> tuple[Grid, RowReader]:
    """The grid without rows, and a reader for them; `head` is the body up to its first row."""
    if not head or short not in ("zinc", "json4", "json3"):
        raise NeedsExactParserError
    try:
        grid = decode_exact(head if short == "zinc" else head + b"]}", short)
    except CodecError:
        raise NeedsExactParserError from None
    ts, *names = grid.col_names or ("",)
    if ts != "ts" or not names or len(grid):
        raise NeedsExactParserError
    return grid, RowReader(ZincRows(head, len(names)) if short == "zinc" else JsonRows(head, names, short))
