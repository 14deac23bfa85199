"""A whole body to a grid by columns, or the word that only the exact parser can read it."""

from __future__ import annotations

import pyarrow as pa

from hsframe.codecs import decode_exact
from hsframe.codecs.histories.cells import column_of
from hsframe.codecs.histories.json_rows import JsonRows
from hsframe.codecs.histories.json_rows import head_length as json_head_length
from hsframe.codecs.histories.pump import BLOCK_BYTES, Pump
from hsframe.codecs.histories.rows import HistoryRows
from hsframe.codecs.histories.zinc import ZincRows, head_length
from hsframe.columns import ArrowColumn, TimeColumn
from hsframe.errors import CodecError
from hsframe.grid import Grid

__all__ = ["columns_of", "head_length_of", "open_rows", "try_decode"]


def try_decode(body: bytes, short: str) -> Grid | None:
    """The grid of a body that is a history, its columns as Arrow arrays.

    Parameters
    ----------
    body : bytes
        An answer in UTF-8.
    short : str
        ``"zinc"``, ``"json"`` or ``"json4"``, ``"json3"``.

    Returns
    -------
    Grid or None
        What the exact parser gives, cell by cell; None where the body is no history, or so unusual, or so wrong,
        that the exact parser has to read it whole.
    """
    short = "json4" if short == "json" else short
    begin = head_length_of(body, short)
    opened = open_rows(body[:begin], short)
    if opened is None or len(body) == begin:
        return None
    rows = opened[1]
    pump = Pump(rows, BLOCK_BYTES)
    view = memoryview(body)
    ahead = min(len(body), begin + BLOCK_BYTES)
    if not pump.push(view[begin:ahead]):
        return None
    if ahead < len(body):
        rows.sink.expect((ahead - begin) / (len(body) - begin))
        if not pump.push(view[ahead:]):
            return None
    if not pump.flush():
        return None
    grid = rows.finish(pump.held)
    if grid is None or rows.sink.length == 0:
        return None
    columns = columns_of(rows)
    return None if columns is None else Grid(grid.meta, grid.cols, columns)


def head_length_of(body: bytes, short: str) -> int:
    """The length of a body up to its first row; 0 where it does not reach so far."""
    return head_length(body) if short == "zinc" else json_head_length(body)


def open_rows(head: bytes, short: str) -> tuple[Grid, HistoryRows] | None:
    """The grid without rows and a reader for them; None where this is not the head of a history.

    Parameters
    ----------
    head : bytes
        The body up to its first row.
    short : str
        ``"zinc"``, ``"json4"``, ``"json3"``.
    """
    if not head or short not in ("zinc", "json4", "json3"):
        return None
    try:
        grid = decode_exact(head if short == "zinc" else head + b"]}", short)
    except CodecError:
        return None
    names = grid.col_names
    if len(names) < 2 or len(grid) or names[0] != "ts":
        return None
    return grid, ZincRows(head, len(names) - 1) if short == "zinc" else JsonRows(head, names[1:], short)


def columns_of(rows: HistoryRows, *, keep: bool = False) -> list[ArrowColumn] | None:
    """The columns of the rows in the sink, which were settled; None where Arrow cannot hold one of them.

    The sink's arrays become the columns' own, unless they are to be kept because more rows will follow.
    """
    columns: list[ArrowColumn] = [TimeColumn(pa.array(rows.sink.times), rows.tz)]
    for place, unit in enumerate(rows.units):
        cells = rows.sink.cells(place)
        column = column_of(cells.copy() if keep else cells, rows.table.values, unit)
        if column is None:
            return None
        columns.append(column)
    return columns
