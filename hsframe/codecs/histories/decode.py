"""A whole body to a grid by columns, or the word that only the exact parser can read it."""

from __future__ import annotations

import pyarrow as pa

from hsframe.codecs import decode_exact
from hsframe.codecs.histories.cells import column_of
from hsframe.codecs.histories.json_rows import JsonRows
from hsframe.codecs.histories.json_rows import head_length as json_head_length
from hsframe.codecs.histories.pump import BLOCK_BYTES, Pump
from hsframe.codecs.histories.zinc import ZincRows, head_length
from hsframe.columns import TimeColumn
from hsframe.errors import CodecError
from hsframe.grid import Grid

__all__ = ["try_decode"]


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
    begin = head_length(body) if short == "zinc" else json_head_length(body)
    rows = open_rows(body[:begin], short)
    if rows is None or len(body) == begin:
        return None
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
    grid = rows.resolve(pump.held)
    if grid is None or rows.sink.length == 0:
        return None
    return grid_of(grid, rows)


def open_rows(head: bytes, short: str) -> ZincRows | JsonRows | None:
    """A reader for the rows behind the head of a body; None where it is not the head of a history.

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
    return ZincRows(head, len(names) - 1) if short == "zinc" else JsonRows(head, names[1:], short)


def grid_of(exact: Grid, rows: ZincRows | JsonRows) -> Grid | None:
    """The grid of the rows in the sink under the header that the exact parser read."""
    values = rows.table.values
    columns = [column_of(rows.sink.cells(place), values, unit) for place, unit in enumerate(rows.units)]
    if any(column is None for column in columns):
        return None
    times = TimeColumn(pa.array(rows.sink.times), rows.tz)
    return Grid(exact.meta, exact.cols, [times, *(column for column in columns if column is not None)])
