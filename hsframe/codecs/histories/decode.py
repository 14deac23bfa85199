"""A whole body to a grid by columns, or the word that only the exact parser can read it."""

from __future__ import annotations

import pyarrow as pa

from hsframe.codecs.histories.cells import column_of
from hsframe.codecs.histories.pump import BLOCK_BYTES, Pump
from hsframe.codecs.histories.zinc import ZincRows, head_length
from hsframe.codecs.zinc import decode_zinc
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
    if short == "zinc":
        return _decode_zinc(body)
    return None


def _decode_zinc(body: bytes) -> Grid | None:
    begin = head_length(body)
    head = body[:begin]
    rows = open_zinc(head)
    if rows is None or len(body) == begin:
        return None
    pump = Pump(rows, BLOCK_BYTES)
    view = memoryview(body)
    ahead = min(len(body), begin + BLOCK_BYTES)
    if not pump.push(view[begin:ahead]):
        return None
    if ahead < len(body):
        rows.sink.expect(rows.sink.length and (ahead - begin) / (len(body) - begin))
        if not pump.push(view[ahead:]):
            return None
    if not pump.flush():
        return None
    grid = rows.resolve(pump.held)
    if grid is None or rows.sink.length == 0:
        return None
    return grid_of(grid, rows)


def open_zinc(head: bytes) -> ZincRows | None:
    """A reader for the rows under the first two lines of a body; None where they are not those of a history."""
    try:
        grid = decode_zinc(head)
    except CodecError:
        return None
    if len(grid.cols) < 2 or len(grid) or grid.cols[0].name != "ts":
        return None
    return ZincRows(head, len(grid.cols) - 1)


def grid_of(exact: Grid, rows: ZincRows) -> Grid | None:
    """The grid of the rows in the sink under the header that the exact parser read."""
    values = rows.table.values
    columns = [column_of(rows.sink.cells(place), values, unit) for place, unit in enumerate(rows.units)]
    if any(column is None for column in columns):
        return None
    times = TimeColumn(pa.array(rows.sink.times), rows.tz)
    return Grid(exact.meta, exact.cols, [times, *(column for column in columns if column is not None)])
